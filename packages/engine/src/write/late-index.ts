import { createHash } from 'node:crypto'
import { failpoint } from '../failpoint.ts'
import { quotedTable } from '../table-name.ts'
import type { Database, Statement, TableName, TargetTable } from './database.ts'
import { TWINS } from './numbering.ts'

const RENEWED = 'updated_at'

/**
 * The unique index on the content of a table that its own load has made, built when all rows are in: a live one on values as random as
 * hashes takes most of a load's time. Until then rows come in whose like is there already; they leave in the transaction that builds
 * the index, which renews `updated_at` of the row that stays, and the jobs that brought them count them as duplicates from then on. Whoever else wants to load into the table meanwhile,
 * and whoever goes on with an interrupted load of that kind, builds the index first.
 */
export class LateIndex {
  readonly #database: Database
  readonly #table: TableName
  readonly #column: string
  readonly #renews: boolean
  readonly #candidates: (() => string[] | undefined) | undefined

  /**
   * @param target The table as it is: it has the column `job_id`, and no unique key but this one.
   * @param column Of text.
   * @param candidates values of it among which all are that repeat; undefined: any may
   */
  constructor(
    database: Database,
    table: TableName,
    target: Pick<TargetTable, 'columns'>,
    column: string,
    candidates?: () => string[] | undefined,
  ) {
    this.#database = database
    this.#table = table
    this.#column = column
    // A column of the source's own has no default.
    this.#renews = target.columns.some(({ name, hasDefault }) => name === RENEWED && hasDefault)
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
    return [{ text: `LOCK TABLE ${quotedTable(this.#table)} IN SHARE ROW EXCLUSIVE MODE` }]
  }

  #building(candidates: string[] | undefined): Statement[] {
    const { kind, now } = this.#database
    const table = quotedTable(this.#table)
    const column = `"${this.#column}"`
    const place = kind === 'postgres' ? 'ctid' : 'rowid'
    const listed = kind === 'postgres' ? 'json_array_elements_text(CAST($1 AS json)) AS value' : 'json_each($1)'
    const among = candidates ? `WHERE ${column} IN (SELECT value FROM ${listed})` : ''
    // Those behind the first one of a job that is not known here are nobody's to remove.
    const ranked = `SELECT ${place} AS place, job_id, row_number() OVER alike AS nth, lead(1) OVER alike AS more FROM ${table} ${among}
          WINDOW alike AS (PARTITION BY ${column} ORDER BY ${place})`
    // PostgreSQL 12 and 13 find no row by its place but by an array of places.
    const isAmong = (twins: string) =>
      kind === 'postgres' ? `ctid = ANY (ARRAY(SELECT place ${twins}))` : `rowid IN (SELECT place ${twins})`
    const removing: Statement[] = [
      {
        text: `CREATE TEMP TABLE ${TWINS} AS SELECT place, job_id, nth FROM (${ranked}) AS ranked
          WHERE CASE WHEN nth = 1 THEN more IS NOT NULL ELSE job_id IN (SELECT job_id FROM ingestion_jobs) END`,
        ...(candidates && { params: [JSON.stringify(candidates)] }),
      },
      {
        text: `UPDATE ingestion_jobs SET inserted = inserted - gone.rows, duplicates = duplicates + gone.rows
          FROM (SELECT job_id, count(*) AS rows FROM ${TWINS} WHERE nth > 1 GROUP BY job_id) AS gone WHERE ingestion_jobs.job_id = gone.job_id`,
      },
      { text: `DELETE FROM ${table} WHERE ${isAmong(`FROM ${TWINS} WHERE nth > 1`)}` },
      ...(this.#renews
        ? [{ text: `UPDATE ${table} SET ${RENEWED} = ${now} WHERE ${isAmong(`FROM ${TWINS} WHERE nth = 1`)}` }]
        : []),
      { text: `DROP TABLE ${TWINS}` },
    ]
    const name = `sluice_content_${createHash('sha256').update(table).digest('hex').slice(0, 16)}`
    const index = `CREATE UNIQUE INDEX IF NOT EXISTS ${name} ON ${table} (${column})`
    return [...(candidates?.length === 0 ? [] : removing), { text: index }]
  }
}
