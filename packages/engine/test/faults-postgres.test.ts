import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { createTables } from '../src/checkpoint/tables.ts'
import type { Sql } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { classify } from '../src/write/postgres/errors.ts'
import { FaultProxy } from './support/fault-proxy.ts'
import { startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { assertSmallLoad, LONG, SEED, smallLoad, writeSmallFile } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()
const file = join(folder, 'small.csv')
let server: Awaited<ReturnType<typeof startPostgres>>
let client: pg.Client
let sql: Sql
let proxy: FaultProxy

before(async () => {
  writeSmallFile(file)
  server = await startPostgres()
  client = new pg.Client(server.url)
  await client.connect()
  sql = { query: async (text) => (await client.query(text)).rows }
  proxy = await FaultProxy.start(server.url, new Random(SEED))
})

after(async () => {
  await proxy.close()
  await client.end()
  await server.stop()
})

beforeEach(async () => {
  proxy.faults = {}
  proxy.messages = 0
  await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
})

afterEach(() => {
  delete process.env.SLUICE_SILENCE_SECONDS
})

/** Load errors and notices; `again` holds the notices of retries. */
function watched(more: Parameters<typeof smallLoad>[2] = {}) {
  const again: string[] = []
  const receipt = smallLoad(file, proxy.url, {
    ...more,
    onNotice: (message) => {
      if (message.includes('trying again')) again.push(message)
    },
  })
  return { again, receipt }
}

async function backends(): Promise<{ pid: number; waits: string | null }[]> {
  const { rows } = await client.query(
    `SELECT pid, wait_event_type AS waits FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice'`,
  )
  return rows
}

async function until(what: string, check: () => Promise<boolean>, seconds = 10): Promise<void> {
  for (const began = performance.now(); !(await check()); await delay(10)) {
    assert.ok(performance.now() - began < seconds * 1000, `waited for ${what}`)
  }
}

test('one byte at a time, with a seed', async () => {
  proxy.faults = { pieces: 3 }
  const { receipt, again } = watched()
  await receipt
  assert.deepEqual(again, [])
  await assertSmallLoad(sql, 'in pieces')
})

test('connections that break after any number of bytes, either way', async (t) => {
  const random = new Random(SEED)
  for (let i = 0; i < (LONG ? 300 : 12); i++) {
    await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
    proxy.startCounting()
    const from = random.pick(['client', 'server'] as const)
    const bytes = random.between(1, 15_000)
    proxy.faults = { cutAfter: { bytes, from } }
    await watched().receipt
    await assertSmallLoad(sql, `after ${bytes} bytes of the ${from} (seed ${SEED})`)
  }
  t.diagnostic(`${LONG ? 300 : 12} cut connections`)
})

/** Takes away what a load has left, but not sluice's own tables: to make them is a transaction, too. */
const forget = async () => {
  const database = await openDatabase(server.url)
  await createTables(database)
  await database.close()
  await client.query('DROP TABLE IF EXISTS t')
  await client.query('TRUNCATE ingestion_jobs, ingestion_checkpoints, failed_imports')
}

test('the lost answer to COMMIT is settled by the checkpoint, not by inserting again', async () => {
  // It also counts rows of statements that were rolled back, so it tells what was sent.
  const rowsSent = async (): Promise<number> => {
    // Over two connections a batch that begins early may have to begin again, and its rows count twice.
    const { receipt, again } = watched({ parallel: 1 })
    assert.deepEqual((({ inserted, rejected }) => [inserted, rejected])(await receipt), [56, 4])
    assert.equal(again.length, proxy.cuts - cuts)
    await assertSmallLoad(sql, 'COMMIT not answered')
    let sent = 0
    await until('statistics', async () => {
      const rows = await sql.query<{ n: number }>(
        `SELECT n_tup_ins::int AS n FROM pg_stat_user_tables WHERE relname = 't'`,
      )
      sent = rows[0]!.n
      return sent >= 56
    })
    return sent
  }
  let { cuts } = proxy
  const undisturbed = await rowsSent()
  await forget()
  cuts = proxy.cuts
  proxy.faults = { dropCommit: true }
  assert.equal(await rowsSent(), undisturbed)
  assert.equal(proxy.cuts, cuts + 1)
})

test('a COMMIT that reaches the server only after its connection is lost counts once', async () => {
  for (const lateCommitMs of [0, 50, 400]) {
    await forget()
    proxy.faults = { lateCommitMs }
    const { receipt, again } = watched()
    await receipt
    assert.equal(again.length, 1)
    await delay(lateCommitMs)
    await assertSmallLoad(sql, `COMMIT ${lateCommitMs} ms late`)
  }
})

test('backends that are terminated over and over', async () => {
  let over = false
  let killed = 0
  const { receipt } = watched({ batchRows: 5 })
  const killer = (async () => {
    while (!over && killed < 6) {
      await delay(120)
      killed +=
        (
          await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'sluice'`)
        ).rowCount ?? 0
    }
  })()
  await receipt
  over = true
  await killer
  await assertSmallLoad(sql, `${killed} backends terminated`)
})

test('a lock on the table is waited for, however long it is silent', async () => {
  process.env.SLUICE_SILENCE_SECONDS = '0.5'
  await client.query('CREATE TABLE t (id bigint PRIMARY KEY, name text, filler text)')
  const locker = new pg.Client(server.url)
  await locker.connect()
  await locker.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE')
  const { receipt, again } = watched()
  const holds = delay(LONG ? 30_000 : 2_500)
  await Promise.race([receipt, holds])
  await locker.end()
  await receipt
  assert.deepEqual(again, [])
  await assertSmallLoad(sql, 'after a lock')
})

test('a connection that falls silent, with nobody at work on an answer, is given up', async () => {
  process.env.SLUICE_SILENCE_SECONDS = '0.5'
  await client.query('CREATE TABLE t (id bigint PRIMARY KEY, name text, filler text)')
  const locker = new pg.Client(server.url)
  await locker.connect()
  await locker.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE')
  const { receipt, again } = watched()
  await until('a COPY that waits', async () => (await backends()).some(({ waits }) => waits === 'Lock'))
  // From here on the connection there is half open: what the server says never arrives. New ones work.
  proxy.freeze()
  await locker.end()
  await receipt
  assert.match(again[0]!, /no answer for 0.5 s/)
  await assertSmallLoad(sql, 'after silence')
})

test('a network that swallows everything for a while, and then delivers it', async () => {
  process.env.SLUICE_SILENCE_SECONDS = '0.5'
  const again: string[] = []
  let committed = 0
  const receipt = smallLoad(file, `${proxy.url}&connect_timeout=1`, {
    batchRows: 5,
    // So that what is told comes from one connection.
    parallel: 1,
    onNotice: (message) => {
      if (message.includes('trying again')) again.push(message)
    },
    onProgress: ({ recordsRead }) => {
      committed = recordsRead
      if (again.length === 0) proxy.faults.stalled = true
    },
  })
  await until('silence', async () => proxy.faults.stalled === true)
  await until('two tries', async () => again.length >= 2)
  proxy.faults.stalled = false
  await receipt
  assert.ok(committed > 0)
  assert.match(again[0]!, /no answer for 0.5 s/)
  assert.match(again[1]!, /did not answer in time/)
  await assertSmallLoad(sql, 'after a swallowing network')
})

test('what the surroundings refuse fails once, without a reject, and can be resumed', async () => {
  const cases: { name: string; harm: string; repair: string; says: RegExp }[] = [
    {
      name: 'the table is gone',
      harm: 'ALTER TABLE t RENAME TO hidden',
      repair: 'ALTER TABLE hidden RENAME TO t',
      says: /does not exist|There is no table/,
    },
    {
      name: 'a column is gone',
      harm: 'ALTER TABLE t RENAME COLUMN name TO hidden',
      repair: 'ALTER TABLE t RENAME COLUMN hidden TO name',
      says: /does not exist/,
    },
    {
      name: 'read only',
      harm: 'ALTER DATABASE DB SET default_transaction_read_only = on',
      repair: 'ALTER DATABASE DB RESET default_transaction_read_only',
      says: /read-only transaction/,
    },
  ]
  const database = new URL(server.url).pathname.slice(1)
  for (const { name, harm, repair, says } of cases) {
    await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
    let begun = 0
    const slow = async function* () {
      const { readFileSync } = await import('node:fs')
      const bytes = readFileSync(file)
      yield bytes.subarray(0, 4_000)
      await until('a commit', async () => {
        begun = Number(
          (await sql.query('SELECT records_read FROM ingestion_jobs').catch(() => []))[0]?.records_read ?? 0,
        )
        return begun > 0
      })
      await client.query(harm.replace('DB', database))
      // A setting of the database is for new connections.
      if (harm.includes('DATABASE')) proxy.cutAll()
      yield bytes.subarray(4_000)
    }
    const tries: string[] = []
    await assert.rejects(
      smallLoad('', proxy.url, { source: slow(), sourceName: 'slow.csv', onNotice: (message) => tries.push(message) }),
      (error: Error) => {
        assert.match(error.message, says, name)
        assert.equal(classify(error), 'environment', name)
        return true
      },
    )
    assert.ok(begun > 0 && begun < 60, name)
    await client.query('SET default_transaction_read_only = off')
    await client.query(repair.replace('DB', database))
    assert.equal((await sql.query('SELECT 1 FROM failed_imports WHERE record > 20 AND record <= 0')).length, 0)
    const { readFileSync } = await import('node:fs')
    const again = async function* () {
      yield readFileSync(file)
    }
    await smallLoad('', proxy.url, { source: again(), sourceName: 'slow.csv' })
    await assertSmallLoad(sql, name)
  }
})

test('two loads of the same source at the same instant: one works, and nothing is there twice', async () => {
  for (let i = 0; i < (LONG ? 50 : 4); i++) {
    await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
    const results = await Promise.allSettled([watched().receipt, watched().receipt])
    const lost = results.filter((result) => result.status === 'rejected')
    for (const { reason } of lost) assert.match(reason.code, /^SLUICE_(JOB|LEASE_LOST)$/, reason.stack)
    assert.ok(lost.length < 2)
    await assertSmallLoad(sql, 'two at once')
  }
})
