/**
 * The loader that is written first: the whole file in memory, csv-parse, an object a row, one INSERT each, in one transaction.
 * Arguments: the file, the database, the table, which exists. It prints seconds, rows and the peak of its memory as JSON.
 */
import { readFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { parse } from 'csv-parse/sync'
import pg from 'pg'
import { convert } from '../bench/programs/customer.ts'

const [, , file, url, table] = process.argv as [string, string, string, string, string]
const COLUMNS =
  'id, customer_code, first_name, last_name, email, phone, signup_date, amount, country, note, active'.split(', ')
const start = performance.now()
const records = parse(readFileSync(file), {
  columns: true,
  relax_column_count: true,
  skip_records_with_error: true,
}) as Record<string, string>[]
const rows = records.map((record) => convert(Object.values(record))).filter((row) => row !== undefined)
const places = COLUMNS.map((_, k) => (url.startsWith('sqlite:') ? '?' : `$${k + 1}`))
const insert = `INSERT INTO ${table} (${COLUMNS.join(', ')}) VALUES (${places.join(', ')})`
if (url.startsWith('sqlite:')) {
  using database = new DatabaseSync(url.slice('sqlite:'.length))
  const statement = database.prepare(insert)
  database.exec('BEGIN')
  for (const row of rows)
    statement.run(
      ...row.map((value, k) => (k === 0 || k === 7 ? Number(value) : k === 10 ? Number(value === 't') : value)),
    )
  database.exec('COMMIT')
} else {
  const client = new pg.Client(url)
  await client.connect()
  await client.query('BEGIN')
  for (const row of rows) await client.query({ name: 'insert', text: insert, values: row })
  await client.query('COMMIT')
  await client.end()
}
const seconds = (performance.now() - start) / 1000
console.log(JSON.stringify({ rows: rows.length, seconds, peak: process.resourceUsage().maxRSS * 1024 }))
