import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type CheckOptions, check } from '../src/check.ts'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { load } from '../src/load.ts'
import { emitTableSchema, parseTableSchema } from '../src/schema/table-schema.ts'
import { openDatabase } from '../src/write/open.ts'
import { execute } from './fuzz/execution.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

let folder: string
before(() => {
  folder = temporaryFolder()
})

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const FILES: [name: string, content: string | Uint8Array, options?: Partial<CheckOptions>][] = [
  ['plain.csv', `id,day,x\n${'1,2024-01-01,a\n'.repeat(100)}x,2024-02-30,b\n7,,"c\n8,2024-03-01,d,e\n`],
  ['packed.csv', gzipSync('id,name\n1,a\nx,b,c\n2\n')],
  ['wide.csv', Buffer.from('\ufeffid;name\r\n1;ä\r\n2;ö;\r\n', 'utf16le')],
  ['lines.ndjson', '{"id":1,"x":"a"}\n{"id":"b"}\n{"id":2,\n{"id":3,"y":1}\n', { unknownColumns: 'ignore' }],
  ['list.json', '{"d":[{"id":1.5},{"id":true},{"id":[1]}]}', { dialect: { jsonPath: 'd' } }],
  ['titles.csv', 'Sales\n\nid,name,\n1,a,\n2,b,\nx\n'],
  ['short.csv', 'a,b\nlong enough,1\nx,2\n', { maxRecordBytes: 8 }],
  ['german.csv', `id;amount\n${'1;1.234,56\n'.repeat(30_000)}2;12.5\n3;1.5\n4;7\n`],
  ['content.csv', 'id,name\n1,a\nx,b,c\n2,b\n', { dedupe: 'content' }],
  ['some.csv', 'a\n1\n2\nx\n', { limit: 2, set: { tenant: 'acme' }, provenance: true }],
]

for (const [name, content, options] of FILES) {
  test(`what check says of ${name} is what load does, also with the schema that it gives`, async () => {
    const source = file(name, content)
    const report = await check({ source, ...options })
    const { schema } = report
    assert.equal(report.recordsRead, report.sound + report.rejected)
    for (const [i, given] of [{}, { schema: parseTableSchema(JSON.parse(emitTableSchema(schema))) }].entries()) {
      const to = `sqlite:${join(folder, `${name}-${i}.db`)}`
      const receipt = await load({ source, to, table: 't', ...options, ...given })
      const { recordsRead, inserted, rejected, rejectsByCode } = receipt
      assert.deepEqual(
        { recordsRead, inserted, rejected, rejectsByCode },
        {
          recordsRead: report.recordsRead,
          inserted: report.sound,
          rejected: report.rejected,
          rejectsByCode: report.rejectsByCode,
        },
      )
      const database = await openDatabase(to)
      for await (const page of new JobStore(database).rejects(receipt.jobId))
        assert.deepEqual(
          page.map(({ record, line, byteOffset, errors }) => ({ record, line, byteOffset, errors })),
          report.rejects.map(({ record, line, byteOffset, errors }) => ({ record, line, byteOffset, errors })),
        )
      const again = await check({ source, to, table: 't', ...options, ...given })
      assert.equal(again.table, 't')
      assert.deepEqual(again.rejectsByCode, report.rejectsByCode, 'against the table that the load made')
      if (name === 'german.csv') assert.deepEqual(again.schema, schema, 'the guard of its groups too')
      await database.close()
    }
  })
}

test('it looks at the table that is there, and makes none', async () => {
  const to = `sqlite:${join(folder, 'there.db')}`
  const source = file('there.csv', 'id,name\n1,abc\n2,abcdef\nx,\n')
  assert.deepEqual((await check({ source, to })).rejectsByCode, {})
  assert.equal(existsSync(join(folder, 'there.db')), false)
  const database = await openDatabase(to)
  await database.query('CREATE TABLE there (id INTEGER NOT NULL, name VARCHAR(5) NOT NULL)')
  const report = await check({ source, to })
  assert.deepEqual([report.table, report.sound], ['there', 1])
  assert.deepEqual(report.rejectsByCode, { 'constraint-error': 1, 'type-error': 1 })
  assert.deepEqual(
    (await database.query<{ name: string }>('SELECT name FROM sqlite_schema')).map(({ name }) => name),
    ['there'],
  )
  await database.close()
})

test('it tells why a column has its type', async () => {
  const { columns, evidence, sure } = await check({ source: file('why.csv', 'id,zip,n\n1,00123,1\n2,7,1.5\n') })
  assert.equal(sure, true)
  assert.match(evidence, /delimiter ","/)
  assert.deepEqual(
    columns.map(({ column, type, inferred }) => [column, type, inferred?.because]),
    [
      ['id', 'integer', 'all values of the sample fit'],
      ['zip', 'text', '"00123" in record 1 would change as anything but text'],
      ['n', 'numeric', '"1.5" in record 2 would change as integer'],
    ],
  )
})

test('every reject is told, in order; a source of only rejects is hopeless', async () => {
  const source = file('bad.csv', `id,x\n1,a\n${'b\n'.repeat(12_000)}`)
  const records: number[] = []
  const report = await check({
    source,
    dialect: { delimiter: ',' },
    shown: 3,
    onReject: ({ record }) => records.push(record),
  })
  assert.deepEqual([report.rejects.length, records.length, records[0], records.at(-1)], [3, 12_000, 2, 12_001])
  assert.equal(report.hopeless, false)
  const dialect = { delimiter: ',' }
  const late = file('late.csv', `id,x\n${'1\n'.repeat(10_000)}1,a\n`)
  assert.equal((await check({ source: late, dialect })).hopeless, true)
  for (const batchRows of [undefined, 3_000, 50_000]) {
    const options = { source: late, dialect, to: `sqlite:${late}.${batchRows}.db`, ...(batchRows && { batchRows }) }
    await assert.rejects(load(options), { code: 'SLUICE_ALL_REJECTED', message: /first 10000 records/ })
  }
  const all = file('all.csv', `id,x\n${'1\n'.repeat(10_000)}`)
  assert.equal((await check({ source: all, dialect })).hopeless, true)
})

test('it is interrupted like a load', async () => {
  const source = file('long.csv', `id\n${'1\n'.repeat(100_000)}`)
  await assert.rejects(check({ source, signal: AbortSignal.abort() }), { code: 'SLUICE_INTERRUPTED' })
})

const SEEDS = Number(process.env.SLUICE_TEST_SEEDS ?? 30)
test(`check, load and the twin agree on ${SEEDS} mutated files`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) await execute(seed, folder, seed % 5 === 0)
})
