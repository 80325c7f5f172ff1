import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase } from '@sluice/engine'
import { Redis } from 'ioredis'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { receive } from './receiver.ts'
import { startRedis } from './redis.ts'
import { serve } from './serve.ts'
import { type StartedWorker, startWorker } from './worker.ts'

const postgres = await startPostgres()
const redis = await startRedis()
const folder = temporaryFolder()
const database = await openDatabase(postgres.url)
const ENV = {
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  SLUICE_LEASE_SECONDS: '3',
  SLUICE_WEBHOOK_ALLOW: '127.0.0.1',
}
const servers = [await serve(folder, ENV), await serve(folder, ENV)]
const [one, two] = servers.map((server) => new Api(server)) as [Api, Api]
const workers: StartedWorker[] = []
after(async () => {
  await database.close()
  await redis[Symbol.asyncDispose]()
  await postgres.stop()
})

/** A worker that shares the folder of the servers. */
async function work(): Promise<StartedWorker> {
  const worker = await startWorker(folder, { ...ENV, SLUICE_DATA_DIR: `${folder}/data`, LOG_LEVEL: 'info' })
  workers.push(worker)
  return worker
}

function csv(rows: number): string {
  return `id,name\n${Array.from({ length: rows }, (_, i) => `${i},name ${i}\n`).join('')}`
}

/** The process that loads it, once it has committed something. */
async function holderOf(uploadId: string): Promise<number> {
  for (let i = 0; i < 600; i++) {
    const [row] = await database.query<{ lease_owner: string | null }>(
      'SELECT lease_owner FROM ingestion_checkpoints WHERE job_id = $1 AND committed_record > 0',
      [uploadId],
    )
    const pid = workers.map(({ pid }) => pid).find((pid) => row?.lease_owner?.includes(String(pid)))
    if (pid !== undefined) return pid
    await delay(20)
  }
  throw new Error('nobody works on it')
}

async function count(table: string): Promise<number> {
  const [row] = await database.query<{ n: string | number }>(`SELECT count(*) AS n FROM ${table}`)
  return Number(row!.n)
}

test('servers take, workers load; killed workers are replaced', async () => {
  await using receiver = await receive((response, number) => response.writeHead(number === 1 ? 500 : 204).end())
  const fields = { callbackUrl: receiver.url }
  const waiting = (await one.upload(csv(1_000), { name: 'waiting.csv', fields })).json
  await delay(1_000)
  assert.equal((await two.get(`/upload/${waiting.uploadId}/status`)).json.status, 'uploaded')
  // What waits is known to the database, whatever Redis forgets.
  const client = new Redis(redis.url)
  await client.flushall()
  client.disconnect()
  await work()
  await work()
  assert.equal((await two.over(waiting.uploadId)).status, 'completed')
  assert.equal(await count('waiting'), 1_000)
  // Four processes look at one outbox: each try is made once.
  const told = await receiver.until(2)
  assert.deepEqual(
    told.map(({ body }) => JSON.parse(body).status),
    ['completed', 'completed'],
  )
  assert.equal(told[0]!.headers['webhook-id'], told[1]!.headers['webhook-id'])

  const slow = { fields: { batchRows: '1000' } }
  const killed = (await one.upload(csv(300_000), { name: 'killed.csv', ...slow })).json.uploadId
  process.kill(await holderOf(killed), 'SIGKILL')
  const over = await two.over(killed)
  assert.deepEqual([over.status, over.receipt.inserted, await count('killed')], ['completed', 300_000, 300_000])

  // SIGTERM hands over what is in flight.
  await work()
  const drained = (await two.upload(csv(300_000), { name: 'drained.csv', ...slow })).json.uploadId
  const holder = await holderOf(drained)
  process.kill(holder, 'SIGTERM')
  const { code } = await workers.find(({ pid }) => pid === holder)!.ended
  assert.equal(code, 0)
  assert.equal((await one.over(drained)).status, 'completed')
  assert.equal(await count('drained'), 300_000)

  assert.equal(receiver.received.length, 2)
  const [webhook] = (await one.get(`/upload/${waiting.uploadId}/status`)).json.webhooks
  assert.deepEqual(
    [webhook.state, webhook.nextTryAt, ...webhook.tries.map(({ status }: { status: number }) => status)],
    ['delivered', null, 500, 204],
  )

  for (const one of [...workers, ...servers]) await one.stop()
})
