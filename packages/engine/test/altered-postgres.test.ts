import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import pg from 'pg'
import { type LoadOptions, load } from '../src/index.ts'
import { startPostgres } from './support/postgres.ts'

/** Three times what is looked at before the load is planned. */
const ROWS = 60_000

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
beforeEach(() => client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports CASCADE'))

/** Ids, and the same with a quarter behind the point; in the middle of them, or at another one, the table is altered. */
function source(alter?: string, at = ROWS / 2): LoadOptions['source'] {
  return (async function* () {
    yield Buffer.from('id,v\n')
    for (let id = 1; id <= ROWS; id++) {
      if (id === at && alter !== undefined) await client.query(alter)
      yield Buffer.from(`${id},${id}.25\n`)
    }
  })()
}

const options = (more: Pick<LoadOptions, 'source'> & Partial<LoadOptions>): LoadOptions => ({
  to: server.url,
  table: 't',
  batchRows: 5_000,
  ...more,
})

const CASES = [
  ['double precision', 'bigint', 'ALTER TABLE t ALTER v TYPE bigint'],
  ['double precision', 'text', 'ALTER TABLE t ALTER v TYPE text'],
  ['double precision', 'real', 'ALTER TABLE t ALTER v TYPE real'],
  ['numeric(8,2)', 'numeric(8,1)', 'ALTER TABLE t ALTER v TYPE numeric(8,1)'],
  ['text', 'gone', 'ALTER TABLE t DROP v'],
  ['text', '', 'ALTER TABLE t RENAME TO old; CREATE TABLE t (LIKE old); DROP TABLE old'],
] as const

for (const write of ['copy', 'unnest'] as const) {
  for (const [type, altered, alter] of CASES) {
    test(`${write}: a load ends when its column of ${type} is ${altered || 'that of another table'} amid it, and nothing is made of other bytes`, async () => {
      await client.query(`CREATE TABLE t (id integer, v ${type})`)
      await assert.rejects(load(options({ source: source(alter), write })), {
        code: 'SLUICE_DATABASE',
        message: altered === 'gone' ? /column "v" of relation "t" does not exist/ : /was changed while it was loaded/,
      })
      const { rows } = await client.query('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM t')
      assert.equal(rows[0].ids, rows[0].rows)
      const rejects = await client.query('SELECT count(*)::int AS rejects FROM failed_imports')
      assert.deepEqual(rejects.rows, [{ rejects: 0 }])
    })
  }
}

test('a wider type: the same load goes on with the table as it is', async () => {
  await client.query('CREATE TABLE t (id integer, v double precision)')
  await assert.rejects(load(options({ source: source('ALTER TABLE t ALTER id TYPE bigint') })), {
    code: 'SLUICE_DATABASE',
  })
  const { resumedAtRecord, inserted } = await load(options({ source: source() }))
  assert.ok(resumedAtRecord > 0)
  assert.equal(inserted, ROWS)
  const { rows } = await client.query('SELECT count(DISTINCT id)::int AS ids, sum(v - id) AS quarters FROM t')
  assert.deepEqual(rows, [{ ids: ROWS, quarters: ROWS / 4 }])
})

test('rows that wait are not published into columns that would round them', async () => {
  await client.query('CREATE TABLE t (id integer, v numeric(8,2))')
  const alter = 'ALTER TABLE t ALTER v TYPE numeric(8,1)'
  await assert.rejects(load(options({ source: source(alter), atomic: true })), {
    code: 'SLUICE_DATABASE',
    message: /Nothing was published.*column "v" was numeric\(8,2\) and is numeric\(8,1\)/,
  })
  assert.deepEqual((await client.query('SELECT 1 FROM t')).rows, [])
  await client.query('ALTER TABLE t ALTER v TYPE numeric(8,2)')
  assert.equal((await load(options({ source: source(), atomic: true }))).inserted, ROWS)
  const { rows } = await client.query('SELECT count(*)::int AS rows, sum(v - id)::float AS quarters FROM t')
  assert.deepEqual(rows, [{ rows: ROWS, quarters: ROWS / 4 }])
})
