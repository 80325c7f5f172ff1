import type { Batch } from '../../src/parse/batch.ts'
import { CSV } from '../../src/parse/dialect.ts'
import { type Position, START } from '../../src/parse/position.ts'
import type { Reject } from '../../src/reject/reject.ts'
import type { LoadPlan, Sql, TargetTable } from '../../src/write/database.ts'
import { columnOf } from './column.ts'

/** A number travels as int4, a bigint as int8, text as its bytes; bytes are taken as they are. */
export type Cell = number | bigint | string | Uint8Array | null

interface Shape {
  from?: Position
  encoding?: 'pg-binary' | 'pg-text'
  /** Of records that the checks refused, between the rows. */
  rejects?: Reject[]
}

/** A batch as the kernel would make it of a file with these rows, one a line; rejects take no line of it. */
export function batchOf(rows: Cell[][], { from = START, encoding = 'pg-binary', rejects = [] }: Shape = {}): Batch {
  const lines = rows.map((row) => Buffer.from(`${row.map((cell) => cell ?? '').join(',')}\n`))
  const rowStarts = new Uint32Array(new SharedArrayBuffer(rows.length * 4))
  let byte = 0
  lines.forEach((line, rank) => {
    rowStarts[rank] = byte
    byte += line.length
  })
  return {
    rows: rows.length,
    output: shared(rows.map(encoding === 'pg-binary' ? tuple : textLine)),
    large: [],
    input: shared(lines),
    rowStarts,
    rejects,
    from,
    to: {
      byte: from.byte + byte,
      line: from.line + rows.length,
      record: from.record + rows.length + rejects.length,
    },
  }
}

function tuple(row: Cell[]): Buffer {
  const count = Buffer.alloc(2)
  count.writeInt16BE(row.length)
  return Buffer.concat([
    count,
    ...row.flatMap((cell) => (cell === null ? [int4(-1)] : [int4(bytes(cell).length), bytes(cell)])),
  ])
}

function bytes(cell: Exclude<Cell, null>): Uint8Array {
  if (typeof cell === 'number') return int4(cell)
  if (typeof cell === 'string') return Buffer.from(cell)
  if (typeof cell !== 'bigint') return cell
  const eight = Buffer.alloc(8)
  eight.writeBigInt64BE(cell)
  return eight
}

function int4(value: number): Buffer {
  const four = Buffer.alloc(4)
  four.writeInt32BE(value)
  return four
}

const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function textLine(row: Cell[]): Buffer {
  const cells = row.map((cell) => (cell === null ? '\\N' : String(cell).replace(/[\\\t\n\r]/g, (c) => ESCAPES[c]!)))
  return Buffer.from(`${cells.join('\t')}\n`)
}

function shared(parts: Uint8Array[]): Uint8Array<SharedArrayBuffer> {
  const whole = new Uint8Array(new SharedArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** A plan that loads all columns of a table that are written, with a job and a checkpoint to go with it. */
export async function planFor(
  sql: Sql,
  target: TargetTable,
  plan: Pick<LoadPlan, 'jobId' | 'encoding'> & Partial<LoadPlan>,
): Promise<LoadPlan> {
  const now = 'now()'
  await sql.query(
    `INSERT INTO ingestion_jobs (job_id, status, source, target_table, settings, settings_hash, fingerprint, created_at, updated_at)
     VALUES ($1, 'PROCESSING', 'test.csv', $2, '{}', '', '{}', ${now}, ${now})`,
    [plan.jobId, target.name.table],
  )
  await sql.query(
    `INSERT INTO ingestion_checkpoints (job_id, segment, source, start_byte, committed_byte, committed_line, committed_record, epoch, updated_at)
     VALUES ($1, 0, 'test.csv', 0, 0, 1, 0, 1, ${now})`,
    [plan.jobId],
  )
  const columns = target.columns
    .filter(({ generated }) => !generated)
    .map(({ name, type, storage }, cell) => columnOf({ name, from: { cell }, type, storage }))
  const origins = columns.map(({ name }, cell) => ({ header: name, cell }))
  return { segment: 0, table: target.name, columns, origins, dialect: CSV, write: 'copy', epoch: 1, ...plan }
}
