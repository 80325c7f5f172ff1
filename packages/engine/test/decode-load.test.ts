import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { constants, gzipSync, zstdCompressSync } from 'node:zlib'
import iconv from 'iconv-lite'
import { type LoadOptions, load, replay } from '../src/index.ts'
import { roundTrip } from './decode-suite.ts'
import { sqlitePlace } from './support/sqlite-place.ts'

function place() {
  const { folder, path, to } = sqlitePlace()
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    using database = new DatabaseSync(path)
    try {
      return database
        .prepare(sql)
        .all()
        .map((row) => ({ ...row }))
    } catch (error) {
      if (/no such table/.test((error as Error).message)) return []
      throw error
    }
  }
  const run = (source: LoadOptions['source'], options: Partial<LoadOptions> = {}) =>
    load({ source, to, table: 't', ...options })
  return { folder, to, query, run }
}

const CSV = `id,name\n${Array.from({ length: 5 }, (_, i) => `${i},n${i}\n`).join('')}`

test('any table in any encoding and compression is read as it was written', { timeout: 120_000 }, async () => {
  const { to, query } = place()
  await roundTrip(to, query, 30)
})

for (const [name, bytes] of [
  ['gzip', gzipSync(CSV)],
  ['zstd', zstdCompressSync(CSV, { params: { [constants.ZSTD_c_checksumFlag]: 1 } })],
] as const) {
  test(`${name} that is cut anywhere is never loaded to its end`, { timeout: 120_000 }, async () => {
    const { run, query } = place()
    for (let length = 5; length < bytes.length; length++) {
      const source = Readable.from([bytes.subarray(0, length)])
      await assert.rejects(run(source, { restart: true }), { code: 'SLUICE_CORRUPT', message: /ends in the middle/ })
    }
    assert.deepEqual(await query(`SELECT * FROM ingestion_jobs WHERE status = 'COMPLETED'`), [])
  })

  test(`${name} with a changed byte is refused, or read as it was`, { timeout: 120_000 }, async () => {
    const { run, query } = place()
    for (let at = 4; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 0x55
      await query('DROP TABLE IF EXISTS t')
      const inserted = await run(Readable.from([changed]), { restart: true }).then(
        (receipt) => receipt.inserted,
        (error) => error.code,
      )
      // Name, time and system in gzip's header are guarded by nothing, and mean nothing.
      assert.ok(inserted === 'SLUICE_CORRUPT' || (inserted === 5 && at < 10), `byte ${at}: ${inserted}`)
    }
  })

  test(`${name} that something else follows is refused`, async () => {
    const { run } = place()
    const source = Readable.from([Buffer.concat([bytes, Buffer.from('id,name\n')])])
    await assert.rejects(run(source), { code: 'SLUICE_CORRUPT', message: /damaged/ })
  })
}

test('zeros may follow gzip, but nothing behind them', async () => {
  const { run } = place()
  const padded = Buffer.concat([gzipSync(CSV), Buffer.alloc(1_000)])
  assert.equal((await run(Readable.from([padded]))).bytes, padded.length)
  const more = Readable.from([padded, gzipSync(CSV)])
  await assert.rejects(run(more, { table: 'u' }), { code: 'SLUICE_CORRUPT', message: /something else follows/ })
})

test('a bomb stops at its limit, and a higher limit lets it pass', { timeout: 60_000 }, async () => {
  const { run, folder } = place()
  const path = join(folder, 'bomb.csv')
  writeFileSync(path, gzipSync(Buffer.concat([Buffer.from('id,name\n'), Buffer.alloc(200_000_000, 0x31)])))
  await assert.rejects(run(path), { code: 'SLUICE_DECODED_SIZE', message: /grows beyond 104857600 bytes/ })
  writeFileSync(path, gzipSync(CSV))
  await assert.rejects(run(path, { maxDecodedBytes: 20, restart: true }), { code: 'SLUICE_DECODED_SIZE' })
  assert.equal((await run(path, { maxDecodedBytes: 1_000 })).inserted, 5)
})

test('compressed, plain and padded files are one job', async () => {
  const { run, folder } = place()
  writeFileSync(join(folder, 'a.csv'), CSV)
  writeFileSync(join(folder, 'b.csv'), gzipSync(CSV))
  writeFileSync(join(folder, 'c.csv'), zstdCompressSync(CSV))
  assert.equal((await run(join(folder, '*.csv'))).inserted, 15)
})

const ROWS = 20_000
const LARGE = `id,name\n${Array.from({ length: ROWS }, (_, i) => `${i % 1000 === 7 ? 'x' : i},Zoë ${i} ${(i * 7919) % 1000}\n`).join('')}`
for (const [name, bytes] of [
  ['a gzip file', gzipSync(LARGE)],
  ['a UTF-16 file', iconv.encode(LARGE, 'utf-16le', { addBOM: true })],
  ['a gzip file of UTF-16', gzipSync(iconv.encode(LARGE, 'utf-16be', { addBOM: true }))],
] as const) {
  test(`a load of ${name} that is killed goes on in its middle, each row once`, { timeout: 120_000 }, async () => {
    const { to, query, folder } = place()
    const path = join(folder, 'large.csv')
    writeFileSync(path, bytes)
    const options = {
      source: path,
      to,
      table: 't',
      batchRows: 1_500,
      schema: {
        fields: [
          { name: 'id', type: 'integer' },
          { name: 'name', type: 'string' },
        ],
      },
    } satisfies LoadOptions
    const script = `import { load } from ${JSON.stringify(join(import.meta.dirname, '../src/index.ts'))}
      await load(${JSON.stringify(options)})`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      env: { ...process.env, SLUICE_FAILPOINTS: 'after-commit:4=kill' },
    })
    await once(child, 'exit')
    const [before] = await query('SELECT records_read, bytes_committed, bytes_total FROM ingestion_jobs')
    assert.ok(Number(before!.records_read) >= 4_500 && Number(before!.bytes_committed) < bytes.length)
    assert.equal(before!.bytes_total, bytes.length)
    const receipt = await load(options)
    assert.equal(receipt.resumedAtRecord, before!.records_read)
    assert.deepEqual([receipt.recordsRead, receipt.rejected, receipt.bytes], [ROWS, ROWS / 1000, bytes.length])
    const [found] = await query('SELECT count(*) AS n, count(DISTINCT id) AS ids, max(name) AS name FROM t')
    assert.deepEqual(found, { n: ROWS - ROWS / 1000, ids: ROWS - ROWS / 1000, name: 'Zoë 9999 81' })
    const [last] = await query('SELECT max(line) AS line, count(*) AS n FROM failed_imports')
    assert.deepEqual(last, { line: 19_009, n: ROWS / 1000 })
  })
}

test('bytes that mean nothing reject their record, keep its bytes, and replay corrected', async () => {
  const { run, query, to } = place()
  const bytes = Buffer.concat([Buffer.from('id,name\n1,Zo\xeb\n2,a\x81b\n3,c\n', 'latin1')])
  const receipt = await run(Readable.from([bytes]), { dialect: { encoding: 'windows-1252', header: true } })
  assert.deepEqual([receipt.inserted, receipt.rejectsByCode], [2, { 'encoding-error': 1 }])
  const [reject] = await query('SELECT raw, byte_offset FROM failed_imports')
  assert.deepEqual([Buffer.from(reject!.raw as Uint8Array).toString('latin1'), reject!.byte_offset], ['2,a\x81b', 14])
  const line = `${JSON.stringify({ record: 2, raw: '2,né' })}\n`
  await replay({ source: Readable.from([Buffer.from(line)]), jobId: receipt.jobId, to })
  assert.deepEqual(await query('SELECT name FROM t ORDER BY id'), [{ name: 'Zoë' }, { name: 'né' }, { name: 'c' }])
})

test('what holds no text is refused by its name', async () => {
  const { run } = place()
  const sheet = Buffer.concat([Buffer.from('504b030414000600', 'hex'), Buffer.alloc(50, 0x20)])
  await assert.rejects(run(Readable.from([sheet])), {
    code: 'SLUICE_DIALECT',
    message: /a ZIP archive.*save the sheet as CSV/,
  })
  await assert.rejects(run(Readable.from([Buffer.from('%PDF-1.7\n')])), { code: 'SLUICE_DIALECT', message: /PDF/ })
})

test('what is not UTF-8 is told and never guessed', async () => {
  const { run } = place()
  const notices: string[] = []
  const receipt = await run(Readable.from([Buffer.from('id,name\n1,Zo\xeb\n2,b\n', 'latin1')]), {
    onNotice: (message) => notices.push(message),
  })
  assert.deepEqual([receipt.inserted, receipt.rejectsByCode], [1, { 'encoding-error': 1 }])
  assert.match(notices.join('\n'), /byte 0xEB at offset 12.*--encoding windows-1252/)
  const utf16 = iconv.encode(CSV, 'utf-16le', { addBOM: true })
  await assert.rejects(run(Readable.from([utf16]), { dialect: { encoding: 'latin1' } }), { code: 'SLUICE_DIALECT' })
  await assert.rejects(run(Readable.from([utf16]), { dialect: { encoding: 'utf-7' } }), { code: 'SLUICE_DIALECT' })
  assert.equal((await run(Readable.from([utf16]), { table: 'u' })).inserted, 5)
})
