import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import iconv from 'iconv-lite'
import { load } from '../src/index.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

/** Characters that each encoding has. */
const ENCODINGS: Record<string, string> = {
  'utf-8': 'aZ0 ,"\n\'é€ß日本한😀',
  'utf-16le': 'aZ0 ,"\n\'é€ß日本한😀',
  'utf-16be': 'aZ0 ,"\n\'é€ß日本한😀',
  'windows-1252': 'aZ0 ,"\n\'é€ß“”',
  'iso-8859-1': 'aZ0 ,"\n\'éßÿ\u0085',
  cp437: 'aZ0 ,"\n\'éß│',
  shift_jis: 'aZ0 ,"\n\'日本ソ表ｶﾅ|',
  gb18030: 'aZ0 ,"\n\'中文€ÿ😀',
  'euc-kr': 'aZ0 ,"\n\'한국어',
}
const COMPRESSIONS: Record<string, (bytes: Buffer) => Buffer> = {
  none: (bytes) => bytes,
  gzip: (bytes) => gzipSync(bytes),
  'gzip of two members': (bytes) => Buffer.concat([gzipSync(bytes.subarray(0, 5)), gzipSync(bytes.subarray(5))]),
  zstd: (bytes) => zstdCompressSync(bytes),
  'zstd of two frames': (bytes) =>
    Buffer.concat([zstdCompressSync(bytes.subarray(0, 5)), SKIPPED, zstdCompressSync(bytes.subarray(5))]),
}
/** A frame that decoders pass over (RFC 8878, 3.1.2). */
const SKIPPED = Buffer.from('502a4d180300000061626300'.slice(0, 22), 'hex')

const table = fc.constantFrom(...Object.keys(ENCODINGS)).chain((encoding) =>
  fc.record({
    encoding: fc.constant(encoding),
    mark: fc.boolean(),
    compression: fc.constantFrom(...Object.keys(COMPRESSIONS)),
    piece: fc.constantFrom(1, 7, 64, 65_537),
    asFile: fc.boolean(),
    batchRows: fc.constantFrom(1, 3, 1_000),
    rows: fc.array(
      fc.array(
        fc.string({ unit: fc.constantFrom(...ENCODINGS[encoding]!), maxLength: 12 }).map((text) => `x${text}`),
        { minLength: 2, maxLength: 2 },
      ),
      { minLength: 1, maxLength: 12 },
    ),
  }),
)

/** Any table in any encoding, compression and pieces is read as it was written; a bad record's place and bytes are the file's. */
export async function roundTrip(
  to: string,
  query: (sql: string) => Promise<unknown[]>,
  numRuns: number,
): Promise<void> {
  const folder = temporaryFolder()
  const path = join(folder, 'table.csv')
  const property = fc.asyncProperty(table, async ({ encoding, mark, compression, piece, asFile, batchRows, rows }) => {
    await query('DROP TABLE IF EXISTS decoded')
    await query('DELETE FROM failed_imports')
    const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`
    const lines = rows.map((cells, i) => [`${i}`, ...cells.map(quoted)].join(','))
    const bad = `bad,"${rows[0]![0]!.replaceAll('"', '""')}",y`
    const head = `${mark && encoding.startsWith('utf') ? '\ufeff' : ''}id,a,b\r\n${lines.join('\n')}\n`
    const encoded = (text: string) => iconv.encode(text, encoding, { addBOM: false })
    const bytes = COMPRESSIONS[compression]!(encoded(`${head}${bad}\n`))
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece)
    }
    if (asFile) writeFileSync(path, bytes)
    const receipt = await load({
      source: asFile ? path : pieces(),
      to,
      table: 'decoded',
      schema: {
        fields: [
          { name: 'id', type: 'integer' },
          { name: 'a', type: 'string' },
          { name: 'b', type: 'string' },
        ],
      },
      dialect: { encoding, delimiter: ',', quote: '"', escape: null, header: true, comment: null, lineEnd: 'lf' },
      batchRows,
      restart: true,
    })
    assert.deepEqual([receipt.inserted, receipt.rejected, receipt.bytes], [rows.length, 1, bytes.length])
    assert.deepEqual(
      await query('SELECT CAST(id AS text) AS id, a, b FROM decoded ORDER BY decoded.id'),
      rows.map(([a, b], i) => ({ id: `${i}`, a, b })),
    )
    const [reject] = (await query('SELECT byte_offset, raw, raw_length FROM failed_imports')) as [Record<string, never>]
    const raw = encoded(bad)
    assert.deepEqual(
      [Number(reject.byte_offset), Buffer.from(reject.raw!), Number(reject.raw_length)],
      [encoded(head).length, raw, raw.length],
    )
  })
  await fc.assert(property, { numRuns })
}
