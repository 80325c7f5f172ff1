import type { Dialect } from './parse/dialect.ts'
import { CSV } from './parse/dialect.ts'
import { type Cell, readRecords } from './parse/records.ts'
import { codeOf, describeError, type Reason } from './reject/messages.ts'
import { ERRORS_LIMIT, type Reject, type RejectError } from './reject/reject.ts'
import { rejectCells } from './rejects-csv.ts'
import type { Correction } from './replay-file.ts'
import type { Settings } from './settings.ts'

/** Text without quotes that is NULL; where a record has one column, an empty line would be no record at all. */
const NULL = 'NULL'

/** In which corrected records are given to the parser: whatever stands between quotes is text, and nothing else is. */
export const COMPOSED: Dialect = { ...CSV, header: false, nullWords: [NULL] }

/** A record to be loaded, one character a byte and with its line end; or why there is none. */
export type Composed = string | { errors: RejectError[] }

/**
 * Makes a record of a correction.
 * @param extra Cells in front of those of the source.
 */
export function composer(
  settings: Pick<Settings, 'header' | 'headers' | 'dialect'>,
  extra: (reject: Reject & { segment: number }) => string[],
): (correction: Correction, reject: Reject & { segment: number }) => Composed {
  const { header, headers, dialect } = settings
  const printed = rejectCells(settings)
  const fromRaw = (raw: Uint8Array, segment: number): string[] | RejectError[] => {
    const own = headers?.[segment] ?? header
    const records = [...readRecords(raw, dialect, { maxRecordBytes: raw.length, position: INSIDE }).take(2)]
    const [only] = records
    if (records.length !== 1 || !only) {
      const what = records.length === 0 ? 'is empty' : 'holds more than one record'
      return [{ column: null, code: 'quote-error', message: `the corrected text ${what}`, value: null }]
    }
    if (only.fault) return [errorOf(only.fault.reason, own[only.fault.cell] ?? null)]
    const errors = miscounted(only.cells, own) ?? unplaced(own, header)
    if (errors) return errors
    const cells = only.cells.map((cell) => cellOf(cell, dialect))
    return own === header ? cells : header.map((name) => cells[own.indexOf(name)] ?? NULL)
  }

  return ({ given }, reject) => {
    let found: string[] | RejectError[]
    if ('raw' in given) {
      // What was cut when it was kept is still cut, unless its length says that it is whole again.
      const isCut = reject.rawLength > reject.raw.length && given.rawLength !== given.raw.length
      found = isCut ? [cutError(reject)] : fromRaw(given.raw, reject.segment)
    } else {
      const { cells: before, isWhole } = printed(reject)
      if (reject.rawLength > reject.raw.length) found = [cutError(reject)]
      else if (given.cells.every(({ text }, i) => text === before[i]!.text)) found = fromRaw(reject.raw, reject.segment)
      else if (isWhole && given.cells.slice(1).every(({ text }) => text === '')) {
        found = fromRaw(Buffer.from(given.cells[0]!.text, 'latin1'), reject.segment)
      } else {
        found = given.cells.map(({ text, quoted }) =>
          !quoted && dialect.nullWords.includes(text) ? NULL : quote(text),
        )
      }
    }
    if (typeof found[0] === 'object') return { errors: found as RejectError[] }
    return `${[...extra(reject).map(quote), ...(found as string[])].join(',')}\n`
  }
}

/** A position that is not the source's start, where a byte order mark would be skipped. */
const INSIDE = { byte: 1, line: 1, record: 0 }

/** Columns of a source that the job's first one does not have: a replay has no place for them. */
function unplaced(own: string[], header: string[]): RejectError[] | undefined {
  const others = own === header ? [] : own.filter((name) => !header.includes(name))
  if (others.length === 0) return undefined
  const message = 'the first source of the job does not have this column, so the record cannot be replayed'
  return others.slice(0, ERRORS_LIMIT).map((column) => ({ column, code: 'extra-cell', message, value: null }))
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
  detail: { cell?: number; expected?: number } = {},
): RejectError {
  return { column, code: codeOf(reason), message: describeError(reason, null, null, detail), value: null }
}

function quote(cell: string): string {
  return `"${cell.replaceAll('"', '""')}"`
}
