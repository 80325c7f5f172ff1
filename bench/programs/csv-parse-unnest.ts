/** csv-parse, and 1,000 rows at a time through unnest(), each in its own transaction. Arguments: the file, the URL. */
import { createReadStream } from 'node:fs'
import { parse } from 'csv-parse'
import pg from 'pg'
import { convert } from './customer.ts'

const TYPES = ['int', 'uuid', 'text', 'text', 'text', 'text', 'date', 'numeric', 'text', 'text', 'boolean']
const INSERT = `insert into customers select * from unnest(${TYPES.map((type, k) => `$${k + 1}::${type}[]`).join(', ')})`
const BATCH = 1_000

const [, , file, url] = process.argv as [string, string, string, string]
const client = new pg.Client(url)
await client.connect()
let rows: string[][] = []
const parser = createReadStream(file).pipe(
  parse({ columns: true, relax_column_count: true, skip_records_with_error: true }),
)
for await (const record of parser) {
  const values = convert(Object.values(record as Record<string, string>))
  if (values && rows.push(values) === BATCH) await insert()
}
if (rows.length > 0) await insert()
await client.end()

async function insert(): Promise<void> {
  await client.query({ name: 'insert', text: INSERT, values: TYPES.map((_, column) => rows.map((row) => row[column])) })
  rows = []
}
