/**
 * The kernel reads, checks, converts and encodes for binary COPY; nothing takes the batches. Arguments: the file, its
 * schema. Prints the seconds as JSON.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'
import { BatchBuffer } from '../../packages/engine/src/parse/batch.ts'
import { CSV } from '../../packages/engine/src/parse/dialect.ts'
import { Parser } from '../../packages/engine/src/parse/parser.ts'
import { planLoad } from '../../packages/engine/src/schema/plan.ts'
import { parseTableSchema } from '../../packages/engine/src/schema/table-schema.ts'
import { created } from '../../packages/engine/src/write/postgres/column-types.ts'

/** As a load has them: rows a commit, and bytes. */
const LIMITS = { records: 50_000, bytes: 2 * 1024 * 1024 }

const [, , file, schemaFile] = process.argv as [string, string, string, string]
const schema = parseTableSchema(JSON.parse(readFileSync(schemaFile, 'utf8')))
const header = schema.fields.map(({ name }) => name)
const { program } = planLoad({ header, schema, storageFor: (type) => created(type).storage })

const start = performance.now()
// The sample's header is what it is: the names of its schema.
const position = { byte: `${header.join()}\n`.length, line: 2, record: 0 }
const parser = new Parser({ program, dialect: CSV, encoding: 'pg-binary', position })
const batch = new BatchBuffer(LIMITS, false)
const source = openSync(file, 'r')
const chunk = Buffer.allocUnsafe(256 * 1024)
let at = position.byte
let rows = 0
let rejects = 0
for (let filled = parser.fill(batch); filled !== 'end'; filled = parser.fill(batch)) {
  if (filled === 'full') take()
  else pushNext()
}
take()
closeSync(source)
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, rows, rejects }))

function pushNext(): void {
  const size = readSync(source, chunk, 0, chunk.length, at)
  at += size
  if (size === 0) parser.end()
  for (let pushed = 0; pushed < size; ) pushed += parser.push(chunk.subarray(pushed, size))
}

function take(): void {
  rows += batch.rows
  rejects += batch.rejects.length
  batch.begin(parser.position)
}
