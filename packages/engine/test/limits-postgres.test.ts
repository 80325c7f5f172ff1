import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { load } from '../src/load.ts'
import { replay } from '../src/replay.ts'
import type { Sql } from '../src/write/database.ts'
import { startServer } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { RoughSource } from './support/rough-load.ts'
import { LONG, SEED } from './support/small-load.ts'

/** One for the test, one for what looks at locks, the others for loads. */
const MAX_CONNECTIONS = 12

let server: Awaited<ReturnType<typeof startServer>>
let client: pg.Client
let sql: Sql
const source = new RoughSource(LONG ? 20_000 : 4_000, new Random(SEED))

before(async () => {
  server = await startServer([`max_connections=${MAX_CONNECTIONS}`, 'superuser_reserved_connections=0', 'fsync=off'])
  client = new pg.Client(server.url)
  await client.connect()
  sql = { query: async (text) => (await client.query(text)).rows }
})

after(async () => {
  await client.end()
  await server.stop()
})

/** The server's URL for a role with such settings, which may do everything here. */
async function roleWith(settings: string): Promise<string> {
  await client.query('DROP OWNED BY someone').catch(() => undefined)
  await client.query(`DROP ROLE IF EXISTS someone; CREATE ROLE someone LOGIN PASSWORD 'secret'; ${settings}`)
  await client.query('GRANT ALL ON SCHEMA public TO someone')
  const url = new URL(server.url)
  url.username = 'someone'
  url.password = 'secret'
  return url.href
}

/** A load by that role that ends as it must, and what it said. */
async function loaded(url: string, parallel?: number): Promise<{ notices: string[]; again: number }> {
  const notices: string[] = []
  await client.query('GRANT ALL ON rough TO someone')
  await source.load(url, { parallel, onNotice: (message) => notices.push(message) })
  await source.assertLoaded(sql, `seed ${SEED}`)
  return { notices, again: notices.filter((notice) => notice.includes('trying again')).length }
}

describe('connections are few', () => {
  test('a role that may have one', async () => {
    const url = await roleWith('ALTER ROLE someone CONNECTION LIMIT 1')
    await source.makeTable(sql)
    const { notices, again } = await loaded(url)
    assert.equal(again, 0)
    assert.deepEqual(
      notices.filter((notice) => notice.includes('a second connection')).length,
      1,
      'which is said, and once',
    )
    assert.match(notices.join('\n'), /too many connections for role/)
  })

  test('a server that has one left', async () => {
    const url = await roleWith('')
    await source.makeTable(sql)
    const others = Array.from({ length: MAX_CONNECTIONS - 2 }, () => new pg.Client(server.url))
    await Promise.all(others.map((other) => other.connect()))
    try {
      const { notices, again } = await loaded(url, 4)
      assert.equal(again, 0)
      assert.equal(notices.filter((notice) => notice.includes('too many clients')).length, 1)
    } finally {
      await Promise.all(others.map((other) => other.end()))
    }
  })

  test('a server whose last place somebody takes as soon as it is free', async () => {
    const url = await roleWith('')
    await source.makeTable(sql)
    const others: pg.Client[] = []
    let over = false
    const greedy = (async () => {
      for (; !over; await delay(20)) {
        const other = new pg.Client(server.url)
        other.on('error', () => undefined)
        const isIn = await other.connect().then(
          () => true,
          () => false,
        )
        if (isIn) others.push(other)
        else {
          // Tries are bounded: for a while there is room.
          await others.pop()?.end()
          await delay(600)
        }
      }
    })()
    const killer = (async () => {
      for (let i = 0; i < 6 && !over; i++) {
        await delay(300)
        await client.query(
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice' AND usename = 'someone'",
        )
      }
    })()
    try {
      await loaded(url)
    } finally {
      over = true
      await Promise.all([greedy, killer])
      await Promise.all(others.map((other) => other.end()))
    }
  })
})

describe('time limits that an administrator set', () => {
  const cases: [name: string, settings: string][] = [
    ['locks are waited for 20 ms', "ALTER ROLE someone SET lock_timeout = '20ms'"],
    ['statements may take a second', "ALTER ROLE someone SET statement_timeout = '1s'"],
    ['an idle transaction may last 50 ms', "ALTER ROLE someone SET idle_in_transaction_session_timeout = '50ms'"],
    ['an idle session may last half a second', "ALTER ROLE someone SET idle_session_timeout = '500ms'"],
    ['all transactions are serializable', "ALTER ROLE someone SET default_transaction_isolation = 'serializable'"],
    ['commits wait for nobody', "ALTER ROLE someone SET synchronous_commit = 'off'"],
  ]
  for (const [name, settings] of cases) {
    test(name, async () => {
      const url = await roleWith(settings)
      await source.makeTable(sql)
      await loaded(url)
    })
  }

  test('constraints that are checked at the end', async () => {
    const url = await roleWith('')
    await source.makeTable(sql, 'DEFERRABLE INITIALLY DEFERRED')
    await loaded(url)
  })
})

describe('a standby that does not answer', () => {
  /** Commits wait for a standby by the name of nobody. */
  const waitForNobody = (names: string) =>
    client
      .query(`ALTER SYSTEM SET synchronous_standby_names = '${names}'`)
      .then(() => client.query('SELECT pg_reload_conf()'))

  test('is waited for, and whatever ends the wait, nothing is there twice', async () => {
    const url = await roleWith('')
    await source.makeTable(sql)
    // The test's own commits do not wait.
    await client.query('SET synchronous_commit = local')
    const receipt = loaded(url)
    receipt.catch(() => undefined)
    for (let i = 0; i < 3; i++) {
      await delay(200)
      await waitForNobody('nobody')
      await delay(700)
      // What waits is committed here already, and says so with a warning, or not at all.
      const end = i === 1 ? 'pg_cancel_backend' : 'pg_terminate_backend'
      await client.query(
        `SELECT ${end}(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'sluice'`,
      )
      await waitForNobody('')
    }
    await receipt
  })
})

test('a row that a policy or the check option of a view refuses is a reject, for a role with no more rights than are documented', async () => {
  const owner = await roleWith('')
  await load({ source: Readable.from(['id\n1\n']), to: owner, table: 'made' })
  await client.query(`
    REASSIGN OWNED BY someone TO CURRENT_USER; DROP OWNED BY someone; DROP TABLE IF EXISTS guarded CASCADE;
    CREATE TABLE guarded (id int4, who text); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON guarded USING (true) WITH CHECK (who = current_user);
    CREATE VIEW small AS SELECT id FROM guarded WHERE id < 3 WITH CHECK OPTION;
    GRANT INSERT ON guarded, small TO someone;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ingestion_jobs, ingestion_checkpoints, failed_imports, sluice_schema TO someone`)
  const source = () => Readable.from(['id,who\n1,someone\n2,nobody\n3,someone\n'])
  const options = { to: owner, table: 'guarded', write: 'unnest' as const }
  await assert.rejects(load({ ...options, source: source() }), {
    code: 'SLUICE_DATABASE',
    message: /permission denied for sequence failed_imports_id_seq.* USAGE of their sequences/,
  })
  await client.query('GRANT USAGE ON SEQUENCE failed_imports_id_seq TO someone')
  const guarded = await load({ ...options, source: source(), restart: true })
  assert.deepEqual([guarded.inserted, guarded.rejectsByCode], [2, { 'constraint-error': 1 }])
  const small = await load({ ...options, source: Readable.from(['id\n1\n5\n2\n']), table: 'small' })
  assert.deepEqual([small.inserted, small.rejectsByCode], [2, { 'constraint-error': 1 }])
  const { rows } = await client.query('SELECT id FROM guarded ORDER BY id')
  assert.deepEqual(rows, [{ id: 1 }, { id: 1 }, { id: 2 }, { id: 3 }])
})

for (const [encoding, stored] of [
  ['LATIN1', 'x, é and \\u{65e5}\\u{20ac}'],
  ['EUC_JP', 'x, \\u{e9} and \\u{65e5}\\u{20ac}'],
  ['SQL_ASCII', undefined],
] as const) {
  test(`a database in ${encoding}: a record whose characters it has not is a reject, and can be corrected`, async () => {
    const name = `in_${encoding.toLowerCase()}`
    await client.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING ${encoding} LC_COLLATE 'C' LC_CTYPE 'C'`)
    const url = new URL(server.url)
    url.pathname = `/${name}`
    const text = 'id,name\n1,Ann\n2,"x, é and 日€"\n3,Cy\nx,日\n'
    const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }
    const to = url.href
    const { inserted, rejectsByCode, jobId } = await load({ source: Readable.from([text]), to, table: 't', schema })
    const refused = stored === undefined ? {} : { 'encoding-error': 1 }
    assert.deepEqual([inserted, rejectsByCode], [stored ? 2 : 3, { ...refused, 'type-error': 1 }])
    const own = new pg.Client(to)
    await own.connect()
    const rejects = await own.query('SELECT record, value, raw FROM failed_imports ORDER BY record')
    if (stored) assert.equal(rejects.rows[0].value, stored)
    assert.equal(rejects.rows.at(-1).raw.toString(), 'x,日')
    const corrected = Readable.from(['sluice_record,id,name\n2,2,Bo\n4,4,Di\n'])
    const replayed = await replay({ source: corrected, to, jobId })
    assert.equal(replayed.replay.loaded, stored ? 2 : 1)
    assert.deepEqual((await own.query('SELECT count(*)::int AS rows FROM t')).rows, [{ rows: 4 }])
    await own.end()
  })
}
