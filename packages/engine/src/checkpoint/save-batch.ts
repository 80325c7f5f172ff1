import { SluiceError } from '../errors.ts'
import type { Position } from '../parse/position.ts'
import type { Reject } from '../reject/reject.ts'
import type { Database, JobCounts, LoadPlan, Sql } from '../write/database.ts'
import type { Settled } from '../write/locate.ts'
import { renewed } from './clock.ts'
import { type Lease, type Mark, type SqlRow, toCounts } from './job.ts'
import { addRejectCounts, countCodes } from './reject-counts.ts'
import { rejectTableSql } from './reject-table.ts'

/** Bounds of one INSERT of rejects. A reject carries up to 64 KB, so the bytes must be bounded as well as the rows. */
const REJECTS_PER_INSERT = 1_000
const RAW_BYTES_PER_INSERT = 2 << 20

/** The counters of a batch, as the columns of `ingestion_jobs` are called. */
const COUNTERS = ['records_read', 'inserted', 'updated', 'unchanged', 'duplicates', 'rejected'] as const

/**
 * Saves what belongs to a batch beside its rows; to be called inside the batch's transaction, at its end, because the
 * job's row is shared by all segments and stays locked until the commit.
 *
 * Stores the rejects, adds the batch to the job's counters, moves the checkpoint to `to` and renews its lease (which
 * keeps the length it was claimed with).
 *
 * @param now SQL for the current time, `Database.now`.
 * @param lease Whose batch it is, and under which lease.
 * @param settled Rejects with code `duplicate` are stored too, but `outcome.duplicates` counts them.
 * @throws SluiceError SLUICE_LEASE_LOST when the checkpoint has another epoch than `lease.epoch`, or stands behind `from`
 *   already, because an earlier try was committed after its connection broke; SLUICE_INTERNAL when the counts do not balance.
 *   Either way the caller rolls back.
 * @returns The job's counters with this batch; undefined in SQLite, where one process at a time loads a job.
 */
export async function saveBatch(
  sql: Sql,
  now: string,
  kind: Database['kind'],
  lease: Lease & Pick<LoadPlan, 'source' | 'rejectTable'>,
  settled: Settled,
  from: Position,
  to: Mark,
): Promise<JobCounts | undefined> {
  const { outcome, rejects, recordsRead } = settled
  const { inserted, updated, unchanged, duplicates } = outcome
  const rejected = rejects.filter(({ errors }) => errors[0]?.code !== 'duplicate').length
  const counts = [recordsRead, inserted, updated, unchanged, duplicates, rejected]
  const codes = countCodes(
    {},
    rejects.map(({ errors }) => errors[0]!.code),
    1,
  )
  if (recordsRead !== inserted + updated + unchanged + duplicates + rejected) {
    const list = COUNTERS.map((name, i) => `${name} ${counts[i]}`).join(', ')
    throw new SluiceError('SLUICE_INTERNAL', `A batch was not committed because its counts do not balance: ${list}`)
  }

  for (const part of parts(rejects)) {
    const text = insertRejects(kind, now, rejectTableSql(lease.rejectTable))
    await sql.query(text, [lease.jobId, lease.segment, toJson(kind, part), lease.source ?? null])
  }

  const place = [lease.jobId, lease.segment, to.stored ?? to.byte]
  const counted = [...counts, JSON.stringify(codes)]
  const mark = [lease.epoch, to.line, to.record, from.byte, to.sha256 ?? null, to.byte]
  let moved: SqlRow[]
  if (kind === 'postgres') {
    // One round trip. PostgreSQL runs the statement in WITH last, so the job's row is locked as late as possible.
    const totals = [...COUNTERS, 'bytes_committed'].map((name) => `(SELECT ${name} FROM counted) AS ${name}`)
    const text = `WITH counted AS (${addToJob(kind, now, 10)} RETURNING *) ${moveCheckpoint(kind, now)}, ${totals.join(', ')}`
    moved = await sql.query(text, [...place, ...mark, ...counted])
  } else {
    await sql.query(addToJob(kind, now, 4), [...place, ...counted])
    moved = await sql.query(moveCheckpoint(kind, now), [...place, ...mark])
  }
  if (moved.length === 0) {
    throw new SluiceError(
      'SLUICE_LEASE_LOST',
      `Another process has taken over job ${lease.jobId} (segment ${lease.segment}), so this one stops; ` +
        'nothing of its last batch was committed',
    )
  }
  return kind === 'postgres' ? toCounts(moved[0]!) : undefined
}

/** Parameters: job, segment, bytes as stored; the counts from `$first` on, and behind them the rejects by code. */
function addToJob(kind: Database['kind'], now: string, first: number): string {
  const sums = COUNTERS.map((name, i) => `${name} = ${name} + $${first + i}`).join(', ')
  const codes = addRejectCounts(kind, `$${first + COUNTERS.length}`)
  return `UPDATE ingestion_jobs SET ${sums}, ${codes}, updated_at = ${now},
    bytes_committed = bytes_committed + $3
      - (SELECT coalesce(committed_stored, committed_byte) FROM ingestion_checkpoints WHERE job_id = $1 AND segment = $2)
    WHERE job_id = $1`
}

/** Parameters: job, segment, bytes as stored, epoch, line, record, byte where the batch begins, SHA-256 of what is before its end, byte of that. */
function moveCheckpoint(kind: Database['kind'], now: string): string {
  return `UPDATE ingestion_checkpoints SET committed_stored = $3, committed_byte = $9, committed_line = $5,
    committed_record = $6, committed_sha256 = $8,
    lease_expires = ${renewed(kind, now)}, updated_at = ${now}
    WHERE job_id = $1 AND segment = $2 AND epoch = $4 AND committed_byte <= $7 RETURNING segment`
}

/** Parameters: job, segment, the rejects as a JSON array, name of the source. */
function insertRejects(kind: Database['kind'], now: string, table: string): string {
  const columns = 'line, record, byte_offset, column_name, code, message, value, errors, raw_length, raw'
  const into = `INSERT INTO ${table} (job_id, segment, source, created_at, ${columns})`
  return kind === 'postgres'
    ? `${into} SELECT CAST($1 AS uuid), CAST($2 AS int), CAST($4 AS text), ${now}, line, record, byte_offset, column_name, code, message,
        value, errors, raw_length, decode(raw, 'base64')
        FROM jsonb_to_recordset($3) AS r (line bigint, record bigint, byte_offset bigint, column_name text, code text,
          message text, value text, errors jsonb, raw_length bigint, raw text)`
    : `${into} SELECT $1, $2, $4, ${now}, value->>'line', value->>'record', value->>'byte_offset', value->>'column_name',
        value->>'code', value->>'message', value->>'value', value->'errors', value->>'raw_length', unhex(value->>'raw')
        FROM json_each($3) ORDER BY key`
}

function toJson(kind: Database['kind'], rejects: Reject[]): string {
  const rows = rejects.map(({ line, record, byteOffset, errors, raw, rawLength }) => {
    const [first] = errors
    return {
      line,
      record,
      byte_offset: byteOffset,
      column_name: first?.column,
      code: first?.code,
      message: first?.message,
      value: first?.value,
      errors,
      raw_length: rawLength,
      raw: Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString(kind === 'postgres' ? 'base64' : 'hex'),
    }
  })
  return storableJson(kind, rows)
}

/** What {@link storable} changes, as JSON writes it; what stands behind an escaped backslash is taken for it too, which costs no more than time. */
const NOT_STORABLE = /\\u(?:0000|d[89a-f])/

/** JSON whose strings the database can hold. */
export function storableJson(kind: Database['kind'], value: unknown): string {
  const text = JSON.stringify(value)
  // To ask for every string took more time than all else that is done in JavaScript for a reject.
  if (!NOT_STORABLE.test(text)) return text
  return JSON.stringify(value, (_key, entry) => (typeof entry === 'string' ? storable(kind, entry) : entry))
}

/** PostgreSQL's text cannot hold NUL, and no database takes half of a surrogate pair (a value may be cut in one). */
function storable(kind: Database['kind'], text: string): string {
  const wellFormed = text.toWellFormed()
  return kind === 'postgres' ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed
}

function* parts(rejects: Reject[]): Generator<Reject[]> {
  let part: Reject[] = []
  let bytes = 0
  for (const reject of rejects) {
    if (part.length === REJECTS_PER_INSERT || (part.length > 0 && bytes + reject.raw.length > RAW_BYTES_PER_INSERT)) {
      yield part
      part = []
      bytes = 0
    }
    part.push(reject)
    bytes += reject.raw.length
  }
  if (part.length > 0) yield part
}
