import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { Sql } from '../src/write/database.ts'
import { freePort, startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { RoughSource } from './support/rough-load.ts'
import { assertSmallLoad, LONG, SEED, smallLoad, writeSmallFile } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()
const file = join(folder, 'small.csv')
/** How many connections the pooler may lend, and until when: in transaction mode until the transaction ends. */
const POOLS = {
  one: 'pool_size=1',
  two: 'pool_size=2',
  three: 'pool_size=3',
  session: 'pool_size=1 pool_mode=session',
}

let server: Awaited<ReturnType<typeof startPostgres>>
let client: pg.Client
let sql: Sql
let pooler: ChildProcess
/** Of a pool by its name. */
let urlOf: (pool: string) => string
let url: string

before(async () => {
  writeSmallFile(file)
  server = await startPostgres()
  client = new pg.Client(server.url)
  await client.connect()
  sql = { query: async (text) => (await client.query(text)).rows }

  const { hostname, port, username, password, pathname } = new URL(server.url)
  const origin = `host=${hostname} port=${port} user=${username} password=${password} dbname=${pathname.slice(1)}`
  const pooled = await freePort()
  const config = join(folder, 'pgbouncer.ini')
  writeFileSync(
    config,
    `[databases]
${Object.entries(POOLS)
  .map(([name, settings]) => `${name} = ${origin} ${settings}`)
  .join('\n')}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${pooled}
unix_socket_dir =
auth_type = any
pool_mode = transaction
`,
  )
  // It does not run as root.
  chmodSync(folder, 0o755)
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
  pooler = spawn('pgbouncer', ['-q', ...user, config], { stdio: 'ignore' })
  while (!(await answers(pooled))) await delay(20)
  urlOf = (pool) => `postgres://anyone@127.0.0.1:${pooled}/${pool}?sslmode=disable`
  url = urlOf('three')
})

after(async () => {
  pooler.kill('SIGKILL')
  await client.end()
  await server.stop()
})

beforeEach(async () => {
  await client.query('DROP TABLE IF EXISTS t, ingestion_jobs, ingestion_checkpoints, failed_imports')
})

function answers(port: number): Promise<boolean> {
  assert.equal(pooler.exitCode, null, 'pgbouncer has ended')
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket.end() !== undefined))
    socket.on('error', () => resolve(false))
  })
}

/** Ends the server's side of connections that the pooler made. */
async function terminate(): Promise<number> {
  const { rowCount } = await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
  )
  return rowCount ?? 0
}

test('a load through pgbouncer in transaction mode', async () => {
  const { inserted } = await smallLoad(file, url)
  assert.equal(inserted, 56)
  await assertSmallLoad(sql, 'pooled')
})

test('while the pooled connections are terminated', async () => {
  let over = false
  let killed = 0
  const killer = (async () => {
    while (!over && killed < (LONG ? 40 : 4)) {
      await delay(60)
      killed += await terminate()
    }
  })()
  await smallLoad(file, url, { batchRows: 5 })
  over = true
  await killer
  await assertSmallLoad(sql, `${killed} connections terminated`)
})

test('a lock that is waited for in silence', async () => {
  process.env.SLUICE_SILENCE_SECONDS = '0.5'
  await client.query('CREATE TABLE t (id bigint PRIMARY KEY, name text, filler text)')
  const locker = new pg.Client(server.url)
  await locker.connect()
  await locker.query('BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE')
  const notices: string[] = []
  const receipt = smallLoad(file, url, { onNotice: (message) => notices.push(message) })
  await Promise.race([receipt, delay(2_000)])
  await locker.end()
  await receipt
  delete process.env.SLUICE_SILENCE_SECONDS
  assert.ok(!notices.some((notice) => notice.includes('trying again')))
  await assertSmallLoad(sql, 'pooled, after a lock')
})

describe('however few connections the pooler lends', () => {
  const source = new RoughSource(LONG ? 20_000 : 4_000, new Random(SEED))

  for (const pool of Object.keys(POOLS)) {
    for (const parallel of [1, 2, 4]) {
      test(`${pool}, ${parallel} wanted`, async () => {
        await source.makeTable(sql)
        const notices: string[] = []
        await source.load(urlOf(pool), { parallel, onNotice: (message) => notices.push(message) })
        await source.assertLoaded(sql, `seed ${SEED}`)
        assert.deepEqual(
          notices.filter((notice) => notice.includes('trying again')),
          [],
        )
      })

      test(`${pool}, ${parallel} wanted, and what is lent is ended again and again`, async () => {
        await source.makeTable(sql)
        let over = false
        const receipt = source.load(urlOf(pool), { parallel }).finally(() => {
          over = true
        })
        receipt.catch(() => undefined)
        for (let i = 0; i < (LONG ? 30 : 5) && !over; i++) {
          await delay(150)
          await terminate()
        }
        await receipt
        await source.assertLoaded(sql, `seed ${SEED}`)
      })
    }
  }
})
