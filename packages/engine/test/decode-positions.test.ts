import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { type LoadOptions, load } from '../src/index.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const LINES = [
  'id,name',
  '1,日',
  `2,${'日x'.repeat(200_000)}`,
  '3,c',
  '1,日 again',
  'x,日',
  `"4,${'y'.repeat(300_000)}`,
  '5,e',
]
const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
  ],
} as const

for (const encoding of ['utf-8', 'utf-16le', 'utf-16be', 'shift_jis']) {
  test(`records that are too large, bad or refused by the database are told by their places in ${encoding}`, async () => {
    const folder = temporaryFolder()
    const encoded = (text: string) => iconv.encode(text, encoding, { addBOM: false })
    const bytes = encoded(LINES.map((line) => `${line}\n`).join(''))
    const expected = [3, 5, 6, 7].map((line) => {
      const raw = encoded(LINES[line - 1]!)
      const before = encoded(
        LINES.slice(0, line - 1)
          .map((text) => `${text}\n`)
          .join(''),
      )
      return { line, byte_offset: before.length, raw_length: raw.length, begins: raw.subarray(0, 40).toString('hex') }
    })
    const ways: [number, boolean][] = [
      [1_000, false],
      [65_537, true],
      [bytes.length, false],
    ]
    for (const [piece, mapped] of ways) {
      const path = join(folder, `${piece}.db`)
      async function* pieces() {
        for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
      }
      const receipt = await load({
        source: pieces(),
        to: `sqlite:${path}`,
        table: 't',
        key: ['id'],
        maxRecordBytes: 100_000,
        batchRows: 2,
        ...(mapped && { map: (row) => row }),
        schema: structuredClone(SCHEMA) as unknown as NonNullable<LoadOptions['schema']>,
        dialect: { encoding, delimiter: ',', quote: '"', header: true },
      })
      assert.deepEqual([receipt.inserted, receipt.rejected, receipt.bytes], [3, 4, bytes.length])
      const database = new DatabaseSync(path)
      const found = database
        .prepare(
          'SELECT line, byte_offset, raw_length, lower(hex(substr(raw, 1, 40))) AS begins FROM failed_imports ORDER BY record',
        )
        .all()
      database.close()
      assert.deepEqual(
        found.map((row) => ({ ...row })),
        expected.map((row) => ({ ...row, begins: row.begins.slice(0, 80) })),
      )
    }
  })
}

test('a compressed stream in UTF-16 goes on when it is given again, and is verified', async () => {
  const folder = temporaryFolder()
  const rows = 6_000
  const contentOf = (name: string) =>
    gzipSync(
      iconv.encode(`id,name\n${Array.from({ length: rows }, (_, i) => `${i},${name} ${i}\n`).join('')}`, 'utf-16le', {
        addBOM: true,
      }),
    )
  const bytes = contentOf('é')
  const stop = new AbortController()
  const run = (content: Buffer, options: Partial<LoadOptions> = {}) =>
    load({
      source: (async function* () {
        for (let at = 0; at < content.length; at += 500) yield content.subarray(at, at + 500)
      })(),
      to: `sqlite:${join(folder, 'to.db')}`,
      table: 't',
      batchRows: 1_000,
      ...options,
    })
  const first = run(bytes, {
    signal: stop.signal,
    onProgress: ({ recordsRead }) => recordsRead >= 1_000 && stop.abort(),
  })
  await assert.rejects(first, { code: 'SLUICE_INTERRUPTED' })
  await assert.rejects(run(contentOf('e')), { code: 'SLUICE_SOURCE_CHANGED' })
  const receipt = await run(bytes)
  assert.ok(receipt.resumedAtRecord >= 1_000)
  assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.bytes], [rows, rows, bytes.length])
})
