import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { databaseImage } from '../src/write/sqlite/image.ts'
import { decodeRecord } from '../src/write/sqlite/record.ts'
import { encodeRecord, leafPages, shared, type Value } from './support/sqlite-batch.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()

function open(image: Uint8Array[]): DatabaseSync {
  const path = join(folder, 'image.db')
  writeFileSync(path, Buffer.concat(image))
  return new DatabaseSync(path, { readOnly: true })
}

const row = (i: number): Value[] => [i, `row ${i}`, i / 3, null]

/** Every shape of the tree: no leaf, the root as a leaf, one level, several, with groups that divide badly. */
for (const [rows, pageRows, maxChildren] of [
  [0, 1, 4],
  [1, 1, 4],
  [2, 1, 4],
  [4, 1, 4],
  [5, 1, 4],
  [17, 1, 4],
  [65, 1, 4],
  [100, 1, 3],
  [20_000, undefined, undefined],
] as const) {
  test(`an image of ${rows} rows, ${pageRows ?? 'many'} a page, ${maxChildren ?? 'many'} children`, () => {
    const { pages } = leafPages(
      Array.from({ length: rows }, (_, i) => encodeRecord(row(i))),
      pageRows,
    )
    const db = open(databaseImage(shared(pages), 4, 7, maxChildren))
    try {
      assert.deepEqual(
        db
          .prepare('PRAGMA integrity_check')
          .all()
          .map((r) => r.integrity_check),
        ['ok'],
      )
      const found = db.prepare('SELECT rowid, c0, c1, c2, c3 FROM s ORDER BY rowid').all()
      assert.deepEqual(
        found.map((r) => Object.values(r)),
        Array.from({ length: rows }, (_, i) => [i + 1, ...row(i)]),
      )
      // Finds each by its rowid, so the keys of the interior pages are right.
      const one = db.prepare('SELECT c0 FROM s WHERE rowid = ?')
      for (let i = 0; i < rows; i += Math.ceil(rows / 100)) assert.equal(one.get(i + 1)?.c0, i)
    } finally {
      db.close()
    }
  })
}

test('an image with as many columns as SQLite allows', () => {
  const { pages } = leafPages([encodeRecord(Array.from({ length: 2_000 }, (_, i) => i))])
  const db = open(databaseImage(shared(pages), 2_000, 1))
  assert.equal(db.prepare('SELECT c1999 FROM s').get()!.c1999, 1_999)
  db.close()
})

test('pages that are not whole, or no leaves, are a defect', () => {
  assert.throws(() => databaseImage(new Uint8Array(100), 1, 1), { code: 'SLUICE_INTERNAL' })
  assert.throws(() => databaseImage(new Uint8Array(65_536), 1, 1), { code: 'SLUICE_INTERNAL' })
})

test('a record is decoded as SQLite reads it', () => {
  const values = [null, 'x', 'Ünï 😀', '', 0, 1, -1, 127, -32_768, 2n ** 47n, -(2n ** 63n), 2n ** 63n - 1n, 1.5, -1e300]
  const decoded = decodeRecord(encodeRecord(values))
  assert.deepEqual(
    decoded,
    values.map((v) => (typeof v === 'number' && Number.isSafeInteger(v) ? BigInt(v) : v)),
  )
  // The shorter integers, as SQLite writes them.
  const short = [
    [1, [0xff], -1n],
    [2, [0x80, 0x00], -32_768n],
    [3, [0x01, 0x00, 0x00], 65_536n],
    [4, [0x7f, 0xff, 0xff, 0xff], 2_147_483_647n],
    [5, [0xff, 0, 0, 0, 0, 0], -1_099_511_627_776n],
    [8, [], 0n],
    [9, [], 1n],
    [14, [0xab], Uint8Array.of(0xab)],
  ] as const
  for (const [type, body, value] of short) assert.deepEqual(decodeRecord(Uint8Array.of(2, type, ...body)), [value])
  const long = 'é'.repeat(100_000)
  assert.deepEqual(decodeRecord(encodeRecord([long, 3])), [long, 3n])
})
