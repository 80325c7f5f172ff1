import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import { sqlitePlace } from './support/sqlite-place.ts'

function place() {
  const made = sqlitePlace()
  const run = (options: Partial<LoadOptions> = {}) =>
    load({ source: join(made.folder, '*.csv'), to: made.to, table: 't', ...options } as LoadOptions)
  return { ...made, run }
}

for (const [what, content, code, message] of [
  ['an unknown column', 'id,nam\n3,c\n', 'SLUICE_COLUMNS', /c\.csv.*\n[\s\S]*"nam"/],
  ['one column too many', 'id,name,x\n3,c,y\n', 'SLUICE_COLUMNS', /c\.csv.*\n[\s\S]*"x"/],
  ['a broken header', 'id,"na"me\n3,c\n', 'SLUICE_DIALECT', /header of .*c\.csv/],
  ['a header that is not UTF-8', Buffer.from('id,name\xe9\n3,c\n', 'latin1'), 'SLUICE_DIALECT', /c\.csv.*0xE9/],
  ['no content', '', 'SLUICE_SOURCE_EMPTY', /c\.csv is empty/],
  ['compressed content that is cut', Buffer.from('1f8b0800', 'hex'), 'SLUICE_CORRUPT', /c\.csv cannot be decompressed/],
] as const) {
  for (const there of [true, false]) {
    test(`a later file with ${what} is refused before the first row, ${there ? 'and the table is as it was' : 'and no table is made'}`, async () => {
      const { query, run, write } = place()
      if (there) query('CREATE TABLE t (id INTEGER, name TEXT)')
      write('a.csv', 'id,name\n1,a\n')
      write('b.csv', 'name,id\nb,2\n')
      write('c.csv', content)
      await assert.rejects(run(), { code, message })
      const tables = query(`SELECT name FROM sqlite_schema WHERE name = 't'`)
      assert.equal(tables.length, there ? 1 : 0)
      if (there) assert.deepEqual(query('SELECT * FROM t'), [])
      assert.deepEqual(query('SELECT * FROM ingestion_jobs'), [])
      write('c.csv', 'id,name\n3,c\n')
      assert.equal((await run()).inserted, 3)
    })
  }
}

test('hundreds of files are planned with the memory of one', async () => {
  const { run, write, query } = place()
  const filler = 'x'.repeat(1_000)
  const lines = Array.from({ length: 300 }, (_, i) => `${i},${filler}\n`).join('')
  for (let file = 0; file < 300; file++) write(`${1_000 + file}.csv`, `id,name\n${lines}`)
  write('9999.csv', 'id,other\n1,a\n')
  const before = process.memoryUsage.rss()
  await assert.rejects(run(), { code: 'SLUICE_COLUMNS', message: /9999\.csv/ })
  // The heads of all of them are 77 MB.
  const grown = process.memoryUsage.rss() - before
  assert.ok(grown < 60e6, `${grown} bytes more`)
  assert.deepEqual(query('SELECT * FROM ingestion_jobs'), [])
})

for (const [what, bytes, message] of [
  [
    'Latin-1',
    Buffer.from('id;Stra\xdfe;Gr\xf6\xdfe\n1;a;b\n', 'latin1'),
    /line 1\) is not UTF-8: byte 0xDF at offset 7/,
  ],
  ['a character that is cut', Buffer.from('id,nam\xc3\n1,a\n', 'latin1'), /byte 0xC3 at offset 6/],
  ['a surrogate', Buffer.from('id,\xed\xa0\x80\n1,a\n', 'latin1'), /byte 0xED at offset 3/],
  [
    'good characters first',
    Buffer.concat([Buffer.from('é€😀,'), Buffer.of(0xff), Buffer.from('\n1,2\n')]),
    /byte 0xFF at offset 10/,
  ],
  [
    'a line of Excel before it',
    Buffer.from('sep=;\nid;n\xe4me\n1;a\n', 'latin1'),
    /line 2\) is not UTF-8: byte 0xE4 at offset 10/,
  ],
] as const) {
  test(`a header that is not UTF-8 is refused: ${what}`, async () => {
    const { run, write, path } = place()
    write('h.csv', bytes)
    await assert.rejects(run(), { code: 'SLUICE_DIALECT', message })
    assert.ok(existsSync(path))
  })
}

test('cells, comments and sources without a header may hold what they want: it is told with the record', async () => {
  const { run, write, query } = place()
  write('h.csv', Buffer.from('#\xe4\nid,näme\n1,\xe4\n2,b\n'.replace('näme', 'n\xc3\xa4me'), 'latin1'))
  const receipt = await run({ dialect: { comment: '#' } })
  assert.deepEqual([receipt.inserted, receipt.rejected], [1, 1])
  assert.deepEqual(query('SELECT code FROM failed_imports'), [['encoding-error']])
  assert.deepEqual(query('SELECT "näme" FROM t'), [['b']])
})
