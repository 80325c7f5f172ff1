import { readRecords } from './parse/records.ts'
import type { Reject, RejectError } from './reject/reject.ts'
import type { Settings } from './settings.ts'

/** Columns behind those of the source. */
const OWN_COLUMNS = ['sluice_record', 'sluice_line', 'sluice_column', 'sluice_code', 'sluice_message', 'sluice_guarded']

/** What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"). */
const FORMULA = /^[=+\-@\t\r]/

/** The header line of a CSV of rejects. */
export function rejectsHead({ header }: Pick<Settings, 'header'>): string {
  return line([...header, ...OWN_COLUMNS])
}

/**
 * Makes lines of a CSV of rejects: the cells of the record as far as it can be taken apart, then where and why it was refused.
 * A cell that a spreadsheet would take for a formula gets an apostrophe, and is named in `sluice_guarded` so that it can be taken off again.
 */
export function rejectLine({ header, dialect }: Pick<Settings, 'header' | 'dialect'>): (reject: Reject) => string {
  return ({ record, line: at, errors, raw }) => {
    const [parsed] = readRecords(raw, dialect, { maxRecordBytes: raw.length })
    const cells = parsed?.fault || !parsed ? [Buffer.from(raw).toString()] : parsed.cells.map(({ text }) => text)
    // Cells too many stay in the last column, so that none is lost and those of sluice stay in their places.
    const last = header.length - 1
    const fitted = header.map((_, i) => (i === last ? cells.slice(i).join(dialect.delimiter) : (cells[i] ?? '')))
    const guarded: string[] = []
    const safe = fitted.map((cell, i) => {
      if (!FORMULA.test(cell)) return cell
      guarded.push(header[i]!)
      return `'${cell}`
    })
    const first = errors[0]!
    const own = [record, at, first.column ?? '', first.code, messageOf(errors)]
    return line([...safe, ...own.map(String).map(guard), guarded.join(' ')])
  }
}

/** A CSV of rejects, a page of lines at a time. */
export async function* rejectsCsv(
  job: { settings: unknown },
  pages: AsyncIterable<Reject[]>,
): AsyncGenerator<string, void, void> {
  const settings = job.settings as Settings
  const toLine = rejectLine(settings)
  yield rejectsHead(settings)
  for await (const page of pages) yield page.map(toLine).join('')
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

function line(cells: string[]): string {
  return `${cells.map(quoted).join(',')}\n`
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) || cell !== cell.trim() ? `"${cell.replaceAll('"', '""')}"` : cell
}
