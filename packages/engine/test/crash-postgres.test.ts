import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import { startServer } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { LONG, SEED } from './support/small-load.ts'

const ROWS = LONG ? 1_000_000 : 40_000
const CRASHES = LONG ? 10 : 2

let server: Awaited<ReturnType<typeof startServer>>
let file: string

before(async () => {
  server = await startServer()
  file = join(server.folder, 'rows.csv')
  writeFileSync(file, `id,name\n${Array.from({ length: ROWS }, (_, i) => `${i + 1},name of ${i + 1}\n`).join('')}`)
})
after(() => server.stop())

async function query(text: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(server.url)
  client.on('error', () => undefined)
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

test(`the server is restarted with -m immediate, ${CRASHES} times during one load (seed ${SEED})`, async (t) => {
  const random = new Random(SEED)
  const again: string[] = []
  let crashes = 0
  let committed = 0
  const receipt = load({
    source: file,
    to: server.url,
    table: 'crashed',
    key: ['id'],
    batchRows: LONG ? undefined : 1_000,
    onNotice: (message) => {
      if (message.includes('trying again')) again.push(message)
    },
    onProgress: (progress) => {
      committed = progress.recordsRead
    },
  })
  receipt.catch(() => undefined)
  while (crashes < CRASHES && committed < ROWS) {
    const goal = committed + random.between(1, ROWS / (CRASHES + 2))
    while (committed < Math.min(goal, ROWS)) await Promise.race([delay(5), receipt])
    await server.crash()
    crashes++
  }
  const { inserted, rejected } = await receipt
  assert.deepEqual([inserted, rejected], [ROWS, 0])
  assert.ok(again.length > 0)
  t.diagnostic(`${crashes} crashes`)
  const [row] = await query('SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM crashed')
  assert.deepEqual([row!.n, row!.ids], [ROWS, ROWS])
})

// A small file system of its own needs root; `hygiene.test.ts` has what a full disk does to SQLite.
if (LONG && process.getuid?.() === 0) {
  test('a disk without room fails the load once, with no reject; with room again it goes on', async () => {
    const place = join(server.folder, 'small')
    mkdirSync(place)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', place])
    try {
      const { uid, gid } = statSync(join(server.folder, 'data'))
      chownSync(place, uid, gid)
      await query(`CREATE TABLESPACE small LOCATION '${place}'`)
      await query(
        'CREATE TABLE full_disk (id bigint PRIMARY KEY USING INDEX TABLESPACE small, name text) TABLESPACE small',
      )
      const options = { source: file, to: server.url, table: 'full_disk' }
      await assert.rejects(
        load(options),
        (error) => error instanceof SluiceError && /No space left/.test(error.message),
      )
      assert.equal((await query('SELECT 1 FROM failed_imports')).length, 0)
      execFileSync('mount', ['-o', 'remount,size=1g', place])
      const { inserted, rejected } = await load(options)
      assert.deepEqual([inserted, rejected], [ROWS, 0])
      await query('DROP TABLE full_disk')
      await query('DROP TABLESPACE small')
    } finally {
      execFileSync('umount', ['-l', place])
    }
  })
}
