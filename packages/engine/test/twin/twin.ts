import { extraMember } from '../../src/parse/cell-text.ts'
import type { Dialect } from '../../src/parse/dialect.ts'
import { type Position, START } from '../../src/parse/position.ts'
import { type Cell, MAX_RECORD_BYTES, readRecords, type SourceRecord } from '../../src/parse/records.ts'
import { codeOf, cutValue, describeError, type Reason, type ReasonDetail } from '../../src/reject/messages.ts'
import { ERRORS_LIMIT, RAW_LIMIT, type Reject, type RejectError } from '../../src/reject/reject.ts'
import type { Encoding, Program, ProgramColumn } from '../../src/schema/program.ts'
import { pgBinaryRow, pgTextRow, type Stored, sqliteRecord } from './encode.ts'
import { judge, type Verdict } from './values.ts'

export interface TwinOptions {
  program: Program
  dialect: Dialect
  encoding: Encoding
  maxRecordBytes?: number
  /** Where the bytes begin in the source. At byte 0 the header, where the dialect has one, is passed over. */
  position?: Position
}

export interface TwinRow {
  /** Ordinal of the record in the job, from 1. */
  record: number
  /** Offset in the source of the record's first byte. */
  start: number
  /** The row in the encoding: a tuple, a line, or an SQLite record. */
  bytes: Uint8Array
}

export interface TwinResult {
  rows: TwinRow[]
  rejects: Reject[]
  /** Records, sound or not. */
  records: number
}

const ENCODERS = { 'pg-binary': pgBinaryRow, 'pg-text': pgTextRow, 'sqlite-page': sqliteRecord }

/** What the kernel must make of a source, made the plain way. */
export function twin(bytes: Uint8Array, options: TwinOptions): TwinResult {
  const { program, dialect, encoding, maxRecordBytes = MAX_RECORD_BYTES, position = START } = options
  const result: TwinResult = { rows: [], rejects: [], records: 0 }
  let header = dialect.header && position.byte === 0
  for (const source of readRecords(bytes, dialect, { maxRecordBytes, position, columns: program.sourceColumns })) {
    if (header) {
      header = false
      continue
    }
    const record = position.record + ++result.records
    const judged = judgeRecord(source, program, dialect, maxRecordBytes)
    if (judged.errors.length === 0) {
      result.rows.push({ record, start: source.byteOffset, bytes: ENCODERS[encoding](judged.row) })
    } else {
      const whole = bytes.subarray(source.byteOffset - position.byte, source.end - position.byte)
      result.rejects.push({
        record,
        line: source.line,
        byteOffset: source.byteOffset,
        errors: judged.errors.slice(0, ERRORS_LIMIT),
        raw: whole.slice(0, RAW_LIMIT),
        rawLength: whole.length,
      })
    }
  }
  return result
}

function judgeRecord(
  source: SourceRecord,
  program: Program,
  dialect: Dialect,
  limit: number,
): { row: Stored[]; errors: RejectError[] } {
  const { fault } = source
  if (fault) {
    const column = fault.code === 'record-too-large' ? null : (program.sourceColumns[fault.cell] ?? null)
    const message = describeError(fault.reason, null, fault.text ?? null, { limit })
    const error = { column, code: fault.code, message, value: null }
    return { row: [], errors: [error] }
  }
  // The place of a column among the errors: its cell, or behind all cells where it has none.
  const found: { place: number; error: RejectError }[] = []
  const row = program.columns.map((column): Stored => {
    const { from } = column
    const place = 'cell' in from ? from.cell : Number.MAX_SAFE_INTEGER
    const add = (reason: Reason, value: string | null, detail?: ReasonDetail): void => {
      found.push({ place, error: makeError(reason, nameOf(column, program), column, value, detail) })
    }
    const cell = 'cell' in from ? source.cells[from.cell] : undefined
    if ('cell' in from && cell === undefined) {
      add('missing-cell', null)
      return { storage: column.storage, value: null }
    }
    const text = cell?.text ?? ('constant' in from ? from.constant : String(source.line))
    const verdict = verdictOn(cell, text, column, dialect)
    if ('value' in verdict) return { storage: column.storage, value: verdict.value }
    add(verdict.refused.reason, text, { message: verdict.refused.message })
    return { storage: column.storage, value: null }
  })
  const expected = program.sourceColumns.length
  source.cells.slice(expected).forEach((cell, index) => {
    if (cell.kind === 'extra') {
      found.push({ place: expected + index, error: extraMember(cell.text) })
      return
    }
    const detail = { cell: expected + index, expected }
    found.push({ place: expected + index, error: makeError('extra-cell', null, null, cell.text, detail) })
  })
  found.sort((a, b) => a.place - b.place)
  return { row, errors: found.map(({ error }) => error) }
}

function verdictOn(cell: Cell | undefined, text: string | null, column: ProgramColumn, dialect: Dialect): Verdict {
  const isNull = cell ? !cell.quoted && dialect.nullWords.some((word) => equal(cell.bytes, word)) : text === null
  if (isNull) return column.required ? { refused: { reason: 'required' } } : { value: null }
  return judge(cell ? cell.bytes : Buffer.from(text!), column)
}

function makeError(
  reason: Reason,
  name: string | null,
  column: ProgramColumn | null,
  value: string | null,
  detail?: ReasonDetail,
): RejectError {
  const kept = value === null ? null : cutValue(value)
  return { column: name, code: codeOf(reason), message: describeError(reason, column, kept, detail), value: kept }
}

function nameOf({ from, name }: ProgramColumn, { sourceColumns }: Program): string {
  return 'cell' in from ? (sourceColumns[from.cell] ?? name) : name
}

const equal = (bytes: Uint8Array, word: string): boolean => Buffer.from(word).equals(bytes)
