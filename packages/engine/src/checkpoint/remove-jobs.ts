import type { Database } from '../write/database.ts'
import { later } from './clock.ts'
import { REJECT_TABLE_OF_JOB, rejectTableSql } from './reject-table.ts'

type Tables = Pick<Database, 'query' | 'kind' | 'now'>

/** Jobs that are removed by one statement. */
const JOBS_PER_STATEMENT = 1_000

/**
 * Removes the jobs without a live lease that nothing has happened to for `seconds`, their checkpoints and rejects.
 * @returns how many jobs were removed
 */
export async function removeJobs(database: Tables, seconds: number): Promise<number> {
  const { kind, now } = database
  const old = `updated_at < ${later(kind, now, '$1')}`
  const jobs = await database.query<{ job_id: string }>(
    `SELECT job_id FROM ingestion_jobs WHERE ${old} AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints c
       WHERE c.job_id = ingestion_jobs.job_id AND c.lease_expires > ${now})`,
    [-seconds],
  )
  for (let i = 0; i < jobs.length; i += JOBS_PER_STATEMENT) {
    const some = jobs.slice(i, i + JOBS_PER_STATEMENT)
    await remove(
      database,
      some.map((job) => job.job_id),
    )
  }
  await database.query(
    `DELETE FROM ingestion_checkpoints WHERE ${old}
       AND NOT EXISTS (SELECT 1 FROM ingestion_jobs j WHERE j.job_id = ingestion_checkpoints.job_id)`,
    [-seconds],
  )
  return jobs.length
}

/** The job's own row goes last, so that a removal that was cut off is found again. */
async function remove(database: Tables, jobIds: string[]): Promise<void> {
  const list = jobIds.map((_, i) => `$${i + 1}`).join(', ')
  const named = await database.query<{ name: string | null }>(
    `SELECT DISTINCT ${REJECT_TABLE_OF_JOB} AS name FROM ingestion_jobs WHERE job_id IN (${list})`,
    jobIds,
  )
  const rejects: string[] = []
  for (const { name } of named) if (await isThere(database, name)) rejects.push(rejectTableSql(name))
  for (const table of [...rejects, 'ingestion_checkpoints', 'ingestion_jobs']) {
    await database.query(`DELETE FROM ${table} WHERE job_id IN (${list})`, jobIds)
  }
}

/** A table that a job names may have been dropped since. */
async function isThere(database: Tables, rejectTable: string | null): Promise<boolean> {
  if (rejectTable === null) return true
  const [text, name] =
    database.kind === 'postgres'
      ? ['SELECT to_regclass($1) IS NOT NULL AS found', rejectTableSql(rejectTable)]
      : [
          `SELECT count(*) AS found FROM main.sqlite_schema WHERE type = 'table' AND name = $1 COLLATE NOCASE`,
          rejectTable.replace(/^main\./i, ''),
        ]
  const [row] = await database.query<{ found: boolean | number }>(text, [name])
  return Boolean(row?.found)
}
