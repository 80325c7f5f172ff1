import { isUtf8 } from 'node:buffer'
import { SluiceError } from '../errors.ts'
import type { Row } from '../options.ts'
import { codeOf, cutValue, describeError } from '../reject/messages.ts'
import type { RejectError } from '../reject/reject.ts'
import type { Program } from '../schema/program.ts'
import type { Dialect } from './dialect.ts'
import type { SourceRecord } from './records.ts'

/** What a user's function makes of a row: the row, changed or not, or why it is refused. */
export type MapRow = (row: Row) => Row | string

/** Takes rows to a user's function and back: cells of a record in, cells of a record or errors out. */
export class RowMapper {
  readonly #map: MapRow
  readonly #header: string[]
  readonly #names: Set<string>
  /** Cells that are loaded. */
  readonly #loaded: boolean[]
  readonly #nullWords: Set<string>
  readonly #maxBytes: number

  /** @throws SluiceError SLUICE_COLUMNS when a row cannot have a loaded column by its name, because another one has it too */
  constructor(map: MapRow, { sourceColumns, columns }: Program, { nullWords }: Dialect, maxRecordBytes: number) {
    this.#map = map
    this.#header = sourceColumns
    this.#names = new Set(sourceColumns)
    this.#loaded = sourceColumns.map((_, cell) => columns.some(({ from }) => 'cell' in from && from.cell === cell))
    this.#nullWords = new Set(nullWords)
    this.#maxBytes = maxRecordBytes
    const isTwice = (name: string) => sourceColumns.indexOf(name) !== sourceColumns.lastIndexOf(name)
    const again = sourceColumns.find((name, cell) => this.#loaded[cell] && isTwice(name))
    if (again !== undefined) {
      throw new SluiceError(
        'SLUICE_COLUMNS',
        `Two columns of the source are called "${again}", so map cannot tell them apart; give them different names`,
      )
    }
  }

  /** Whether the record is sound enough for a function to see: its loaded cells are all there, and they are text. */
  takes({ cells, fault }: SourceRecord): boolean {
    if (fault || cells.length > this.#header.length) return false
    return this.#loaded.every((loaded, cell) => !loaded || (cells[cell] !== undefined && isUtf8(cells[cell].bytes)))
  }

  /**
   * @param record one that it `takes`, and its ordinal in the job, from 1
   * @returns a value for each column of the source, and what is wrong with them
   * @throws SluiceError SLUICE_MAP when the function throws, or gives back what is no row
   */
  map({ cells, line }: SourceRecord, ordinal: number): { values: (string | null)[]; errors: RejectError[] } {
    const row: Row = Object.create(null)
    for (const [index, name] of this.#header.entries()) {
      const cell = cells[index]
      row[name] = !cell || (!cell.quoted && this.#nullWords.has(cell.text)) ? null : cell.text
    }
    let answer: unknown
    try {
      answer = this.#map(row)
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause)
      throw new SluiceError('SLUICE_MAP', `map failed at record ${ordinal} (line ${line}): ${message}`, { cause })
    }
    if (typeof answer === 'string') {
      const message = answer || 'refused by map'
      return { values: [], errors: [{ column: null, code: 'constraint-error', message, value: null }] }
    }
    const wrong = this.#wrongWith(answer)
    if (wrong) throw new SluiceError('SLUICE_MAP', `map, at record ${ordinal} (line ${line}), ${wrong}`)
    const values = this.#header.map((name) => (answer as Row)[name]!)
    return { values, errors: this.#errorsOf(values) }
  }

  #wrongWith(answer: unknown): string | undefined {
    if (answer instanceof Promise) {
      // The load fails anyway, with a better message.
      answer.catch(() => undefined)
      return 'returned a promise; it has to return the row itself, so do what takes time before the load'
    }
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) {
      return `returned ${Array.isArray(answer) ? 'an array' : String(answer)}; it has to return the row, or a message that makes it a reject`
    }
    const unknown = Object.keys(answer).find((name) => !this.#names.has(name))
    if (unknown !== undefined) {
      return `added "${unknown}", which is no column of the source (${this.#header.join(', ').slice(0, 200)}); a value for every row is set with the option set`
    }
    for (const name of this.#header) {
      const value: unknown = Object.hasOwn(answer, name) ? (answer as Row)[name] : undefined
      if (value !== null && typeof value !== 'string') {
        return `gave "${name}" ${value === undefined ? 'no value' : `a value of type ${typeof value}`}; give it a string, or null for NULL`
      }
    }
    return undefined
  }

  /** What a string can be and a cell cannot. */
  #errorsOf(values: (string | null)[]): RejectError[] {
    const code = codeOf('encoding')
    const message = 'the text that map returned is not Unicode: it has half of a surrogate pair'
    const errors: RejectError[] = []
    let bytes = 0
    for (const [cell, value] of values.entries()) {
      if (value === null) continue
      bytes += Buffer.byteLength(value)
      if (this.#loaded[cell] && !value.isWellFormed()) {
        errors.push({ column: this.#header[cell]!, code, message, value: cutValue(value.toWellFormed()) })
      }
    }
    if (bytes <= this.#maxBytes) return errors
    const tooLarge = describeError('record-too-large', null, null, { limit: this.#maxBytes })
    return [{ column: null, code: 'record-too-large', message: `${tooLarge} after map`, value: null }]
  }
}

/** A record of the dialect CSV, in which only NULL is an empty cell without quotes. */
export function csvRecord(values: (string | null)[]): Buffer {
  return Buffer.from(`${values.map((value) => (value === null ? '' : `"${value.replaceAll('"', '""')}"`)).join(',')}\n`)
}
