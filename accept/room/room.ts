/** What each script works in: a folder of its own, files of the size asked for, a database, and the naive loader beside it. */
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { type Sample, sample } from '../../bench/sample.ts'
import { startPostgres } from '../../packages/engine/test/support/postgres.ts'
import type { Verdict } from './acceptance.ts'

const run = promisify(execFile)
/** Most rows that the naive loader gets: it takes a while for each. */
const NAIVE_ROWS = 20_000
export const COLUMNS =
  'id, customer_code, first_name, last_name, email, phone, signup_date, amount, country, note, active'

/** What a script tells about its run, beside its verdicts. */
export interface Outcome {
  verdicts: Verdict[]
  /** The same job by the naive loader. */
  baseline: Baseline
  /** The large load. */
  rowsPerSecond: number
  peakBytes: number
}

export interface Baseline {
  rows: number
  rowsPerSecond: number
  peakBytes: number
}

export interface Script {
  id: string
  title: string
  run(rows: number): Promise<Outcome>
}

export class Room implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'sluice-accept-'))
  /** Records of the large file. */
  readonly rows: number
  readonly #closing: (() => Promise<unknown>)[] = []

  constructor(rows: number) {
    this.rows = rows
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text)
    return this.path(name)
  }

  /** The large file: one record of a hundred is bad. */
  large(): Sample {
    return sample(this.rows, 1)
  }

  /** A sound file for what is compared or interrupted; at least so many records that there is a middle. */
  middle(least = 60_000): Sample {
    return sample(Math.max(least, Math.min(this.rows, 200_000)))
  }

  /** A sound file that the naive loader can take. */
  small(): Sample {
    return sample(Math.min(this.rows, NAIVE_ROWS))
  }

  /** Is undone when the script ends, the last first. */
  closing(close: () => Promise<unknown>): void {
    this.#closing.push(close)
  }

  async postgres(): Promise<Database> {
    // Durable, as initdb leaves it: the rates are those of real commits.
    const server = await startPostgres(['max_connections=100'])
    const client = new pg.Client(server.url)
    await client.connect()
    this.closing(async () => {
      await client.end()
      await server.stop()
    })
    return new Database(server.url, client)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.reverse()) await close()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

export class Database {
  readonly url: string
  readonly #client: pg.Client

  constructor(url: string, client: pg.Client) {
    this.url = url
    this.#client = client
  }

  async sql(statement: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
    return (await this.#client.query(statement, values)).rows
  }

  /** The one value that a query has. */
  async value(query: string, values: unknown[] = []): Promise<unknown> {
    return Object.values((await this.sql(query, values))[0] ?? {})[0]
  }

  async number(query: string, values: unknown[] = []): Promise<number> {
    return Number(await this.value(query, values))
  }

  count(table: string): Promise<number> {
    return this.number(`SELECT count(*) FROM ${table}`)
  }

  /** Rows that are in one of two tables only, each as often as it is. */
  differences(a: string, b: string, columns: string): Promise<number> {
    const except = (one: string, other: string) =>
      `(SELECT ${columns} FROM ${one} EXCEPT ALL SELECT ${columns} FROM ${other})`
    return this.number(`SELECT count(*) FROM (${except(a, b)} UNION ALL ${except(b, a)}) AS d`)
  }

  /** Keeps everyone else out of a table while `during` runs. */
  async locked<T>(table: string, during: () => Promise<T>): Promise<T> {
    const holder = new pg.Client(this.url)
    await holder.connect()
    try {
      await holder.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`)
      return await during()
    } finally {
      await holder.query('COMMIT')
      await holder.end()
    }
  }

  /** Rows of a table by the transaction that brought them in, in that order. */
  async rowsByCommit(table: string): Promise<number[]> {
    const rows = await this.sql(`SELECT count(*) FROM ${table} GROUP BY xmin::text ORDER BY min(id)`)
    return rows.map((row) => Number(row['count']))
  }

  /** The statements that insert into a table while `during` runs, as a trigger of it sees them. */
  async statementsInto(table: string, during: () => Promise<unknown>): Promise<string[]> {
    await this.sql(`
      CREATE TABLE statements (text text);
      CREATE FUNCTION note_statement() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO statements VALUES (current_query()); RETURN NULL; END $$;
      CREATE TRIGGER note_statement AFTER INSERT ON ${table} FOR EACH STATEMENT EXECUTE FUNCTION note_statement()`)
    await during()
    const rows = await this.sql('SELECT text FROM statements')
    await this.sql('DROP FUNCTION note_statement CASCADE; DROP TABLE statements')
    return rows.map(({ text }) => String(text))
  }

  /** Ends the connections of sluice, to this database: others use the server, too. */
  async endConnections(): Promise<void> {
    await this.sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice' AND datname = current_database()",
    )
  }

  /** Connections of sluice, and those of them that sit in an open transaction. */
  async connections(): Promise<{ all: number; idleInTransaction: number }> {
    const [row] = await this.sql(
      `SELECT count(*) AS all, count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle
       FROM pg_stat_activity WHERE application_name = 'sluice' AND datname = current_database()`,
    )
    return { all: Number(row!['all']), idleInTransaction: Number(row!['idle']) }
  }
}

/** The same job by the naive loader, into a table that exists. */
export async function naive(file: string, url: string, table: string): Promise<Baseline> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, '../naive.ts'), file, url, table])
  const { rows, seconds, peak } = JSON.parse(stdout) as { rows: number; seconds: number; peak: number }
  return { rows, rowsPerSecond: rows / seconds, peakBytes: peak }
}
