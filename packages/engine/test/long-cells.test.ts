import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { load } from '../src/index.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

test('cells that are too long for a page of SQLite are stored as they are, one after the other and among short ones', async (t) => {
  const folder = temporaryFolder()
  const path = join(folder, 'to.db')
  // A byte order mark that begins a cell is text.
  const long = (mark: string, length: number) => `\ufeff${mark}é`.padEnd(length, mark)
  const names = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? long(`${i}`, 100_000 + i) : `\ufeff${i}`))
  names.push(long('a', 5_000_000), long('b', 5_000_000), 'end')
  const source = Readable.from(
    ['id,name\n', ...names.map((name, i) => `${i},${name}\n`)].map((text) => Buffer.from(text)),
  )
  const receipt = await load({ source, to: `sqlite:${path}`, table: 't' })
  assert.equal(receipt.inserted, names.length)
  const database = new DatabaseSync(path, { readOnly: true })
  t.after(() => database.close())
  const found = database.prepare('SELECT name FROM t ORDER BY id').all()
  assert.ok(found.every(({ name }, i) => name === names[i]))
})
