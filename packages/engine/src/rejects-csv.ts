import { readRecords } from './parse/records.ts'
import type { Reject, RejectError } from './reject/reject.ts'
import type { Settings } from './settings.ts'

/** Columns behind those of the source. */
const OWN_COLUMNS = ['sluice_record', 'sluice_line', 'sluice_column', 'sluice_code', 'sluice_message', 'sluice_guarded']

/**
 * What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), the full-width forms of Japanese
 * input among them. Read as one character a byte, see {@link latin}.
 */
const FORMULA = /^(?:[=+\-@\t\r\n]|\xef\xbc[\x8b\x8d\x9d\xa0])/

type Shape = Pick<Settings, 'header' | 'headers' | 'dialect'>
/** A reject, and which source of the job it is of. */
type Placed<T = Reject> = T & { segment: number }

/** A cell as the CSV of rejects has it. */
export interface RejectCell {
  /** One character a byte, so that bytes that are not UTF-8 pass as they are. */
  text: string
  isNull: boolean
}

/** The header line of a CSV of rejects. */
export function rejectsHead({ header }: Pick<Settings, 'header'>): Uint8Array {
  return line([...header, ...OWN_COLUMNS].map((name) => quoted(guard(latin(name)))))
}

/** A name of the source's header as {@link rejectsHead} has it. */
export function headName(name: string): string {
  return FORMULA.test(latin(name)) ? `'${name}` : name
}

/**
 * Makes lines of a CSV of rejects: the cells of the record as far as it can be taken apart, then where and why it was refused.
 * A cell that a spreadsheet would take for a formula gets an apostrophe, and is named in `sluice_guarded` so that it can be taken off again.
 */
export function rejectLine(shape: Shape): (reject: Placed) => Uint8Array {
  const cellsOf = rejectCells(shape)
  const { nullWords } = shape.dialect
  return (reject) => {
    const guarded: string[] = []
    const cells = cellsOf(reject).cells.map(({ text, isNull }, i) => {
      if (isNull) return text
      if (FORMULA.test(text)) guarded.push(guardedName(shape.header[i]!))
      // What is NULL without quotes is text within them.
      return quoted(guard(text), nullWords.includes(text))
    })
    const { record, line: at, errors } = reject
    const first = errors[0]!
    const own = [record, at, first.column ?? '', first.code, messageOf(errors)].map((value) => guard(latin(`${value}`)))
    return line([...cells, ...own.map((cell) => quoted(cell)), quoted(latin(guarded.join(' ')))])
  }
}

/**
 * Takes a rejected record apart, into one cell for each column. A record that cannot be taken apart stands whole in the
 * first column. Cells too many stay in the last one, so that none is lost and the columns of sluice stay in their places.
 */
export function rejectCells(shape: Shape) {
  const { header, dialect } = shape
  const nothing: RejectCell = { text: '', isNull: true }
  return ({ raw, segment }: Placed<Pick<Reject, 'raw'>>): { cells: RejectCell[]; isWhole: boolean } => {
    const [parsed] = readRecords(raw, dialect, { maxRecordBytes: raw.length, position: INSIDE })
    // Headers become known one after the other.
    const own = shape.headers?.[segment]
    if (!parsed || parsed.fault || (own && parsed.cells.length !== own.length)) {
      const whole = { text: Buffer.from(raw).toString('latin1'), isNull: false }
      return { cells: header.map((_, i) => (i === 0 ? whole : nothing)), isWhole: true }
    }
    const read = parsed.cells.map(({ bytes, quoted, text }) => ({
      text: Buffer.from(bytes).toString('latin1'),
      isNull: !quoted && dialect.nullWords.includes(text),
    }))
    if (own) return { cells: header.map((name) => read[own.indexOf(name)] ?? nothing), isWhole: false }
    const cells = header.map((_, i) => read[i] ?? nothing)
    if (read.length > header.length) {
      const rest = read.slice(header.length - 1).map(({ text }) => text)
      cells[header.length - 1] = { text: rest.join(dialect.delimiter), isNull: false }
    }
    return { cells, isWhole: false }
  }
}

/** A position that is not the source's start, where a byte order mark would be skipped. */
const INSIDE = { byte: 1, line: 1, record: 0 }

/** A CSV of rejects, a page of lines at a time. */
export async function* rejectsCsv(
  job: { settings: unknown },
  pages: AsyncIterable<Placed[]>,
): AsyncGenerator<Uint8Array, void, void> {
  const settings = job.settings as Settings
  const toLine = rejectLine(settings)
  yield rejectsHead(settings)
  for await (const page of pages) yield Buffer.concat(page.map(toLine))
}

/** A column's name in `sluice_guarded`, whose names are separated by spaces and which must be no formula itself. */
export function guardedName(name: string): string {
  const hex = (part: string) => [...Buffer.from(part)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  return name.replace(/[%\s]|^[=+\-@＝＋－＠]/g, hex)
}

/** All that is wrong, each with its column where they are several. */
function messageOf(errors: RejectError[]): string {
  const [first, ...others] = errors
  if (others.length === 0) return first!.message
  return errors.map(({ column, message }) => (column === null ? message : `${column}: ${message}`)).join('; ')
}

function guard(cell: string): string {
  return FORMULA.test(cell) ? `'${cell}` : cell
}

function line(cells: string[]): Uint8Array {
  return Buffer.from(`${cells.join(',')}\n`, 'latin1')
}

function quoted(cell: string, always = false): string {
  return always || /[",\r\n]/.test(cell) || cell !== cell.trim() ? `"${cell.replaceAll('"', '""')}"` : cell
}

/** One character a byte of the text's UTF-8. */
export function latin(text: string): string {
  return Buffer.from(text).toString('latin1')
}
