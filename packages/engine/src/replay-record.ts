import type { StoredReject } from './checkpoint/job.ts'
import { extraMember } from './parse/cell-text.ts'
import type { Dialect } from './parse/dialect.ts'
import { CSV } from './parse/dialect.ts'
import { type Cell, readKept } from './parse/records.ts'
import { codeOf, describeError, type Reason } from './reject/messages.ts'
import { ERRORS_LIMIT, type Reject, type RejectError } from './reject/reject.ts'
import { decodedRaw } from './reject-text.ts'
import { needsQuotes, rejectCells } from './rejects-csv.ts'
import { headerOf, layoutOf } from './rejects-layout.ts'
import type { CorrectedCell, Correction } from './replay-file.ts'
import type { Settings } from './settings.ts'

/** Text without quotes that is NULL; where a record has one column, an empty line would be no record at all. */
const NULL = 'NULL'

/** In which corrected records are given to the parser: whatever stands between quotes is text, and nothing else is. */
export const COMPOSED: Dialect = { ...CSV, header: false, nullWords: [NULL] }

/** A record to be loaded, one character a byte and with its line end; or why there is none. */
export type Composed = string | { errors: RejectError[] }

/**
 * Makes a record of a correction, with the cells of its source in their order.
 * @param extra Cells in front of those of the source.
 */
export function composer(
  settings: Pick<Settings, 'header' | 'headers' | 'dialect'>,
  extra: (reject: StoredReject) => string[],
): (correction: Correction, reject: StoredReject) => Composed {
  const { dialect } = settings
  const layout = layoutOf(settings)
  const printed = rejectCells(settings)

  const fromRaw = (raw: Uint8Array, header: string[]): string[] | RejectError[] => {
    const records = [...readKept(raw, dialect, header).take(2)]
    const [only] = records
    if (records.length !== 1 || !only) {
      const what = records.length === 0 ? 'is empty' : 'holds more than one record'
      const code = dialect.json ? 'json-error' : 'quote-error'
      return [{ column: null, code, message: `the corrected text ${what}`, value: null }]
    }
    if (only.fault) return [errorOf(only.fault.reason, header[only.fault.cell] ?? null, { value: only.fault.text })]
    const extras = only.cells.filter(({ kind }) => kind === 'extra')
    if (extras.length > 0) return extras.slice(0, ERRORS_LIMIT).map(({ text }) => extraMember(text))
    return miscounted(only.cells, header) ?? only.cells.map((cell) => cellOf(cell, dialect))
  }

  const fromCells = (given: CorrectedCell[], reject: StoredReject): string[] | RejectError[] => {
    const header = headerOf(settings, reject.segment)
    const places = layout.placesOf(reject.segment)
    const own = places.map((place) => given[place]!)
    const { cells: before, isWhole } = printed(reject)
    const strange = layout.columns.filter((_, place) => given[place]!.text !== '' && !places.includes(place))
    if (reject.rawLength > reject.raw.length) return [cutError(reject)]
    if (strange.length > 0) return strange.slice(0, ERRORS_LIMIT).map((column) => strangeError(column, reject))
    if (own.every(({ text }, i) => text === before[i]!.text)) return fromRaw(decodedRaw(reject, dialect), header)
    if (isWhole && own.slice(1).every(({ text }) => text === '')) {
      return fromRaw(Buffer.from(own[0]!.text, 'latin1'), header)
    }
    return own.map(({ text, quoted }, i) => {
      const isNull = !quoted && dialect.nullWords.includes(text)
      // A word for NULL that needs quotes in a CSV of rejects cannot stand without them.
      const wasNull = before[i]!.isNull && text === before[i]!.text && needsQuotes(text)
      return isNull || wasNull ? NULL : quote(text)
    })
  }

  return ({ given }, reject) => {
    let found: string[] | RejectError[]
    if ('raw' in given) {
      // What was cut when it was kept is still cut, unless its length says that it is whole again.
      const isCut = reject.rawLength > reject.raw.length && given.rawLength !== given.raw.length
      found = isCut
        ? [cutError(reject)]
        : fromRaw(given.isText ? given.raw : decodedRaw(given, dialect), headerOf(settings, reject.segment))
    } else found = fromCells(given.cells, reject)
    if (typeof found[0] === 'object') return { errors: found as RejectError[] }
    return `${[...extra(reject).map(quote), ...(found as string[])].join(',')}\n`
  }
}

/** A cell in a column that the record's own source does not have: where it should go, nobody knows. */
function strangeError(column: string, { source }: StoredReject): RejectError {
  const message = `${source ?? 'the source of this record'} does not have this column: leave the cell empty`
  return { column, code: 'extra-cell', message, value: null }
}

function cellOf({ bytes, quoted, text }: Cell, { nullWords }: Dialect): string {
  return !quoted && nullWords.includes(text) ? NULL : quote(Buffer.from(bytes).toString('latin1'))
}

function miscounted(cells: Cell[], header: string[]): RejectError[] | undefined {
  if (cells.length === header.length) return undefined
  const expected = header.length
  const errors =
    cells.length < expected
      ? header.slice(cells.length).map((column) => errorOf('missing-cell', column))
      : cells.slice(expected).map(({ text }, i) => ({
          ...errorOf('extra-cell', null, { cell: expected + i, expected }),
          value: text,
        }))
  return errors.slice(0, ERRORS_LIMIT)
}

function cutError({ rawLength, raw }: Reject): RejectError {
  const message =
    `of the record's ${rawLength} bytes only the first ${raw.length} were kept, so they cannot be loaded; ` +
    'give the whole record as NDJSON, with its length in bytes as "rawLength"'
  return { column: null, code: 'record-too-large', message, value: null }
}

function errorOf(
  reason: Reason,
  column: string | null,
  { value = null, ...detail }: { cell?: number; expected?: number; value?: string | null | undefined } = {},
): RejectError {
  return { column, code: codeOf(reason), message: describeError(reason, null, value, detail), value: null }
}

function quote(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`
}
