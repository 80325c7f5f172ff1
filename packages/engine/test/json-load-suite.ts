import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import type { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import type { LoadOptions, Row } from '../src/options.ts'
import type { Receipt } from '../src/receipt.ts'
import { replay } from '../src/replay.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'

type Form = 'ndjson' | 'json'

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

function write(form: Form, records: string[]): Buffer {
  return Buffer.from(
    form === 'ndjson'
      ? `${records.join('\n')}\n`
      : `{"meta": {"rows": 1}, "data": {"rows": [\n${records.join(',\n')}\n]}, "end": "]"}`,
  )
}

/** What holds of JSON sources in both databases. */
export function jsonLoadSuite(name: string, connect: () => Promise<{ url: string; stop: () => Promise<void> }>): void {
  describe(`JSON into ${name}`, () => {
    let server: Awaited<ReturnType<typeof connect>>
    let database: Database
    before(async () => {
      server = await connect()
      database = await openDatabase(server.url)
    })
    after(async () => {
      await database.close()
      await server.stop()
    })

    const drop = () => database.query('DROP TABLE IF EXISTS t')
    const run = (form: Form, source: Buffer, options: Partial<LoadOptions> = {}, size = 65_537): Promise<Receipt> =>
      load({
        source: inPieces(source, size),
        to: server.url,
        table: 't',
        ...jsonOptions(form),
        ...options,
      } as LoadOptions)
    const jsonOptions = (form: Form): Partial<LoadOptions> => ({
      dialect: form === 'json' ? { format: 'json', jsonPath: 'data.rows' } : { format: 'ndjson' },
    })
    const rejectsOf = ({ jobId }: Receipt) =>
      database.query(
        'SELECT record, line, byte_offset, column_name, code, message, value FROM failed_imports WHERE job_id = $1 ORDER BY record',
        [jobId],
      )

    for (const form of ['ndjson', 'json'] as const) {
      test(`${form}: any values come back as they were`, { timeout: 120_000 }, async () => {
        const value = fc.jsonValue({ depthSize: 'small' }).filter((one) => isStorable(one))
        const record = fc.record({
          v: value,
          text: fc.string({ unit: 'grapheme' }).filter((one) => !one.includes('\0')),
        })
        await fc.assert(
          fc.asyncProperty(
            fc.array(record, { minLength: 1, maxLength: 20 }),
            fc.integer({ min: 1, max: 300 }),
            async (records, size) => {
              await drop()
              const lines = records.map((one, id) => JSON.stringify({ ...one, id }))
              const fields = [
                { name: 'id', type: 'integer' },
                { name: 'v', type: 'json' },
                { name: 'text', type: 'string' },
              ]
              const receipt = await run(form, write(form, lines), { schema: { fields } as LoadOptions['schema'] }, size)
              assert.equal(receipt.inserted, records.length)
              const rows = await database.query<{ id: number; v: unknown; text: string }>(
                'SELECT id, v, text FROM t ORDER BY id',
              )
              const read = rows.map(({ id, v, text }) => ({
                v: typeof v === 'string' ? JSON.parse(v) : v,
                text,
                id: Number(id),
              }))
              assert.deepEqual(
                read,
                records.map((one, id) => ({ v: normal(one.v), text: one.text, id })),
              )
            },
          ),
          { numRuns: 25 },
        )
      })

      test(`${form}: numbers keep every digit, and kinds decide types`, async () => {
        await drop()
        const lines = [
          '{"id":9007199254740993,"n":12345678901234567890.123456789012345678901,"yes":true,"day":"2024-02-29","word":"007","mixed":1,"deep":{"a":[1]}}',
          '{"id":-1,"n":1e30,"yes":false,"day":"2023-01-01","word":"","mixed":"1","deep":[]}',
          '{"id":2,"n":-0.50,"yes":null}',
        ]
        await run(form, write(form, lines))
        const cast = database.kind === 'postgres' ? '::text' : ''
        const rows = await database.query(
          `SELECT id${cast} AS id, n${cast} AS n, yes, day${cast} AS day, word, mixed${cast} AS mixed, deep${cast} AS deep FROM t ORDER BY t.id`,
        )
        const isPg = database.kind === 'postgres'
        assert.deepEqual(
          rows.map((row) => [
            String(row.id),
            String(row.n),
            row.yes,
            row.day,
            row.word,
            row.mixed,
            row.deep === null ? null : JSON.stringify(JSON.parse(row.deep as string)),
          ]),
          [
            ['-1', isPg ? '1000000000000000000000000000000' : '1e+30', isPg ? false : 0, '2023-01-01', '', '"1"', '[]'],
            ['2', isPg ? '-0.50' : '-0.5', null, null, null, null, null],
            [
              '9007199254740993',
              '12345678901234567890.123456789012345678901',
              isPg ? true : 1,
              '2024-02-29',
              '007',
              '1',
              '{"a":[1]}',
            ],
          ],
        )
      })

      test(`${form}: what is broken is a reject with its line, whatever the pieces, and can be replayed`, {
        timeout: 120_000,
      }, async () => {
        const lines = Array.from({ length: 300 }, (_, i) => `{"id":${i},"name":"n ${i}","size":${i % 7}}`)
        lines[10] = '{"id":10,"name":"a\\u00e9","size":"big"}'
        lines[20] = '{"id":20,"name":01}'
        lines[30] = '{"id":30,"size":1.5}'
        lines[40] = '{"id":40,"name":"\\ud800"}'
        lines[50] = '{"id":50,"id":51}'
        lines[60] = '[60]'
        lines[70] = '{"id":5,"name":"again"}'
        lines[80] = '{"size":1}'
        const source = write(form, lines)
        const schema = {
          fields: [
            { name: 'id', type: 'integer' },
            { name: 'name', type: 'string' },
            { name: 'size', type: 'integer' },
          ],
          primaryKey: 'id',
        }
        const options = { schema: schema as LoadOptions['schema'] }
        const expected: { rejects: unknown; rows: unknown }[] = []
        for (const [size, more] of [
          [65_537, {}],
          [7, { batchRows: 50 }],
          [1_000, { map: (row: Record<string, string | null>) => row }],
          [1, {}],
        ] as const) {
          await drop()
          const receipt = await run(form, source, { ...options, ...more }, size)
          assert.deepEqual([receipt.recordsRead, receipt.rejected, receipt.bytes], [300, 8, source.length])
          expected.push({
            rejects: await rejectsOf(receipt),
            rows: await database.query('SELECT * FROM t ORDER BY id'),
          })
          assert.deepEqual(expected.at(-1), expected[0], `${size} bytes at a time`)
        }
        const found = (
          expected[0]!.rejects as { record: number; line: number; code: string; column_name: string; value: string }[]
        ).map(({ record, line, code, column_name, value }) => [Number(record), Number(line), code, column_name, value])
        const at = form === 'json' ? 1 : 0
        assert.deepEqual(found, [
          [11, 11 + at, 'type-error', 'size', 'big'],
          [21, 21 + at, 'json-error', null, null],
          [31, 31 + at, 'type-error', 'size', '1.5'],
          [41, 41 + at, 'encoding-error', 'name', '\ufffd\ufffd\ufffd'],
          [51, 51 + at, 'json-error', 'id', null],
          [61, 61 + at, 'json-error', null, null],
          [71, 71 + at, 'unique-error', 'id', '5'],
          [81, 81 + at, 'constraint-error', 'id', ''],
        ])
        await drop()
        const receipt = await run(form, source, options)
        const corrected = [
          { record: 11, raw: '{"id":10,"name":"now","size":3}' },
          { record: 31, raw: '{"size":1,\n"id":30}' },
          { record: 61, raw: '{"id":60' },
          { record: 71, raw: '{"id":1000,"name":"no more"}' },
        ].map((one) => JSON.stringify(one))
        const done = await replay({
          source: inPieces(Buffer.from(`${corrected.join('\n')}\n`), 1_000),
          jobId: receipt.jobId,
          to: server.url,
        })
        // A record of NDJSON is a line; a reject of a document may have several.
        const loaded = form === 'json' ? 3 : 2
        assert.deepEqual(done.replay, { records: 4, loaded, refused: 4 - loaded, skipped: 0 })
        assert.equal(done.recordsRead, done.inserted + done.rejected)
      })

      test(`${form}: an interrupted load goes on in the middle`, async () => {
        await drop()
        const space = form === 'json' ? '\n' : ''
        const lines = Array.from({ length: 5_000 }, (_, i) => `{"id":${i},${space}"name":"${'x'.repeat(i % 500)}"}`)
        const bytes = write(form, lines)
        const reads: number[] = []
        const source = (most: number) => ({
          name: `resumed.${form}`,
          size: bytes.length,
          // jsonb keeps the keys in another order.
          fingerprint: { etag: { version: 'v1', at: 'now' } },
          read: async function* (from: number) {
            reads.push(from)
            for (let at = from; at < bytes.length; at += 9_973) {
              if (at >= most) throw new Error('gone')
              yield bytes.subarray(at, at + 9_973)
            }
          },
        })
        const options = { to: server.url, table: 't', ...jsonOptions(form), batchRows: 300 }
        for (const most of [400_000, 410_000, 900_000]) {
          await assert.rejects(load({ ...options, source: source(most) }), /gone/)
        }
        const receipt = await load({ ...options, source: source(bytes.length) })
        assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.bytes], [5_000, 5_000, bytes.length])
        assert.ok(Math.max(...reads) > 700_000, `it begins behind what is committed: ${reads}`)
        const [count] = await database.query(
          'SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS a, max(id) AS z FROM t',
        )
        assert.deepEqual(Object.values(count!).map(Number), [5_000, 5_000, 0, 4_999])
      })

      test(`${form}: a key that comes behind the sample and has no column is a reject that names it`, async () => {
        await drop()
        const lines = Array.from({ length: 5_000 }, (_, i) => `{"id":${i},"text":"${'x'.repeat(80)}"}`)
        lines[4_000] = '{"id":-1,"text":"y","colour":"r\\u00e9d","n":[1]}'
        const receipt = await run(form, write(form, lines), {})
        assert.deepEqual([receipt.inserted, receipt.rejectsByCode], [4_999, { 'extra-cell': 1 }])
        const [reject] = await database.query(
          'SELECT column_name, value, message FROM failed_imports WHERE job_id = $1',
          [receipt.jobId],
        )
        assert.deepEqual(Object.values(reject!), ['colour', 'réd', '"colour" is a key that no column has'])
      })

      test(`${form}: keys that no column has are left out when they are to be`, async () => {
        await drop()
        const receipt = await run(form, write(form, ['{"id":1}', '{"id":2,"more":{"x":[1]}}']), {
          schema: { fields: [{ name: 'id', type: 'integer' }] } as LoadOptions['schema'],
          unknownColumns: 'ignore',
        })
        assert.equal(receipt.inserted, 2)
      })
    }

    test('an array that is cut off, or that something follows, is never complete', async () => {
      const whole = write('json', ['{"id":1}', '{"id":2}', '{"id":3}']).toString()
      for (const end of [
        whole.lastIndexOf('{') - 1,
        whole.lastIndexOf('}]') - 12,
        whole.length - 1,
        whole.length - 2,
      ]) {
        await drop()
        const name = `cut-${end}`
        await assert.rejects(
          run('json', Buffer.from(whole.slice(0, end)), { sourceName: name }),
          (error: SluiceError) => error.code === 'SLUICE_CORRUPT',
        )
        // Nor when it is tried again.
        await assert.rejects(
          run('json', Buffer.from(whole.slice(0, end)), { sourceName: name }),
          (error: SluiceError) => error.code === 'SLUICE_CORRUPT',
        )
        const jobs = await database.query(
          "SELECT status FROM ingestion_jobs WHERE source = $1 AND status = 'COMPLETED'",
          [name],
        )
        assert.deepEqual(jobs, [])
      }
    })

    test('the records before a document that does not end as it should are loaded', async () => {
      for (const [text, path] of [
        ['[{"id":1},{"id":2}] {}', undefined],
        ['[{"id":1},{"id":2},', undefined],
        ['{"r":[{"id":1},{"id":2}]', 'r'],
        ['{"r":[{"id":1},{"id":2}]}]', 'r'],
      ] as const) {
        await drop()
        const options = { dialect: { format: 'json' as const, ...(path && { jsonPath: path }) } }
        const mapped = { ...options, map: (row: Row) => row }
        for (const [index, each] of [options, mapped].entries()) {
          const loading = run('json', Buffer.from(text), { ...each, sourceName: `${index} ${text}` })
          await assert.rejects(loading, { code: 'SLUICE_CORRUPT' })
        }
        const [found] = await database.query<{ rows: number }>('SELECT count(*) AS rows FROM t')
        assert.equal(Number(found!.rows), 4, text)
      }
    })

    test('an empty array is no record for a table that is there, and no table where there is none', async () => {
      await drop()
      const empty = Buffer.from('[ ]\n')
      const options = { dialect: { format: 'json' as const }, sourceName: 'empty' }
      await assert.rejects(run('json', empty, options), { code: 'SLUICE_SOURCE_EMPTY' })
      await database.query('CREATE TABLE t (id integer NOT NULL)')
      const receipt = await run('json', empty, options)
      assert.deepEqual([receipt.recordsRead, receipt.inserted], [0, 0])
    })

    test('where the array is, is asked for and said', async () => {
      await drop()
      const source = write('json', ['{"id":1}'])
      await assert.rejects(run('json', source, { dialect: {} }), /--json-path data\.rows/)
      await assert.rejects(run('json', source, { dialect: { jsonPath: 'data.none' } }), /no key "none"/)
      await assert.rejects(run('json', source, { dialect: { jsonPath: 'data' } }), /--json-path data\.rows/)
      await assert.rejects(run('json', source, { dialect: { jsonPath: 'end.x' } }), /"end" is no object/)
    })
  })
}

/** jsonb has no NUL, and no number that a double of SQLite or JSON.parse would not give back. */
function isStorable(value: unknown): boolean {
  const text = JSON.stringify(value)
  return !(text.includes('\\u0000') || /\\ud[89a-f]/i.test(text)) && value !== null && !/e[-+]\d{3}/.test(text)
}

/** As JSON has it, and jsonb: -0 is 0. */
function normal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}
