import { SluiceError } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import { quoted, quotedTable } from '../table-name.ts'
import type { Conflict, Database, StagedFor, Statement, TableName, TargetTable } from './database.ts'
import { Numbering } from './numbering.ts'
import { numberingStatements as numberInPostgres } from './postgres/numbering.ts'
import { stagingStatements as likeInPostgres, movingStatements as moveInPostgres } from './postgres/staging.ts'
import { numberingStatements as numberInSqlite } from './sqlite/numbering.ts'
import { stagingStatements as likeInSqlite, movingStatements as moveInSqlite } from './sqlite/staging.ts'
import { keysAmong } from './taken.ts'

/** Names of all tables in which rows wait; a part of the job's id follows. */
export const STAGING_PREFIX = 'sluice_stage_'

function stagingName(target: TableName, jobId: string): TableName {
  return { schema: target.schema, table: `${STAGING_PREFIX}${keyOf(jobId)}` }
}

const keyOf = (jobId: string) => jobId.replaceAll('-', '').slice(0, 16).toLowerCase()

/**
 * The table in which the rows of a job wait until all of them are published in one transaction, for `--atomic`,
 * `--mode replace` and `--dedupe content:count`. It is an ordinary table beside the target, so that what is committed to it survives a crash and an
 * interrupted load goes on with it.
 */
export class Staging {
  readonly table: TableName
  readonly stagedFor: StagedFor
  readonly #database: Database
  readonly #mode: 'append' | 'replace'
  /** Set where twins are told apart by their numbers. */
  readonly numbering: Numbering | undefined
  /** Columns that the sources of the job fill; all others get what the target gives them when the rows arrive there. */
  readonly #columns = new Set<string>()

  constructor(
    database: Database,
    table: TableName,
    target: TargetTable,
    jobId: string,
    { mode = 'append', conflict }: { mode?: 'append' | 'replace' | undefined; conflict?: Conflict | undefined },
  ) {
    this.#database = database
    this.#mode = mode
    this.table = stagingName(table, jobId)
    this.numbering = conflict?.counted ? new Numbering(conflict) : undefined
    // What stands in the column of a content that is numbered is not what the target has.
    const keys = target.uniqueKeys.filter((key) => key.join() !== this.numbering?.column)
    this.stagedFor = { table, keys: mode === 'replace' ? [] : keys }
  }

  /**
   * Makes the table where it is missing.
   * @param begun Whether rows were staged before.
   * @throws SluiceError SLUICE_DATABASE when it is gone
   */
  async open(begun: boolean): Promise<void> {
    await this.#checkRights()
    if (await this.#database.describe(this.table)) return
    if (begun) {
      throw new SluiceError(
        'SLUICE_DATABASE',
        `The table ${this.table.table}, in which the rows of the interrupted load wait, is gone. Use --restart to start over.`,
      )
    }
    const create = this.#database.kind === 'postgres' ? likeInPostgres : likeInSqlite
    try {
      await this.#database.transact(
        await create(this.#database, this.table, this.stagedFor.table, this.stagedFor.keys.length > 0),
      )
    } catch (error) {
      // Another process that works on the job may have made it.
      if (!(await this.#database.describe(this.table))) throw error
    }
    failpoint('after-create-staging')
  }

  /** What is missing is better told now than when all rows are staged. */
  async #checkRights(): Promise<void> {
    if (this.#mode === 'append' || this.#database.kind === 'sqlite') return
    const target = quotedTable(this.stagedFor.table)
    const [row] = await this.#database.query(`SELECT has_table_privilege($1, 'DELETE') AS granted`, [target])
    if (row?.granted) return
    throw new SluiceError(
      'SLUICE_DATABASE',
      `--mode replace deletes the old rows of ${target}, and this user may not: GRANT DELETE ON ${target} to it`,
    )
  }

  /** Adds columns that a source of the job fills. */
  fills(columns: { name: string }[]): void {
    for (const { name } of columns) this.#columns.add(name)
  }

  /**
   * Moves all rows to the target, completes the job and removes the table, in one transaction. In place of TRUNCATE, which
   * would take the rows from readers whose snapshot still shows them and is refused where foreign keys point here, `replace`
   * deletes: readers see all of the old rows, then all of the new ones. Other writers wait meanwhile.
   */
  async publish(jobId: string, completing: Statement[]): Promise<void> {
    const database = this.#database
    const [from, to] = [quotedTable(this.table), quotedTable(this.stagedFor.table)]
    const statements: Statement[] = [
      // First of all, because it keeps everyone else from taking the job over while this lasts.
      ...completing,
      {
        text: `SELECT 1 AS one WHERE (SELECT count(*) FROM ${from}) = (SELECT inserted FROM ingestion_jobs WHERE job_id = $1)`,
        params: [jobId],
        orElse: {
          code: 'SLUICE_JOB',
          message: `Rows of ${this.table.table} were added or removed by others; use --restart`,
        },
      },
    ]
    if (this.#mode === 'replace') {
      if (database.kind === 'postgres') statements.push({ text: `LOCK TABLE ${to} IN SHARE ROW EXCLUSIVE MODE` })
      statements.push({ text: `DELETE FROM ${to}` })
    }
    const orElse = {
      code: 'SLUICE_DATABASE' as const,
      message:
        `Nothing was published, because a trigger of the table ${this.stagedFor.table.table} leaves some of the rows out. ` +
        'Loaded without --atomic, --mode replace and --dedupe content:count, each of them becomes a reject',
    }
    const [move, number] =
      database.kind === 'postgres' ? [moveInPostgres, numberInPostgres] : [moveInSqlite, numberInSqlite]
    const columns = [...this.#columns]
    const moving = this.numbering
      ? await number(database, this.table, this.stagedFor.table, columns, this.numbering, jobId, orElse)
      : await move(database, this.table, this.stagedFor.table, columns, orElse)
    statements.push(...moving, { text: `DROP TABLE ${from}` })
    failpoint('before-publish')
    await this.#refuseChanged()
    try {
      await database.transact(statements)
    } catch (error) {
      if (database.classify(error) !== 'data') throw error
      throw new SluiceError(
        'SLUICE_DATABASE',
        `Nothing was published, because the table ${this.stagedFor.table.table} refuses the rows as a whole now: ` +
          `${(error as Error).message} ${await this.#takenSince()}What a trigger, a foreign key to the table itself, or a unique index ` +
          'on an expression or on some of the rows, refuses is not found before',
        { cause: new Error((error as Error).message) },
      )
    }
    failpoint('after-publish')
  }

  /** Rows are staged as the columns of the target were: one of another type might round them in silence. */
  async #refuseChanged(): Promise<void> {
    const target = this.stagedFor.table
    const now = new Map((await this.#database.describe(target))?.columns.map(({ name, declared }) => [name, declared]))
    const staged = (await this.#database.describe(this.table))?.columns ?? []
    const changed = staged.filter(
      ({ name, declared }) => this.#columns.has(name) && name !== this.numbering?.column && now.get(name) !== declared,
    )
    if (changed.length === 0) return
    const what = changed.map(
      ({ name, declared }) => `column ${show(name)} was ${declared} and is ${now.get(name) ?? 'gone'}`,
    )
    throw new SluiceError(
      'SLUICE_DATABASE',
      `Nothing was published, because the table ${target.table} was changed since the rows were staged: ${what.join(', ')}. ` +
        'Change it back and run the same command again, or use --restart to start over',
    )
  }

  /** What is to be done about rows whose key others have brought into the target since they were staged. */
  async #takenSince(): Promise<string> {
    const target = this.stagedFor.table
    const found: string[] = []
    for (const key of keysAmong(this.stagedFor, [...this.#columns])) {
      const equal = key.map((column) => `t.${quoted(column)} = s.${quoted(column)}`).join(' AND ')
      const values = key.map((column, i) => `CAST(s.${quoted(column)} AS text) AS c${i}`).join(', ')
      const rows = await this.#database.query(
        `SELECT count(*) OVER () AS rows, ${values} FROM ${quotedTable(this.table)} s
           WHERE EXISTS (SELECT 1 FROM ${quotedTable(target)} t WHERE ${equal}) LIMIT 3`,
      )
      if (rows.length === 0) continue
      const shown = rows.map((row) => key.map((_, i) => show(String(row[`c${i}`]))).join(', '))
      found.push(`${rows[0]!.rows} of them with a ${key.join(', ')} that it has by now, such as ${shown.join('; ')}`)
    }
    if (found.length === 0) return ''
    return (
      `Since the rows were staged others have changed the table: ${found.join('. ')}. The staged rows wait: take those rows out of it and run ` +
      'the same command again, or use --restart, which loads the source anew and makes rejects of what does not fit. '
    )
  }
}

export async function dropStaging(database: Database, target: TableName, jobId: string): Promise<void> {
  await database.query(`DROP TABLE IF EXISTS ${quotedTable(stagingName(target, jobId))}`)
}

/**
 * Removes the staging tables of jobs that are cancelled or complete, or are removed by `remove`. Other jobs' tables are left
 * alone, also of those that this database keeps in another schema.
 */
export async function dropOrphans(database: Database, remove: () => Promise<void>): Promise<void> {
  const tables = await database.query<TableName>(
    database.kind === 'postgres'
      ? `SELECT n.nspname AS schema, c.relname AS table FROM pg_catalog.pg_class c
           JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r' AND pg_catalog.starts_with(c.relname, $1)`
      : `SELECT NULL AS schema, name AS "table" FROM main.sqlite_schema WHERE type = 'table' AND substr(name, 1, length($1)) = $1`,
    [STAGING_PREFIX],
  )
  const namesFor = async (jobs: string) => {
    const rows = await database.query<{ id: string }>(`SELECT CAST(job_id AS text) AS id FROM ingestion_jobs ${jobs}`)
    return new Set(rows.map(({ id }) => `${STAGING_PREFIX}${keyOf(id)}`))
  }
  const known = tables.length > 0 ? await namesFor('') : new Set()
  await remove()
  const orphans = tables.filter(({ table }) => known.has(table))
  if (orphans.length === 0) return
  const alive = await namesFor(`WHERE status NOT IN ('COMPLETED', 'CANCELLED')`)
  for (const orphan of orphans) {
    if (!alive.has(orphan.table)) await database.query(`DROP TABLE IF EXISTS ${quotedTable(orphan)}`)
  }
}

const VALUE_SHOWN = 40

function show(value: string): string {
  return JSON.stringify(value.length > VALUE_SHOWN ? `${value.slice(0, VALUE_SHOWN).toWellFormed()}…` : value)
}
