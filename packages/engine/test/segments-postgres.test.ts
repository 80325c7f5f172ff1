import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { generate } from '../../sluice/src/generate/generate.ts'
import { customerSchemaText } from '../../sluice/src/generate/schema.ts'
import { BoundaryIndex } from '../src/boundaries.ts'
import { headOf } from '../src/head.ts'
import { load } from '../src/load.ts'
import type { ByteSource, LoadOptions } from '../src/options.ts'
import type { Progress, Receipt } from '../src/receipt.ts'
import { openBytes } from '../src/source/bytes.ts'
import type { Database } from '../src/write/database.ts'
import { openPostgres } from '../src/write/postgres/postgres.ts'
import { startPostgres } from './support/postgres.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let db: Database

before(async () => {
  process.env['SLUICE_SEGMENT_BYTES'] = '120'
  server = await startPostgres()
  db = await openPostgres(server.url)
})

after(async () => {
  await db.close()
  await server.stop()
})

function sourceOf(text: string, boundaries: ByteSource['boundaries'] = null): ByteSource {
  const bytes = Buffer.from(text)
  return {
    name: 'some.csv',
    size: bytes.length,
    fingerprint: text.length,
    boundaries,
    async *read(from, to = bytes.length) {
      for (let at = from; at < to; at += 1_000) yield bytes.subarray(at, Math.min(to, at + 1_000))
    },
  }
}

/** Boundaries as they are found while the bytes pass in pieces of so many. */
async function boundariesOf(text: string, piece: number, given: Partial<LoadOptions>) {
  const head = await headOf(
    openBytes(sourceOf(text)),
    given.dialect ?? {},
    (cells, keys) => keys ?? Array(cells).fill('c'),
  )
  const index = new BoundaryIndex({ head })
  const rest = Buffer.from(text).subarray(head.start.byte)
  for (let at = 0; at < rest.length; at += piece) await index.push(rest.subarray(at, at + piece))
  return index.end()
}

/** What a job leaves behind, in a form to compare. */
async function left(table: string, jobId: string): Promise<unknown> {
  const rows = await db.query(`SELECT CAST(t AS text) AS row FROM ${table} t ORDER BY 1`)
  const rejects = await db.query(
    `SELECT line, record, byte_offset, column_name, code, message, value, errors, raw, source FROM failed_imports
       WHERE job_id = $1 ORDER BY record`,
    [jobId],
  )
  const jobs = await db.query(
    `SELECT status, records_read, inserted, updated, unchanged, duplicates, rejected, bytes_total, bytes_committed
       FROM ingestion_jobs WHERE job_id = $1`,
    [jobId],
  )
  const held = await db.query('SELECT segment FROM ingestion_checkpoints WHERE NOT done OR lease_owner IS NOT NULL')
  return { rows, rejects, jobs, held }
}

/** Loads with so many at once, as processes do. */
async function together(workers: number, options: LoadOptions) {
  const jobId = randomUUID()
  const works = Array.from({ length: workers }, () => load({ ...options, to: server.url, jobId, parallel: 1 }))
  const receipts: Receipt[] = []
  for (const { reason, value } of (await Promise.allSettled(works)) as { reason?: Error; value?: Receipt }[]) {
    if (value) receipts.push(value)
    // Who comes last may come too late.
    else assert.match(reason!.message, /is completed and does not go on/)
  }
  const { elapsedMs, rowsPerSecond, resumedAtRecord, jobId: _, ...receipt } = receipts[0]!
  const [{ segments }] = (await db.query('SELECT count(*) AS segments FROM ingestion_checkpoints WHERE job_id = $1', [
    jobId,
  ])) as [{ segments: number }]
  return { receipt, segments, left: await left('t', jobId) }
}

const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer' as const },
    { name: 'text', type: 'string' as const },
    { name: 'more', type: 'string' as const, constraints: { maxLength: 20 } },
  ],
}
const cell = fc.oneof(
  fc
    .string({ maxLength: 30, unit: fc.constantFrom('a', 'é', ',', '"', '\n', '\r', ' ', '\u{1f600}') })
    .map((text) => `"${text.replaceAll('"', '""')}"`),
  fc.constantFrom('', 'plain', 'two words', '"', 'a"b', '"open', '"closed"x', ',', ',,'),
)
const line = fc.tuple(
  fc.oneof({ weight: 9, arbitrary: fc.nat(200).map(String) }, { weight: 1, arbitrary: fc.constant('x') }),
  cell,
  cell,
)
const records = fc
  .array(
    fc.oneof(
      { weight: 20, arbitrary: line.map((cells) => cells.join(',')) },
      { weight: 1, arbitrary: fc.constantFrom('', '\r') },
    ),
    {
      minLength: 20,
      maxLength: 80,
    },
  )
  .map((lines) => `id,text,more\n${lines.join('\n')}\n`)

/** Files of each kind; a load in three of them at once takes a second on a machine that is busy. */
const RUNS = 8

/** Objects of a line each, some of them broken in ways that may or may not show at the line end. */
const object = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .record(
        {
          id: fc.oneof(fc.nat(200), fc.constant('x')),
          text: fc.oneof(
            fc.string({ maxLength: 30, unit: fc.constantFrom('a', 'é', '"', '\\', '\n', '{', '}', '\u{1f600}') }),
            fc.constant(null),
            fc.constant([1, { a: '}' }]),
          ),
          more: fc.constantFrom('plain', 'longer than twenty characters'),
          other: fc.constant(1),
        },
        { requiredKeys: ['id'] },
      )
      .map((one) => JSON.stringify(one)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      '{',
      '{"id":1',
      '{"id":1,"text":"open}',
      '{"id":1}}',
      '[]',
      '{"id":1} {"id":2}',
      '\r',
    ),
  },
)
const lines = fc
  .array(object, { minLength: 20, maxLength: 80 })
  .map((all) => `{"id":0,"text":"","more":""}\n${all.join('\n')}\n`)

const CSV = {
  delimiter: ',',
  quote: '"',
  escape: null,
  comment: null,
  header: true,
  lineEnd: 'lf',
  encoding: 'utf-8',
} as const
for (const { what, file, dialect, more } of [
  { what: 'of CSV', file: records, dialect: CSV, more: {} },
  { what: 'of CSV whose rows all appear at once', file: records, dialect: CSV, more: { atomic: true } },
  { what: 'of NDJSON', file: lines, dialect: { format: 'ndjson' }, more: { unknownColumns: 'ignore' } },
] satisfies {
  what: string
  file: fc.Arbitrary<string>
  dialect: LoadOptions['dialect']
  more: Partial<LoadOptions>
}[]) {
  test(`a file ${what} in segments is loaded as in one`, async () => {
    let divided = 0
    await fc.assert(
      fc.asyncProperty(file, fc.integer({ min: 1, max: 90 }), async (text, piece) => {
        const boundaries = await boundariesOf(text, piece, { dialect })
        const options = { table: 't', schema: SCHEMA, dialect, batchRows: 7, ...more }
        const fresh = async () => {
          await db.query('DROP TABLE IF EXISTS t')
          await db.query('CREATE TABLE t (id int4, text text, more text)')
        }
        await fresh()
        const expected = await together(1, { ...options, source: sourceOf(text) })
        assert.equal(expected.segments, 1)
        await fresh()
        const found = await together(boundaries ? 3 : 1, { ...options, source: sourceOf(text, boundaries) })
        assert.equal(found.segments, (boundaries?.at.length ?? 0) + 1)
        divided += found.segments > 1 ? 1 : 0
        assert.deepEqual({ ...found, segments: 1 }, expected)
      }),
      { numRuns: RUNS, seed: 7, endOnFailure: true },
    )
    assert.ok(divided > RUNS / 2, `${divided} were divided`)
  })
}

test('what can only be read from its beginning is one segment, and that is told', async () => {
  process.env['SLUICE_SEGMENT_BYTES'] = '120'
  const text = `id,text,more\n${'1,a,b\n'.repeat(500)}`
  const folder = temporaryFolder()
  const [packed, whole] = [join(folder, 'people.csv.gz'), join(folder, 'people.csv')]
  writeFileSync(packed, gzipSync(text))
  writeFileSync(whole, text)
  for (const [source, told] of [
    [packed, /one segment: a stream, or what is compressed/],
    [Readable.from([Buffer.from(text)]), /one segment: a stream, or what is compressed/],
    [whole, null],
  ] as const) {
    await db.query('DROP TABLE IF EXISTS t')
    const notices: string[] = []
    const onNotice = (message: string) => notices.push(message)
    const { jobId, inserted } = await load({
      source,
      to: server.url,
      table: 't',
      schema: SCHEMA,
      parallel: 3,
      force: true,
      onNotice,
    })
    assert.equal(inserted, 500)
    const segments = await db.query('SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1', [jobId])
    assert.equal(segments.length > 1, told === null)
    if (told)
      assert.ok(
        notices.some((notice) => told.test(notice)),
        notices.join(),
      )
  }
})

test('threads load one file at once, and what was interrupted goes on with more or fewer of them', async () => {
  process.env['SLUICE_SEGMENT_BYTES'] = '400000'
  const folder = temporaryFolder()
  const path = join(folder, 'people.csv')
  const notices: string[] = []
  writeFileSync(path, Buffer.concat([...generate({ rows: 30_000, bad: 300, duplicates: 0, seed: 3 })]))
  const { primaryKey: _, ...schema } = JSON.parse(customerSchemaText())
  const run = async (more: Partial<LoadOptions>) => {
    const rejects = join(folder, 'rejects.csv')
    const options = {
      source: path,
      to: server.url,
      table: 't',
      schema,
      rejects,
      batchRows: 1_000,
      force: true,
      ...more,
    }
    const { elapsedMs, rowsPerSecond, resumedAtRecord, jobId, ...receipt } = await load(options)
    const segments = await db.query('SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1', [jobId])
    return {
      receipt,
      segments: segments.length,
      left: await left('t', jobId),
      rejects: readFileSync(rejects, 'utf8'),
    }
  }
  const fresh = () => db.query('DROP TABLE IF EXISTS t')
  await fresh()
  const expected = await run({})
  assert.equal(expected.segments, 1)
  await fresh()
  const { segments, ...found } = await run({ parallel: 3 })
  assert.ok(segments > 8, `${segments} segments`)
  assert.deepEqual({ segments: 1, ...found }, expected)
  await fresh()
  const ending = new AbortController()
  const onProgress = ({ recordsRead }: Progress) => recordsRead > 5_000 && ending.abort()
  await assert.rejects(run({ parallel: 3, onProgress, signal: ending.signal }), { code: 'SLUICE_INTERRUPTED' })
  assert.deepEqual({ ...(await run({ parallel: 1 })), segments: 1 }, expected)
  await fresh()
  await run({ parallel: 3, schema: { ...schema, primaryKey: 'id' }, onNotice: (message) => notices.push(message) })
  assert.ok(notices.some((message) => /one segment: its table has a unique key/.test(message)))
})
