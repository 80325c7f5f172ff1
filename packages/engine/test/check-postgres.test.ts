import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from '../src/check.ts'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { load } from '../src/load.ts'
import { openDatabase } from '../src/write/open.ts'
import { startPostgres } from './support/postgres.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

test('check judges by the columns of the table as load does, and leaves nothing behind', async (t) => {
  const server = await startPostgres()
  const folder = temporaryFolder()
  const database = await openDatabase(server.url)
  t.after(async () => {
    await database.close()
    await server.stop()
  })
  await database.query(
    'CREATE TABLE t (id smallint PRIMARY KEY, name varchar(3), price numeric(5, 2), at timestamp(0))',
  )
  const source = join(folder, 't.csv')
  const lines = ['1,abc,1.50,2024-01-01 10:00:00', '40000,abcd,1.505,2024-01-01 10:00:00.5', '2,,1234.5,', '3,x,,', '4']
  writeFileSync(source, `id,name,price,at\n${lines.join('\n')}\n`)
  const options = { source, to: server.url, table: 't' }
  const report = await check(options)
  const tables = await database.query(
    `SELECT relname FROM pg_class WHERE relname LIKE '%\\_jobs' OR relname = 'failed_imports'`,
  )
  assert.deepEqual(tables, [])
  const receipt = await load(options)
  assert.deepEqual([report.sound, report.rejected, report.table], [receipt.inserted, receipt.rejected, 't'])
  assert.deepEqual([report.sound, report.rejected], [2, 3])
  for await (const page of new JobStore(database).rejects(receipt.jobId))
    assert.deepEqual(
      page.map(({ record, line, byteOffset, errors }) => ({ record, line, byteOffset, errors })),
      report.rejects.map(({ record, line, byteOffset, errors }) => ({ record, line, byteOffset, errors })),
    )
  assert.deepEqual(
    report.columns.map(({ column, type }) => `${column} ${type}`),
    ['id integer', 'name text', 'price numeric', 'at timestamp'],
  )
})
