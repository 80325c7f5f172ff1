import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createTables } from '../src/checkpoint/tables.ts'
import { load } from '../src/load.ts'
import type { Batch } from '../src/parse/batch.ts'
import type { Database } from '../src/write/database.ts'
import { openPostgres } from '../src/write/postgres/postgres.ts'
import { batchOf, type Cell, planFor } from './support/pg-batch.ts'
import { startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let db: Database
/** Looks on. */
let other: Database
let jobId: string

before(async () => {
  server = await startPostgres()
  db = await openPostgres(server.url)
  other = await openPostgres(server.url)
  await createTables(other)
})

after(async () => {
  await db.close()
  await other.close()
  await server.stop()
})

async function prepared(columns: string, beside = 'SELECT'): Promise<void> {
  await other.query('DROP TABLE IF EXISTS t')
  await other.query(`CREATE TABLE t (${columns})`)
  await other.query(beside)
  const target = await other.describe({ schema: null, table: 't' })
  jobId = randomUUID()
  await db.prepare(await planFor(db, target!, { jobId, encoding: 'pg-binary' }))
}

/** Two batches, one behind the other. */
function batches(first: Cell[][], second: Cell[][]): [Batch, Batch] {
  const before = batchOf(first)
  return [before, batchOf(second, { from: before.to })]
}

const ids = async () => (await other.query<{ id: number }>('SELECT id FROM t ORDER BY id')).map(({ id }) => id)
const checkpoint = async () => {
  const [row] = await other.query<{ byte: number }>(
    'SELECT committed_byte AS byte FROM ingestion_checkpoints WHERE job_id = $1',
    [jobId],
  )
  return row!.byte
}
/** Another transaction, and what ends it. */
async function beside(statement: string): Promise<() => Promise<void>> {
  const client = new pg.Client(server.url)
  await client.connect()
  await client.query(`BEGIN; ${statement}`)
  return () => client.end()
}
/** Keeps a batch of the job from being saved once its rows are in. */
const holdJob = () => beside(`SELECT FROM ingestion_jobs WHERE job_id = '${jobId}' FOR UPDATE`)
/** The processes that have rows of `t` which are not committed. */
async function writers(): Promise<number[]> {
  const locks = await other.query<{ pid: number }>(
    `SELECT DISTINCT pid FROM pg_locks JOIN pg_stat_activity USING (pid)
       WHERE relation = 't'::regclass AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid() AND datname = current_database()`,
  )
  return locks.map(({ pid }) => pid)
}
const bothBegun = async () => (await writers()).length === 2

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 200; looks++) {
    if (await condition()) return
    await delay(25)
  }
  assert.fail('it never came')
}

describe('a batch that begins before the one in front of it is committed', () => {
  test('brings its rows in, and waits', async () => {
    await prepared('id int4 PRIMARY KEY')
    const [first, second] = batches([[1]], [[2]])
    const release = await holdJob()
    const ahead = db.commit(first, first.to)
    const behind = db.commit(second, second.to, { after: ahead })
    await until(bothBegun)
    await delay(300)
    assert.ok(await bothBegun(), 'it waits with its rows')
    assert.deepEqual([await ids(), await checkpoint()], [[], 0])
    await release()
    assert.equal((await behind).inserted, 1)
    assert.deepEqual([await ids(), await checkpoint()], [[1, 2], second.to.byte])
  })

  test('steps back when the one in front needs what it has: the earlier row of a key wins', async () => {
    await prepared('id int4 PRIMARY KEY, name text')
    const [first, second] = batches(
      [
        [1, 'early'],
        [7, 'early'],
      ],
      [
        [7, 'late'],
        [8, 'late'],
      ],
    )
    // The first row waits for this one.
    const release = await beside(`INSERT INTO t VALUES (1, 'never')`)
    const ahead = db.commit(first, first.to)
    const behind = db.commit(second, second.to, { after: ahead })
    await until(async () => (await writers()).length === 3)
    await release()
    assert.deepEqual((await ahead).rejects, [])
    const { inserted, rejects } = await behind
    assert.equal(inserted, 1)
    assert.deepEqual(
      rejects.map(({ record, errors }) => [record, errors[0]?.code]),
      [[3, 'unique-error']],
    )
    const rows = await other.query<{ id: number; name: string }>('SELECT id, name FROM t ORDER BY id')
    assert.deepEqual(
      rows.map(({ id, name }) => [id, name]),
      [
        [1, 'early'],
        [7, 'early'],
        [8, 'late'],
      ],
    )
  })

  test('gives way before the server has to choose, where each has a row that the other one needs', async () => {
    await prepared('id int4 PRIMARY KEY')
    const [first, second] = batches([[1], [7]], [[7], [0]])
    const release = await beside('INSERT INTO t VALUES (1), (0)')
    const ahead = db.commit(first, first.to)
    const behind = db.commit(second, second.to, { after: ahead })
    await until(async () => (await writers()).length === 3)
    await release()
    // The one in front is never tried again: a deadlock would be its error.
    assert.deepEqual((await ahead).inserted, 2)
    assert.deepEqual((await behind).inserted, 1)
    assert.deepEqual(await ids(), [0, 1, 7])
  })

  test('leaves a line to everything else, behind the one in front', async () => {
    await prepared('id int4 PRIMARY KEY')
    const [first, second] = batches([[1]], [[2]])
    const release = await holdJob()
    const ahead = db.commit(first, first.to)
    const behind = db.commit(second, second.to, { after: ahead })
    await until(bothBegun)
    const asked = db.query('SELECT 1')
    await release()
    await asked
    assert.equal((await behind).inserted, 1)
    assert.deepEqual(await ids(), [1, 2])
  })

  test('has its rows refused only when it stands behind the other', async () => {
    await prepared('id int4 PRIMARY KEY CHECK (id <> 13)')
    const [first, second] = batches([[1]], [[2], [13], [1]])
    const ahead = db.commit(first, first.to)
    const { inserted, rejects } = await db.commit(second, second.to, { after: ahead })
    assert.equal(inserted, 1)
    assert.deepEqual(
      rejects.map(({ record, errors }) => [record, errors[0]?.code]),
      [
        [3, 'constraint-error'],
        [4, 'unique-error'],
      ],
    )
    assert.deepEqual(await ids(), [1, 2])
  })

  test('fails with the one in front, and leaves nothing', async () => {
    await prepared('id int4 PRIMARY KEY')
    const [first, second] = batches([[1]], [[2]])
    const release = await holdJob()
    const ahead = db.commit(first, first.to)
    await until(async () => (await writers()).length === 1)
    const [pid] = await writers()
    const behind = db.commit(second, second.to, { after: ahead }).catch((error) => error)
    await until(bothBegun)
    await other.query('SELECT pg_terminate_backend($1)', [pid!])
    const failure = await ahead.catch((error) => error)
    assert.equal(failure.code, 'SLUICE_CONNECT')
    assert.equal(await behind, failure)
    assert.deepEqual([await ids(), await checkpoint(), await writers()], [[], 0, []])
    await release()
  })

  test('steps back where the one in front has lost its transaction, and leaves it its connection', async () => {
    await prepared('id int4 PRIMARY KEY')
    const [first, second] = batches([[1]], [[2]])
    const release = await holdJob()
    let tries = 0
    const again = async (): Promise<unknown> => {
      tries++
      return db.commit(first, first.to).catch((error) => {
        assert.equal(error.code, 'SLUICE_CONNECT')
        return delay(500).then(again)
      })
    }
    const ahead = again()
    await until(async () => (await writers()).length === 1)
    const [pid] = await writers()
    const behind = db.commit(second, second.to, { after: ahead })
    await until(bothBegun)
    await other.query('SELECT pg_terminate_backend($1)', [pid!])
    await until(async () => (await writers()).length === 0)
    await release()
    assert.equal((await behind).inserted, 1)
    assert.equal(tries, 2)
    assert.deepEqual(await ids(), [1, 2])
  })

  const LOOKING: [string, string, string][] = [
    [
      'a trigger',
      'id int4',
      `CREATE OR REPLACE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
       CREATE TRIGGER pass BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION pass()`,
    ],
    ['a foreign key to itself', 'id int4 PRIMARY KEY REFERENCES t', 'SELECT'],
    ['heirs', 'id int4', 'CREATE TABLE IF NOT EXISTS heir () INHERITS (t)'],
    ['policies', 'id int4', 'ALTER TABLE t ENABLE ROW LEVEL SECURITY'],
  ]
  for (const [what, columns, beside] of LOOKING) {
    test(`waits with everything where the table has ${what}`, async () => {
      await other.query('DROP TABLE IF EXISTS heir')
      await prepared(columns, beside)
      const [first, second] = batches([[1]], [[2]])
      const release = await holdJob()
      const ahead = db.commit(first, first.to)
      const behind = db.commit(second, second.to, { after: ahead })
      await until(async () => (await writers()).length === 1)
      await delay(200)
      assert.equal((await writers()).length, 1)
      await release()
      assert.equal((await behind).inserted, 1)
      await other.query('DROP TABLE IF EXISTS heir')
    })
  }
})

describe('a load over several connections', () => {
  const random = new Random(20261122)
  const lines = Array.from({ length: 6_000 }, (_, i) => {
    const id = random.chance(10) ? random.between(1, i + 1) : i + 1
    return `${random.chance(1) ? 'bad' : id},${i}`
  })
  const csv = `id,n\n${lines.join('\n')}\n`
  let expected: unknown

  beforeEach(async () => {
    await other.query('DROP TABLE IF EXISTS twice, ingestion_jobs, ingestion_checkpoints, failed_imports')
    await other.query('CREATE TABLE twice (id int4 PRIMARY KEY, n int4 CHECK (n % 501 <> 500))')
  })

  for (const parallel of [1, 2, 3]) {
    test(`ends as over one: ${parallel}`, async () => {
      const {
        jobId: id,
        elapsedMs,
        rowsPerSecond,
        ...receipt
      } = await load({
        source: (async function* () {
          yield Buffer.from(csv)
        })(),
        to: server.url,
        table: 'twice',
        batchRows: 100,
        parallel,
      })
      assert.ok(elapsedMs >= 0 && rowsPerSecond >= 0)
      const table = await other.query('SELECT id, n FROM twice ORDER BY n')
      const rejects = await other.query(
        'SELECT record, line, code, message FROM failed_imports WHERE job_id = $1 ORDER BY record',
        [id],
      )
      assert.equal(table.length, receipt.inserted)
      assert.ok(rejects.length > 300)
      expected ??= { receipt, table, rejects }
      assert.deepEqual({ receipt, table, rejects }, expected)
    })
  }
})
