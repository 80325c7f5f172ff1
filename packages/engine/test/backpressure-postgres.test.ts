import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { load } from '../src/load.ts'
import { FaultProxy } from './support/fault-proxy.ts'
import { startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'

const ROWS = 200_000
const LINE = 'somebody with a name of some length and more of it to make the record longer than it would be'
/** Two batches of 4 MiB, the record that passes the limit, what the kernel takes at once, and the chunk at hand. */
const AHEAD = 2 * 4 * 1024 * 1024 + 1024 * 1024

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

/** Counts what is taken from it. */
function counted() {
  const source = {
    given: 0,
    async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
      for (let id = 0; id < ROWS; id += 500) {
        const lines = Array.from({ length: 500 }, (_, i) => `${id + i + 1},${LINE}\n`)
        const chunk = Buffer.from(`${id === 0 ? 'id,name\n' : ''}${lines.join('')}`)
        source.given += chunk.length
        yield chunk
      }
    },
  }
  return source
}

/** What the database has committed, as it says itself. */
async function committed(): Promise<number> {
  const { rows } = await client.query('SELECT committed_byte::int AS byte FROM ingestion_checkpoints')
  return rows[0]?.byte ?? 0
}

async function assertLoaded(): Promise<void> {
  const { rows } = await client.query('SELECT count(*)::int AS n, count(DISTINCT id)::int AS d FROM people')
  assert.deepEqual(rows, [{ n: ROWS, d: ROWS }])
}

test('while a trigger is slow, little more is read than is committed', { timeout: 60_000 }, async () => {
  await client.query('CREATE TABLE people (id int, name text)')
  await client.query(`CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(0.4); RETURN NULL; END $$`)
  await client.query('CREATE TRIGGER slow AFTER INSERT ON people FOR EACH STATEMENT EXECUTE FUNCTION dawdle()')
  const source = counted()
  let over = false
  const most = (async () => {
    let ahead = 0
    // What was given is looked at first: a commit between the two must not count against the reader.
    for (; !over; await delay(20)) ahead = Math.max(ahead, source.given - (await committed().catch(() => 0)))
    return ahead
  })()
  await load({ source, to: server.url, table: 'people' }).finally(() => {
    over = true
  })
  const ahead = await most
  assert.ok(source.given > 2 * AHEAD, `${source.given} bytes in all`)
  assert.ok(ahead > 1024 * 1024 && ahead <= AHEAD, `${ahead} bytes ahead`)
  await assertLoaded()
})

test('while the network stands still, nothing more is read', { timeout: 60_000 }, async (t) => {
  await client.query('DROP TABLE people, ingestion_jobs, ingestion_checkpoints, failed_imports')
  const proxy = await FaultProxy.start(server.url, new Random(1))
  t.after(() => proxy.close())
  const source = counted()
  const onProgress = ({ recordsRead }: { recordsRead: number }) => {
    if (recordsRead > 0) proxy.faults.stalled ??= true
  }
  const loading = load({ source, to: proxy.url, table: 'people', onProgress })
  let before = -1
  while (!proxy.faults.stalled || source.given > before) {
    before = source.given
    await delay(500)
  }
  const ahead = source.given - (await committed())
  assert.ok(ahead > 1024 * 1024 && ahead <= AHEAD, `${ahead} bytes ahead`)
  proxy.faults.stalled = false
  await loading
  assert.ok(source.given > 2 * AHEAD)
  await assertLoaded()
})
