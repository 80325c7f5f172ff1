import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Sql } from '../src/write/database.ts'
import { FaultProxy } from './support/fault-proxy.ts'
import { startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { assertSmallLoad, LONG, smallLoad, writeSmallFile } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

/** The short form takes one N in thirteen, others in each test. */
const STEP = LONG ? 1 : 13

const folder = temporaryFolder()
const file = join(folder, 'small.csv')
let server: Awaited<ReturnType<typeof startPostgres>>
let client: pg.Client
let sql: Sql
let proxy: FaultProxy
/** Messages of a load that nothing disturbs. */
let messages: number

before(async () => {
  writeSmallFile(file)
  server = await startPostgres()
  client = new pg.Client(server.url)
  await client.connect()
  sql = { query: async (text) => (await client.query(text)).rows }
  proxy = await FaultProxy.start(server.url, new Random(1))
  await smallLoad(file, proxy.url)
  await assertSmallLoad(sql, 'undisturbed')
  messages = proxy.messages
})

after(async () => {
  await proxy.close()
  await client.end()
  await server.stop()
})

beforeEach(() => {
  proxy.faults = {}
})

async function startOver(): Promise<void> {
  await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
}

/** Of sluice there is no connection, and so no transaction and no lock. */
async function assertNoConnection(what: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { rows } = await client.query(
      `SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'sluice'`,
    )
    if (rows.length === 0) return
    assert.ok(tries < 100, `${what}: ${JSON.stringify(rows)}`)
    await delay(20)
  }
}

for (const passed of [false, true]) {
  const how = passed ? 'arrives but is not answered' : 'does not arrive'
  test(`the N-th message ${how}, for every N: one call loads everything`, async (t) => {
    for (let nth = passed ? 1 : 2; nth <= messages; nth += STEP) {
      await startOver()
      proxy.faults = { cutAt: { message: proxy.messages + nth, passed } }
      const receipt = await smallLoad(file, proxy.url)
      assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.rejected], [60, 56, 4])
      await assertSmallLoad(sql, `message ${nth}`)
      await assertNoConnection(`message ${nth}`)
    }
    t.diagnostic(`${Math.ceil(messages / STEP)} lost messages`)
  })
}

test('every message from the N-th on is lost, for every N: the next call goes on', async (t) => {
  for (let nth = 1; nth <= messages; nth += STEP) {
    await startOver()
    const first = proxy.messages
    proxy.faults = { cutAt: { message: first + nth, onwards: true, passed: nth % 2 === 1 } }
    const abort = new AbortController()
    const onNotice = (message: string) => {
      if (message.includes('trying again')) abort.abort()
    }
    // When only the end of the last connection is lost, nothing is.
    await smallLoad(file, proxy.url, { signal: abort.signal, onNotice }).catch((error) =>
      assert.match(error.code, /^SLUICE_(CONNECT|DATABASE|INTERRUPTED)$/, `from message ${nth} on: ${error.stack}`),
    )
    await assertNoConnection(`from message ${nth} on`)
    proxy.faults = {}
    const done = await sql.query("SELECT 1 FROM ingestion_jobs WHERE status = 'COMPLETED'").catch(() => [])
    if (done.length === 0) await smallLoad(file, proxy.url)
    await assertSmallLoad(sql, `from message ${nth} on`)
    await assertNoConnection(`from message ${nth} on`)
  }
  t.diagnostic(`${Math.ceil(messages / STEP)} lost messages`)
})
