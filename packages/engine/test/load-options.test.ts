import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from '../src/load.ts'
import type { Progress } from '../src/receipt.ts'
import { sqlitePlace } from './support/sqlite-place.ts'

test('files of a glob are one job, whatever the order of their columns', async () => {
  const { folder, to, query } = sqlitePlace()
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'in', 'a.csv'), 'id,name\n1,Anna\nx,Bob\n')
  writeFileSync(join(folder, 'in', 'b.csv'), 'name,id\nCleo,3\nDora\n')
  const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }
  const progress: Progress[] = []
  const receipt = await load({
    source: join(folder, 'in', '*.csv'),
    to,
    table: 'people',
    schema,
    provenance: true,
    rejects: join(folder, 'rejects.csv'),
    onProgress: (seen) => progress.push(seen),
  })
  assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.rejected], [4, 2, 2])
  assert.deepEqual(query('SELECT id, name, _file, _line FROM people ORDER BY id'), [
    [1, 'Anna', 'a.csv', 2],
    [3, 'Cleo', 'b.csv', 2],
  ])
  assert.deepEqual(query('SELECT record, line, code FROM failed_imports ORDER BY record'), [
    [2, 3, 'type-error'],
    [4, 3, 'missing-cell'],
  ])
  assert.equal(readFileSync(join(folder, 'rejects.csv'), 'utf8').trimEnd().split('\n').length, 3)
  const last = progress.at(-1)!
  assert.deepEqual([last.recordsRead, last.bytesCommitted, last.bytesTotal], [4, 41, 41])
  assert.ok(progress.every((seen, i) => i === 0 || seen.recordsRead >= progress[i - 1]!.recordsRead))
})

test('limit, set, rename and skip', async () => {
  const { folder, to, query } = sqlitePlace()
  writeFileSync(join(folder, 'p.csv'), 'Id,Name,Junk\n1,a,x\n2,b,y\n3,c,z\n')
  const receipt = await load({
    source: join(folder, 'p.csv'),
    to,
    limit: 2,
    set: { tenant: 't1' },
    rename: { Id: 'number' },
    skip: ['Junk'],
  })
  assert.deepEqual([receipt.table, receipt.recordsRead, receipt.inserted], ['p', 2, 2])
  assert.deepEqual(query('SELECT number, Name, tenant FROM p ORDER BY number'), [
    [1, 'a', 't1'],
    [2, 'b', 't1'],
  ])
})

test('a function changes and refuses rows, and rejects of the database still show the source', async () => {
  const { folder, to, query } = sqlitePlace()
  query('CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)')
  writeFileSync(join(folder, 'p.csv'), 'id,name\nA1, anna\n\nA2,bob\nA1,"again\n"\nA3,eve\n')
  const { rejected, inserted } = await load({
    source: join(folder, 'p.csv'),
    to,
    table: 'people',
    map: (row) => (row.name === 'bob' ? 'no bobs' : { ...row, id: row.id!.slice(1), name: row.name!.trim() }),
  })
  assert.deepEqual([inserted, rejected], [2, 2])
  assert.deepEqual(query('SELECT * FROM people'), [
    [1, 'anna'],
    [3, 'eve'],
  ])
  assert.deepEqual(
    query('SELECT record, line, byte_offset, code, CAST(raw AS TEXT) FROM failed_imports ORDER BY record'),
    [
      [2, 4, 18, 'constraint-error', 'A2,bob'],
      [3, 5, 25, 'unique-error', 'A1,"again\n"'],
    ],
  )
})

test('a function that throws fails a job that a better one goes on with', async () => {
  const { folder, to, query } = sqlitePlace()
  const lines = Array.from({ length: 500 }, (_, i) => `${i + 1}\n`).join('')
  writeFileSync(join(folder, 'n.csv'), `n\n${lines}`)
  const asked = { source: join(folder, 'n.csv'), to, batchRows: 100 }
  const failing = load({
    ...asked,
    map: (row) => {
      if (row.n === '350') throw new Error('no 350')
      return row
    },
  })
  await assert.rejects(failing, { code: 'SLUICE_MAP', message: /record 350 \(line 351\): no 350/ })
  const receipt = await load({ ...asked, map: (row) => row })
  assert.deepEqual([receipt.inserted, receipt.resumedAtRecord > 0], [500, true])
  assert.deepEqual(query('SELECT count(*), count(DISTINCT n), sum(n) FROM n'), [[500, 500, 125_250]])
})
