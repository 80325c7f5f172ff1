import { createHash } from 'node:crypto'
import { failpoint } from '../failpoint.ts'
import type { Database, Statement, TableName } from './database.ts'
import { quoteTable } from './staging.ts'

/** Rows of which the table has an equal one before them; it lives for one transaction. */
const TWINS = 'sluice_twins'

/**
 * The unique index on the content of a table that its own load has made, built when all rows are in: a live one on values as random as
 * hashes takes most of a load's time. Until then rows come in whose like is there already; they leave in the transaction that builds
 * the index, and the jobs that brought them count them as duplicates from then on. Whoever else wants to load into the table meanwhile,
 * and whoever goes on with an interrupted load of that kind, builds the index first.
 */
export class LateIndex {
  readonly #database: Database
  readonly #table: TableName
  readonly #column: string
  readonly #candidates: (() => string[] | undefined) | undefined

  /**
   * @param column Of text. The table also has the column `job_id`, and no other unique key.
   * @param candidates values of it among which all are that repeat; undefined: any may
   */
  constructor(database: Database, table: TableName, column: string, candidates?: () => string[] | undefined) {
    this.#database = database
    this.#table = table
    this.#column = column
    this.#candidates = candidates
  }

  /** Builds the index for rows of interrupted loads, or of loads that are under way. */
  async build(): Promise<void> {
    await this.#database.transact([...this.#locking(), ...this.#building(undefined)])
  }

  /** Builds the index and completes the job, in one transaction. */
  async publish(_jobId: string, completing: Statement[]): Promise<void> {
    failpoint('before-late-index')
    // The lock comes first: whoever has it already may have to count for this job.
    await this.#database.transact([...this.#locking(), ...completing, ...this.#building(this.#candidates?.())])
    failpoint('after-late-index')
  }

  /** Nobody else may bring rows in; SQLite has one writer anyway. */
  #locking(): Statement[] {
    if (this.#database.kind === 'sqlite') return []
    return [{ text: `LOCK TABLE ${quoteTable(this.#table)} IN SHARE ROW EXCLUSIVE MODE` }]
  }

  #building(candidates: string[] | undefined): Statement[] {
    const { kind } = this.#database
    const table = quoteTable(this.#table)
    const column = `"${this.#column}"`
    const place = kind === 'postgres' ? 'ctid' : 'rowid'
    const listed = kind === 'postgres' ? 'json_array_elements_text(CAST($1 AS json)) AS value' : 'json_each($1)'
    const among = candidates ? `WHERE ${column} IN (SELECT value FROM ${listed})` : ''
    const nth = `row_number() OVER (PARTITION BY ${column} ORDER BY ${place}) AS nth`
    // PostgreSQL 12 and 13 find no row by its place but by an array of places.
    const isTwin =
      kind === 'postgres' ? `ctid = ANY (ARRAY(SELECT place FROM ${TWINS}))` : `rowid IN (SELECT place FROM ${TWINS})`
    const removing: Statement[] = [
      {
        text: `CREATE TEMP TABLE ${TWINS} AS SELECT place, job_id FROM (
          SELECT ${place} AS place, job_id, ${nth} FROM ${table} ${among}) AS ranked
          WHERE nth > 1 AND job_id IN (SELECT job_id FROM ingestion_jobs)`,
        ...(candidates && { params: [JSON.stringify(candidates)] }),
      },
      {
        text: `UPDATE ingestion_jobs SET inserted = inserted - gone.rows, duplicates = duplicates + gone.rows
          FROM (SELECT job_id, count(*) AS rows FROM ${TWINS} GROUP BY job_id) AS gone WHERE ingestion_jobs.job_id = gone.job_id`,
      },
      { text: `DELETE FROM ${table} WHERE ${isTwin}` },
      { text: `DROP TABLE ${TWINS}` },
    ]
    const name = `sluice_content_${createHash('sha256').update(table).digest('hex').slice(0, 16)}`
    const index = `CREATE UNIQUE INDEX IF NOT EXISTS ${name} ON ${table} (${column})`
    return [...(candidates?.length === 0 ? [] : removing), { text: index }]
  }
}
