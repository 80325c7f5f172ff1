/**
 * `npm run bench:identical`: the tables that sluice fills from a clean file against those that psql's \copy and sqlite3's .import
 * fill as text, cast and normalised in SQL. Options: --rows N (1,000,000). Fails when a row differs.
 */
import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { command } from '../scripts/commands.ts'
import { startPostgres } from './postgres.ts'
import { type Sample, SLUICE, sample, WORK } from './sample.ts'
import { sqlite3 } from './subjects/sqlite3.ts'
import { postgresTarget, sqliteTarget } from './targets.ts'

const { values: flags } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } })
const file = sample(Number(flags.rows))

/** The columns in order, with what the text of each becomes. */
const EMAIL = 'lower(trim(email))'
/** The sample has dates in two forms: 2024-01-31 and 01/31/2024. */
const COLUMNS: Record<string, { postgres: string; sqlite: string }> = {
  id: { postgres: 'id::int', sqlite: 'CAST(id AS INTEGER)' },
  customer_code: { postgres: 'customer_code::uuid', sqlite: 'lower(customer_code)' },
  first_name: { postgres: 'first_name', sqlite: 'first_name' },
  last_name: { postgres: 'last_name', sqlite: 'last_name' },
  email: { postgres: EMAIL, sqlite: EMAIL },
  phone: { postgres: 'phone', sqlite: 'phone' },
  signup_date: {
    postgres: `CASE WHEN signup_date LIKE '%/%' THEN to_date(signup_date, 'MM/DD/YYYY') ELSE signup_date::date END`,
    sqlite: `CASE WHEN signup_date LIKE '%/%'
      THEN substr(signup_date, 7) || '-' || substr(signup_date, 1, 2) || '-' || substr(signup_date, 4, 2) ELSE signup_date END`,
  },
  amount: { postgres: 'amount::numeric(12,2)', sqlite: 'CAST(amount AS REAL)' },
  country: { postgres: 'country', sqlite: 'country' },
  note: { postgres: 'note', sqlite: 'note' },
  active: {
    postgres: 'active::boolean',
    sqlite: `lower(active) IN ('t', 'true', 'y', 'yes', 'on', '1')`,
  },
}
const names = Object.keys(COLUMNS)

/** Rows of each side that the other has not, the same row as often as it stands there. */
const difference = (distinct: 'ALL' | '') => `SELECT
  (SELECT count(*) FROM (SELECT * FROM customers EXCEPT ${distinct} SELECT * FROM theirs) AS a) AS more,
  (SELECT count(*) FROM (SELECT * FROM theirs EXCEPT ${distinct} SELECT * FROM customers) AS b) AS less,
  (SELECT count(*) FROM customers) AS ours, (SELECT count(*) FROM theirs) AS theirs`

report('PostgreSQL', await inPostgres())
report('SQLite', await inSqlite())

async function inPostgres(): Promise<Record<string, unknown>> {
  const server = await startPostgres()
  try {
    await postgresTarget(server, 'primary key').reset()
    load(file, server.url)
    // An unquoted empty cell is NULL for both.
    await server.sql(`CREATE UNLOGGED TABLE raw (${names.map((name) => `${name} text`).join()})`)
    const copy = `\\copy raw from '${file.path}' with (format csv, header true)`
    execFileSync(command('psql', 'postgresql-client'), [server.url, '-X', '-q', '-c', copy], { stdio: 'inherit' })
    const values = names.map((name) => `${COLUMNS[name]!.postgres} AS ${name}`).join()
    await server.sql(`SET datestyle = 'ISO, MDY'; CREATE UNLOGGED TABLE theirs AS SELECT ${values} FROM raw`)
    return (await server.sql(difference('ALL')))[0]!
  } finally {
    await server.stop()
  }
}

async function inSqlite(): Promise<Record<string, unknown>> {
  const path = join(WORK, 'identical.db')
  const target = sqliteTarget(path, 'primary key')
  await target.reset()
  load(file, target.url)
  {
    using database = new DatabaseSync(path)
    database.exec(`CREATE TABLE ours AS SELECT * FROM customers; DROP TABLE customers;
      CREATE TABLE customers (${names.join()})`)
  }
  const [program, ...args] = sqlite3(file, path).command
  execFileSync(program, args, { stdio: 'inherit' })
  using database = new DatabaseSync(path)
  // .import knows no NULL: an empty cell is an empty text.
  const values = names.map((name) => `nullif(${COLUMNS[name]!.sqlite}, '') AS ${name}`).join()
  database.exec(`CREATE TABLE theirs AS SELECT ${values} FROM customers; DROP TABLE customers;
    ALTER TABLE ours RENAME TO customers`)
  // SQLite has no EXCEPT ALL; with the id in each row, which is a key here, EXCEPT and the counts say the same.
  const found = database.prepare(difference('')).get()!
  database.close()
  rmSync(path)
  return found
}

function load({ path, schema }: Sample, to: string): void {
  const options = ['--to', to, '--table', 'customers', '--schema', schema, '--quiet']
  execFileSync(process.execPath, [SLUICE, 'load', path, ...options], { stdio: 'inherit' })
}

function report(title: string, { more, less, ours, theirs }: Record<string, unknown>): void {
  const same = [more, less].every((count) => Number(count) === 0) && Number(ours) === file.records
  console.log(
    `${same ? 'ok    ' : 'FAILED'} ${title}: ${ours} rows, theirs ${theirs}; rows of ours that they have not ${more}, of theirs that we have not ${less}`,
  )
  if (!same) process.exitCode = 1
}
