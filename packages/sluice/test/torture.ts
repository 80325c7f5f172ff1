import { createHash, randomInt } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'

/** Whether the long forms run (`npm run torture`). */
export const LONG = process.env.SLUICE_TORTURE === '1'

/** Of every random choice of a run; `SLUICE_TORTURE_SEED` repeats one. The long forms choose their own. */
export const SEED = Number(process.env.SLUICE_TORTURE_SEED ?? (LONG ? randomInt(2 ** 31) : 1))

type Row = Record<string, unknown>

/** A target database as its tables are after a load, read by a connection of the test's own. */
export interface Target {
  url: string
  query(text: string): Promise<Row[]>
  /** SHA-256 of all rows of a table, by id. */
  hash(table: string): Promise<string>
}

export function sqliteTarget(path: string): Target {
  const open = () => new DatabaseSync(path, { timeout: 10_000 })
  return {
    url: `sqlite:${path}`,
    async query(text) {
      using db = open()
      return db.prepare(text).all() as Row[]
    },
    async hash(table) {
      using db = open()
      const hash = createHash('sha256')
      for (const row of db.prepare(`SELECT * FROM ${table} ORDER BY id`).iterate()) hash.update(JSON.stringify(row))
      return hash.digest('hex')
    },
  }
}

export function postgresTarget(url: string): Target {
  const query = async (text: string): Promise<Row[]> => {
    const client = new pg.Client(url)
    await client.connect()
    try {
      return (await client.query(text)).rows
    } finally {
      await client.end()
    }
  }
  return {
    url,
    query,
    async hash(table) {
      const [row] = await query(`SELECT encode(sha256(string_agg(t::text, chr(10) ORDER BY id)::bytea), 'hex') AS hash
        FROM (SELECT * FROM ${table}) t`)
      return String(row!.hash)
    },
  }
}

/** All that a load leaves behind: rows, rejects and counters. Equal for equal files, whatever happened on the way. */
export async function outcomeOf(target: Target, table: string) {
  const jobs = await target.query(
    `SELECT * FROM ingestion_jobs WHERE target_table = '${table}' AND status <> 'CANCELLED'`,
  )
  const job = jobs[0]!
  const rejects = await target.query(
    `SELECT record, line, byte_offset, column_name, code, message, value, raw_length, segment
       FROM failed_imports WHERE job_id = '${job.job_id}' ORDER BY record, code`,
  )
  const [checkpoint] = await target.query(
    `SELECT committed_byte, committed_line, committed_record, done, lease_owner
       FROM ingestion_checkpoints WHERE job_id = '${job.job_id}'`,
  )
  const counters = ['records_read', 'inserted', 'updated', 'unchanged', 'duplicates', 'rejected', 'bytes_committed']
  return {
    jobs: jobs.length,
    status: job.status,
    counters: Object.fromEntries(counters.map((name) => [name, Number(job[name])])),
    checkpoint,
    rejects: createHash('sha256').update(JSON.stringify(rejects).replaceAll(table, 'THE_TABLE')).digest('hex'),
    rejectRows: rejects.length,
    rows: await target.hash(table),
  }
}
