import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase } from '@sluice/engine'
import { startServer } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { serve } from './serve.ts'

const ROWS = 40_000
/** Every thousandth record has a cell too few. */
const FILE = `id,name\n${Array.from({ length: ROWS }, (_, i) => ((i + 1) % 1_000 === 0 ? `${i + 1}` : `${i + 1},name ${i + 1}`)).join('\n')}\n`
const SOUND = ROWS - ROWS / 1_000
const SCHEMA = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })

const postgres = await startServer()
const server = await serve(temporaryFolder(), {
  DATABASE_URL: postgres.url,
  // A load of some seconds: a pause behind each batch.
  SLUICE_FAILPOINTS: 'after-commit:1+=delay=100',
})
const api = new Api(server)
after(async () => {
  await server.stop()
  await postgres.stop()
})

async function begin(table: string): Promise<string> {
  const { json, status, text } = await api.upload(FILE, { fields: { table, schema: SCHEMA, batchRows: '1000' } })
  assert.equal(status, 202, text)
  for (let tried = 0; tried < 600; tried++) {
    if ((await api.get(`/upload/${json.uploadId}/status`)).json.rowsProcessed > 2_000) return json.uploadId
    await delay(20)
  }
  return assert.fail('nothing was loaded')
}

async function run(statement: string): Promise<Record<string, unknown>[]> {
  const database = await openDatabase(postgres.url)
  try {
    return await database.query(statement)
  } finally {
    await database.close()
  }
}

async function endsWithEveryRowOnce(uploadId: string, table: string): Promise<void> {
  const { status, error, receipt } = await api.over(uploadId)
  assert.equal(status, 'completed', error)
  assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.rejected], [ROWS, SOUND, ROWS - SOUND])
  const [row] = await run(`SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ${table}`)
  assert.deepEqual([Number(row!['n']), Number(row!['ids'])], [SOUND, SOUND])
  for (let tried = 0; server.stored().length > 0 && tried < 100; tried++) await delay(100)
  assert.deepEqual(server.stored(), [])
}

for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
  test(`a database that is stopped by ${signal} in the middle of a load: the object stays, and every row is there once`, {
    timeout: 100_000,
  }, async () => {
    const table = `stopped_by_${signal.toLowerCase()}`
    const uploadId = await begin(table)
    const start = await postgres.halt(signal)
    try {
      assert.equal((await api.get('/health')).status, 200)
      assert.equal((await api.get('/ready')).status, 503)
      assert.equal(server.stored().length, 1)
    } finally {
      await start()
    }
    // It waits for the database, and takes up where it was; only where it gave up is there anything to try again.
    const { status } = await api.call('POST', `/upload/${uploadId}/retry`)
    assert.ok([202, 409].includes(status), `${status}`)
    await endsWithEveryRowOnce(uploadId, table)
  })
}

test('a table that is taken away in the middle of a load: it fails, its object stays, and a retry completes it', {
  timeout: 100_000,
}, async () => {
  const uploadId = await begin('away')
  await run('ALTER TABLE away RENAME TO hidden')
  const { status, rowsProcessed } = await api.over(uploadId)
  assert.equal(status, 'failed')
  assert.ok(rowsProcessed > 0 && rowsProcessed < ROWS)
  assert.equal(server.stored().length, 1)
  await run('ALTER TABLE hidden RENAME TO away')
  assert.equal((await api.call('POST', `/upload/${uploadId}/retry`)).status, 202)
  await endsWithEveryRowOnce(uploadId, 'away')
})
