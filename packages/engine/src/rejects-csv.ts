import { readKept } from './parse/records.ts'
import type { PlacedReject, RejectError } from './reject/reject.ts'
import { decodedRaw } from './reject-text.ts'
import { escapeBytes, guard, guardedName, isFormula, latin } from './rejects-cell.ts'
import { headerOf, layoutOf } from './rejects-layout.ts'
import type { Settings } from './settings.ts'

/** Columns behind those of the sources. */
const OWN_COLUMNS = [
  'sluice_record',
  'sluice_line',
  'sluice_column',
  'sluice_code',
  'sluice_message',
  'sluice_guarded',
  'sluice_source',
  'sluice_escaped',
]

type Shape = Pick<Settings, 'header' | 'headers' | 'dialect'>

/** A cell of a rejected record. */
export interface RejectCell {
  /** One character a byte, so that bytes that are not UTF-8 pass as they are. */
  text: string
  isNull: boolean
}

/** The header line of a CSV of rejects. */
export function rejectsHead(shape: Pick<Settings, 'header' | 'headers'>): Uint8Array {
  return line([...layoutOf(shape).columns, ...OWN_COLUMNS].map((name) => quoted(guard(latin(name)))))
}

/**
 * Makes lines of a CSV of rejects: the cells of the record as far as it can be taken apart, each in its column by name, then where and
 * why it was refused. A cell that a spreadsheet would take for a formula gets an apostrophe, and one whose bytes are not UTF-8 shows
 * them as `\xHH`; `sluice_guarded` and `sluice_escaped` name those cells, so that both can be undone.
 */
export function rejectLine(shape: Shape): (reject: PlacedReject) => Uint8Array {
  const layout = layoutOf(shape)
  const cellsOf = rejectCells(shape)
  const { nullWords } = shape.dialect
  return (reject) => {
    const [guarded, escaped]: [string[], string[]] = [[], []]
    const places = layout.placesOf(reject.segment)
    const cells: string[] = layout.columns.map(() => '')
    for (const [i, { text, isNull }] of cellsOf(reject).cells.entries()) {
      const place = places[i]!
      const name = guardedName(layout.columns[place]!)
      const shown = escapeBytes(text)
      if (shown !== text) escaped.push(name)
      if (!isNull && isFormula(shown)) guarded.push(name)
      // What is NULL without quotes is text within them.
      cells[place] = isNull ? quoted(shown) : quoted(guard(shown), nullWords.includes(text))
    }
    const { record, line: at, errors, source } = reject
    const [first] = errors
    const own = [
      record,
      at,
      first!.column ?? '',
      first!.code,
      messageOf(errors),
      guarded.join(' '),
      source ?? '',
      escaped.join(' '),
    ]
    return line([...cells, ...own.map((value) => quoted(guard(latin(`${value}`))))])
  }
}

/**
 * Takes a rejected record apart, into one cell for each column of its source. A record that cannot be taken apart stands whole in the
 * first one. Cells too many stay in the last one, so that none is lost.
 */
export function rejectCells(shape: Shape) {
  const { dialect } = shape
  const nothing: RejectCell = { text: '', isNull: true }
  return (reject: Pick<PlacedReject, 'raw' | 'segment'>): { cells: RejectCell[]; isWhole: boolean } => {
    const { segment } = reject
    const raw = decodedRaw(reject, dialect)
    const header = headerOf(shape, segment)
    const [parsed] = readKept(raw, dialect, header)
    if (!parsed || parsed.fault) {
      const whole = { text: Buffer.from(raw).toString('latin1'), isNull: false }
      return { cells: header.map((_, i) => (i === 0 ? whole : nothing)), isWhole: true }
    }
    const read = parsed.cells.map(({ bytes, quoted, text }) => ({
      text: Buffer.from(bytes).toString('latin1'),
      isNull: !quoted && dialect.nullWords.includes(text),
    }))
    const cells = header.map((_, i) => read[i] ?? nothing)
    // A key that no column has is named in the message; joined to another's value it would spoil that.
    if (read.length > header.length && !dialect.json) {
      const rest = read.slice(header.length - 1).map(({ text }) => text)
      cells[header.length - 1] = { text: rest.join(latin(dialect.delimiter)), isNull: false }
    }
    return { cells, isWhole: false }
  }
}

/** A CSV of rejects, a page of lines at a time. */
export async function* rejectsCsv(
  job: { settings: unknown },
  pages: AsyncIterable<PlacedReject[]>,
): AsyncGenerator<Uint8Array, void, void> {
  const settings = job.settings as Settings
  const toLine = rejectLine(settings)
  yield rejectsHead(settings)
  for await (const page of pages) yield Buffer.concat(page.map(toLine))
}

/** All that is wrong, each with its column where they are several. */
function messageOf(errors: RejectError[]): string {
  const [first, ...others] = errors
  if (others.length === 0) return first!.message
  return errors.map(({ column, message }) => (column === null ? message : `${column}: ${message}`)).join('; ')
}

/** Whether a cell would be another one without quotes. */
export function needsQuotes(cell: string): boolean {
  return /[",\r\n]/.test(cell) || cell !== cell.trim()
}

function line(cells: string[]): Uint8Array {
  return Buffer.from(`${cells.join(',')}\n`, 'latin1')
}

function quoted(cell: string, always = false): string {
  return always || needsQuotes(cell) ? `"${cell.replaceAll('"', '""')}"` : cell
}
