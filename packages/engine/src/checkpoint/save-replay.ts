import { SluiceError } from '../errors.ts'
import type { Position } from '../parse/position.ts'
import type { Reject } from '../reject/reject.ts'
import type { Database, LoadPlan, Replay, Sql } from '../write/database.ts'
import type { Settled } from '../write/locate.ts'
import { addRejectCounts, countCodes } from './reject-counts.ts'
import { rejectTableSql } from './reject-table.ts'
import { storableJson } from './save-batch.ts'

/** The counters that a replay changes, as the columns of `ingestion_jobs` are called. */
const COUNTERS = ['inserted', 'updated', 'unchanged', 'duplicates', 'rejected', 'replayed'] as const

/**
 * Saves what belongs to a batch of corrected rejects beside its rows; to be called inside the batch's transaction, at its end.
 * What was loaded is closed and moves from `rejected` (or `duplicates`) to `inserted`; what was refused again stays open with its
 * new errors, and keeps the bytes that it has in the source.
 *
 * @throws SluiceError SLUICE_JOB when one of the rejects is closed already, or the job runs: nothing may be committed then
 */
export async function saveReplay(
  sql: Sql,
  now: string,
  kind: Database['kind'],
  { jobId, rejectTable }: Pick<LoadPlan, 'jobId' | 'rejectTable'>,
  { outcome, rejects }: Settled,
  { records, refused: before }: Replay,
  from: Position,
): Promise<void> {
  const table = rejectTableSql(rejectTable)
  const refused = [
    ...before,
    ...rejects.map(({ record, errors }) => ({ record: records[record - from.record - 1]!, errors })),
  ]
  const all = [...records, ...before.map(({ record }) => record)]
  const open = await sql.query<{ record: number; code: string }>(
    `SELECT record, code FROM ${table} WHERE job_id = $1 AND closed_at IS NULL AND record IN (${list(kind)})
       ${kind === 'postgres' ? 'ORDER BY record FOR UPDATE' : ''}`,
    [jobId, JSON.stringify(all)],
  )
  if (open.length !== all.length) {
    throw new SluiceError(
      'SLUICE_JOB',
      `Some of these rejects of job ${jobId} were replayed just now, by another process or by this one, whose connection broke ` +
        'before it was told; run the same command again, and none is replayed twice',
    )
  }

  const again = new Set(refused.map(({ record }) => record))
  const loaded = records.filter((record) => !again.has(record))
  if (refused.length > 0) await sql.query(renew(kind, table), [jobId, storableJson(kind, refused.map(toRow))])
  await sql.query(`UPDATE ${table} SET closed_at = ${now} WHERE job_id = $1 AND record IN (${list(kind)})`, [
    jobId,
    JSON.stringify(loaded),
  ])

  const duplicatesBefore = open.filter(({ code }) => code === 'duplicate').length
  const duplicatesAgain = refused.filter(({ errors }) => errors[0]!.code === 'duplicate').length
  const changes = [
    outcome.inserted,
    outcome.updated,
    outcome.unchanged,
    outcome.duplicates - duplicatesBefore,
    refused.length - duplicatesAgain - (open.length - duplicatesBefore),
    loaded.length,
  ]
  const balance = changes.slice(0, -1).reduce((sum, change) => sum + change, 0)
  if (balance !== 0)
    throw new SluiceError('SLUICE_INTERNAL', `A replay was not committed: its counts are off by ${balance}`)
  const sums = COUNTERS.map((name, i) => `${name} = ${name} + $${i + 2}`).join(', ')
  const closed = countCodes(
    {},
    open.map(({ code }) => code),
    -1,
  )
  const codes = countCodes(
    closed,
    refused.map(({ errors }) => errors[0]!.code),
    1,
  )
  const counted = await sql.query(
    `UPDATE ingestion_jobs SET ${sums}, ${addRejectCounts(kind, `$${COUNTERS.length + 2}`)}, updated_at = ${now}
       WHERE job_id = $1 AND status IN ('COMPLETED', 'FAILED') RETURNING job_id`,
    [jobId, ...changes, JSON.stringify(codes)],
  )
  if (counted.length === 0)
    throw new SluiceError('SLUICE_JOB', `Job ${jobId} runs again; replay its rejects when it is done`)
}

/** The records of the JSON array in `$2`. */
function list(kind: Database['kind']): string {
  return kind === 'postgres'
    ? 'SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST($2 AS jsonb))'
    : 'SELECT value FROM json_each($2)'
}

/** Parameters: job, the rejects with their new errors as a JSON array. */
function renew(kind: Database['kind'], table: string): string {
  const columns = ['column_name', 'code', 'message', 'value']
  if (kind === 'postgres') {
    return `UPDATE ${table} f SET ${[...columns, 'errors'].map((name) => `${name} = r.${name}`).join(', ')}
      FROM jsonb_to_recordset(CAST($2 AS jsonb)) AS r
        (record bigint, column_name text, code text, message text, value text, errors jsonb)
      WHERE f.job_id = $1 AND f.record = r.record AND f.closed_at IS NULL`
  }
  return `UPDATE ${table} SET ${columns.map((name) => `${name} = r.value->>'${name}'`).join(', ')},
      errors = r.value->'errors'
    FROM json_each($2) r WHERE job_id = $1 AND record = r.value->>'record' AND closed_at IS NULL`
}

function toRow({ record, errors }: Pick<Reject, 'record' | 'errors'>): object {
  const { column, code, message, value } = errors[0]!
  return { record, column_name: column, code, message, value, errors }
}
