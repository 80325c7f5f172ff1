import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Webhook } from 'standardwebhooks'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { type Service, startService } from '../src/compose.ts'
import type { JobService } from '../src/jobs/service.ts'
import type { ServiceConfig } from '../src/service-config.ts'
import { AddressGuard } from '../src/webhook/address-guard.ts'
import { deliver } from '../src/webhook/deliver.ts'
import { receive } from './receiver.ts'

const folder = temporaryFolder()
const log = pino({ level: 'silent' })
const secret = (byte: number) => `whsec_${Buffer.alloc(24, byte).toString('base64')}`
const [NEW, OLD] = [secret(1), secret(2)]
const guard = new AddressGuard(['127.0.0.0/8'])
const signal = new AbortController().signal

function service(name: string, more: Partial<ServiceConfig> = {}): Promise<Service> {
  const config: Partial<ServiceConfig> = {
    databaseUrl: `sqlite:${join(folder, `${name}.db`)}`,
    storage: { kind: 'local', folder: join(folder, name) },
    statusTtlSeconds: 604_800,
    uploadTtlSeconds: 86_400,
    concurrency: 2,
    maxUploadBytes: 2 ** 30,
    redisUrl: null,
    webhookSecrets: [NEW, OLD],
    webhookAllow: ['127.0.0.1'],
    ...more,
  }
  return startService(config as ServiceConfig, log)
}

async function stage(
  jobs: JobService,
  callbackUrl: string,
  text = 'id,name\n1,a\n2\n3,c\n',
  more = {},
): Promise<string> {
  async function* body(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text)
  }
  const options = { table: `t${randomUUID().slice(0, 8)}`, ...more }
  const asked = async () => ({ fileName: 'people.csv', options, callbackUrl })
  return (await jobs.bodies.stage({ owner: null }, body(), asked)).upload.uploadId
}

async function settled(jobs: JobService, uploadId: string, count = 1) {
  for (let i = 0; i < 600; i++) {
    const webhooks = await jobs.webhooks(uploadId)
    if (webhooks.length === count && webhooks.every(({ state }) => !/waiting|due/.test(state))) return webhooks
    await delay(50)
  }
  throw new Error(`not settled: ${JSON.stringify(await jobs.webhooks(uploadId))}`)
}

test('two answers of 500, then 200: three tries under one id, each signed by every secret', async () => {
  await using receiver = await receive((response, number) => response.writeHead(number < 3 ? 500 : 200).end('x'))
  await using one = await service('signed')
  const uploadId = await stage(one.jobs, receiver.url)
  const [webhook] = await settled(one.jobs, uploadId)
  assert.equal(webhook!.state, 'delivered')
  assert.deepEqual(
    webhook!.tries.map(({ status }) => status),
    [500, 500, 200],
  )
  assert.equal(receiver.received.length, 3)
  for (const { headers, body } of receiver.received) {
    assert.equal(headers['webhook-id'], webhook!.webhookId)
    for (const known of [NEW, OLD]) {
      const { timestamp, ...told } = new Webhook(known).verify(body, headers as Record<string, string>) as Record<
        string,
        unknown
      >
      assert.deepEqual(told, { uploadId, status: 'completed', rowsProcessed: 3, rowsFailed: 1 })
      assert.ok(Math.abs(Date.parse(timestamp as string) - Date.now()) < 60_000)
    }
    assert.throws(() => new Webhook(secret(3)).verify(body, headers as Record<string, string>))
  }
  const [first, second, third] = receiver.received.map(({ at }) => at)
  assert.ok(second! - first! >= 750 && third! - second! >= 3_700, `${second! - first!} ms, ${third! - second!} ms`)
})

test('a failed upload is told with its error, and its retry again, under an id of its own', async () => {
  await using receiver = await receive()
  await using one = await service('failed')
  const uploadId = await stage(one.jobs, receiver.url, undefined, { maxErrors: { rows: 0 } })
  await settled(one.jobs, uploadId)
  await one.jobs.retry(uploadId, null)
  const webhooks = await settled(one.jobs, uploadId, 2)
  const told = (await receiver.until(2)).map(({ body }) => JSON.parse(body))
  for (const one of told) {
    assert.deepEqual([one.uploadId, one.status], [uploadId, 'failed'])
    assert.match(one.error, /reject/)
  }
  assert.equal(new Set(webhooks.map(({ webhookId }) => webhookId)).size, 2)
})

test('410 ends it at once, and the next end is not told', async () => {
  await using receiver = await receive((response) => response.writeHead(410).end())
  await using one = await service('gone')
  const uploadId = await stage(one.jobs, receiver.url, undefined, { maxErrors: { rows: 0 } })
  assert.deepEqual(
    (await settled(one.jobs, uploadId)).map(({ state }) => state),
    ['disabled'],
  )
  await one.jobs.retry(uploadId, null)
  await one.jobs.settled(uploadId)
  await delay(1_500)
  assert.equal(receiver.received.length, 1)
})

test('what was not delivered when the process ended is delivered by the next one', async () => {
  let isUp = false
  await using receiver = await receive((response) => response.writeHead(isUp ? 204 : 503, { 'retry-after': '2' }).end())
  const one = await service('next')
  const uploadId = await stage(one.jobs, receiver.url)
  await receiver.until(1)
  // An answer that was not noted yet is not heeded.
  for (let i = 0; (await one.jobs.webhooks(uploadId))[0]!.tries.length === 0; i++) {
    assert.ok(i < 100)
    await delay(50)
  }
  await one[Symbol.asyncDispose]()
  isUp = true
  await using next = await service('next')
  const [webhook] = await settled(next.jobs, uploadId)
  assert.deepEqual([webhook!.state, webhook!.tries.at(-1)!.status], ['delivered', 204])
  const [first, second] = receiver.received
  assert.equal(first!.headers['webhook-id'], second!.headers['webhook-id'])
  // Retry-After is longer than the first wait would have been.
  assert.ok(second!.at - first!.at >= 1_900, `${second!.at - first!.at} ms`)
})

test('a receiver that fails changes nothing of the job', async () => {
  await using one = await service('failing', { webhookAllow: [] })
  // Its address was public when it was registered.
  const uploadId = await stage(one.jobs, 'http://127.0.0.1:9/')
  assert.equal((await one.jobs.settled(uploadId)).state, 'completed')
  for (let i = 0; (await one.jobs.webhooks(uploadId))[0]!.tries.length === 0; i++) {
    assert.ok(i < 100)
    await delay(50)
  }
  const [webhook] = await one.jobs.webhooks(uploadId)
  assert.match(webhook!.tries[0]!.error!, /not public/)
  assert.equal((await one.jobs.read(uploadId, null))!.state, 'completed')
})

test('a redirect is not followed', async () => {
  await using secret = await receive()
  await using receiver = await receive((response) => response.writeHead(307, { location: secret.url }).end())
  const made = await deliver({ webhookId: 'msg_1', url: receiver.url, payload: '{}' }, { guard, secrets: [], signal })
  assert.equal(made.status, 307)
  assert.equal(secret.received.length, 0)
})

test('a receiver that is silent is given up in time', async () => {
  await using receiver = await receive(() => undefined)
  const message = { webhookId: 'msg_1', url: receiver.url, payload: '{}' }
  const made = await deliver(message, { guard, secrets: [], signal, tryMs: 300 })
  assert.deepEqual([made.status, made.error], [undefined, 'no answer within 0.3 s'])
  assert.ok(made.ms < 2_000)
})

test('of an endless answer 64 KB are read', async () => {
  let sent = 0
  await using receiver = await receive((response) => {
    const more = () => {
      while (!response.destroyed && response.write(Buffer.alloc(16_384, 'x'))) sent += 16_384
    }
    response.on('drain', more)
    more()
  })
  const made = await deliver({ webhookId: 'msg_1', url: receiver.url, payload: '{}' }, { guard, secrets: [], signal })
  assert.equal(made.status, 200)
  assert.ok(made.ms < 5_000)
  const before = sent
  await delay(200)
  assert.equal(sent, before)
})
