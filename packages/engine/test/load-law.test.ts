import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { parse } from 'csv-parse/sync'
import pg from 'pg'
import { generate } from '../../sluice/src/generate/generate.ts'
import { customerSchemaText } from '../../sluice/src/generate/schema.ts'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import { parseTableSchema } from '../src/schema/table-schema.ts'
import { startPostgres } from './support/postgres.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const DUPLICATES = 16
const BAD = 40
const ROWS = 3_000
const SOURCE = Buffer.concat([...generate({ rows: ROWS, bad: BAD, duplicates: DUPLICATES, seed: 7 })])
/** As many records of few bytes, for the smallest pieces: in a test a promise costs several times what it does elsewhere. */
const NARROW = Buffer.from(
  `id,name\n${Array.from({ length: ROWS }, (_, i) => {
    const id = i % 75 === 3 ? 'none' : i % 180 === 179 ? i : i + 1
    return `${id},"a\n""é"", b"\n`
  }).join('')}`,
)
const CLEAN = Buffer.concat([...generate({ rows: 3_000, bad: 0, duplicates: 0, seed: 8 })])
const SCHEMA = parseTableSchema(JSON.parse(customerSchemaText()))
const NARROW_SCHEMA = parseTableSchema({
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
  ],
  primaryKey: 'id',
})

/** @param apart each piece comes in a turn of the event loop of its own, so that none is gathered with others */
async function* inPieces(bytes: Uint8Array, size: number, apart = false): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) {
    if (apart) await turn()
    yield bytes.subarray(at, at + size)
  }
}

/** What a load leaves behind, in a form to compare. */
interface Left {
  rows: unknown[]
  rejects: unknown[]
  counts: unknown
}

const REJECTS = `SELECT line, record, byte_offset, column_name, code, message, value, errors, raw
  FROM failed_imports WHERE job_id = $1 ORDER BY record`

/** The law that the result does not depend on how the bytes arrived, nor on batches, nor on a function that changes nothing. */
async function law(
  to: string,
  query: (sql: string, params?: unknown[]) => Promise<unknown[]>,
  { source, schema, ways }: { source: Buffer; schema: LoadOptions['schema']; ways: typeof WAYS },
): Promise<void> {
  const run = async (size: number, options: Partial<LoadOptions>, apart = false): Promise<Left> => {
    await query('DROP TABLE IF EXISTS customers')
    const { jobId, recordsRead, inserted, updated, unchanged, duplicates, rejected, bytes, rejectsByCode } = await load(
      {
        source: inPieces(source, size, apart),
        to,
        table: 'customers',
        schema,
        ...options,
      },
    )
    assert.equal(recordsRead, inserted + updated + unchanged + duplicates + rejected)
    assert.deepEqual([recordsRead, rejected, bytes], [ROWS, BAD + DUPLICATES, source.length])
    return {
      rows: await query('SELECT * FROM customers ORDER BY id'),
      rejects: await query(REJECTS, [jobId]),
      counts: { recordsRead, inserted, rejected, bytes, rejectsByCode },
    }
  }
  const expected = await run(65_537, {})
  assert.equal(expected.rows.length, ROWS - BAD - DUPLICATES)
  assert.equal(expected.rejects.length, BAD + DUPLICATES)
  for (const [size, options, apart] of ways) {
    const found = await run(size, options, apart)
    assert.deepEqual(found, expected, `${size} bytes at a time, ${Object.keys(options)}, ${apart}`)
  }
}

const WAYS: [size: number, options: Partial<LoadOptions>, apart?: boolean][] = [
  [448, { batchRows: 500 }],
  [4_096, { batchRows: 333 }],
  [65_537, { map: (row) => row }],
  [1_000, { map: (row) => ({ ...row }), batchRows: 777 }],
]
const SMALL_WAYS: typeof WAYS = [
  [1, {}],
  [7, { batchRows: 111 }],
  [7, { map: (row) => row }, true],
]
const LAWS = [
  { source: SOURCE, schema: SCHEMA, ways: WAYS },
  { source: NARROW, schema: NARROW_SCHEMA, ways: SMALL_WAYS },
]

describe('SQLite', () => {
  const folder = temporaryFolder()
  const path = join(folder, 'law.db')

  test('the result does not depend on how the bytes arrived', { timeout: 120_000 }, async () => {
    const query = async (sql: string, params: unknown[] = []) => {
      const database = new DatabaseSync(path)
      try {
        const statement = database.prepare(sql.replace('$1', '?'))
        return statement.all(...(params as string[]))
      } finally {
        database.close()
      }
    }
    for (const each of LAWS) await law(`sqlite:${path}`, query, each)
  })
})

describe('PostgreSQL', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let client: pg.Client
  before(async () => {
    server = await startPostgres()
    client = new pg.Client(server.url)
    await client.connect()
  })
  after(async () => {
    await client.end()
    await server.stop()
  })

  test('the result does not depend on how the bytes arrived', { timeout: 120_000 }, async () => {
    const query = async (sql: string, params?: unknown[]) => (await client.query(sql, params)).rows
    for (const each of LAWS) await law(server.url, query, each)
  })

  test('a clean file is in the table as another reader and PostgreSQL itself have it', async () => {
    await load({ source: inPieces(CLEAN, 50_000), to: server.url, table: 'mine', schema: SCHEMA })
    await client.query('CREATE TABLE theirs (LIKE mine)')
    const [header, ...records] = parse(CLEAN) as string[][]
    const quoted = (cell: string | null) => (cell === null || cell === '' ? 'NULL' : pg.escapeLiteral(cell))
    await client.query("SET datestyle = 'ISO, MDY'")
    for (let at = 0; at < records.length; at += 500) {
      const values = records.slice(at, at + 500).map((cells) => `(${cells.map(quoted).join()})`)
      await client.query(`INSERT INTO theirs (${header!.join()}) VALUES ${values.join()}`)
    }
    await client.query('UPDATE theirs SET email = lower(trim(email))')
    const { rows } = await client.query(
      `SELECT (SELECT count(*) FROM mine) AS mine, (SELECT count(*) FROM theirs) AS theirs,
         (SELECT count(*) FROM (SELECT * FROM mine EXCEPT ALL SELECT * FROM theirs) AS a) AS more,
         (SELECT count(*) FROM (SELECT * FROM theirs EXCEPT ALL SELECT * FROM mine) AS b) AS less`,
    )
    assert.deepEqual(rows, [{ mine: '3000', theirs: '3000', more: '0', less: '0' }])
  })
})
