import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { BullMqQueue } from '../src/queue/bullmq.ts'
import { queueSuite, SMALL, Work } from './queue-suite.ts'
import { startRedis } from './redis.ts'

const log = pino({ level: 'silent' })
const server = await startRedis()
const client = new Redis(server.url)
after(async () => {
  client.disconnect()
  await server[Symbol.asyncDispose]()
})
const open = async (lockMs?: number) => {
  return BullMqQueue.open({ url: server.url, log, ...(lockMs !== undefined && { lockMs }) })
}

queueSuite(async () => {
  await client.flushall()
  return open()
}, 200)

test('what one process adds another one works on, and nothing of it stays', async () => {
  await client.flushall()
  const [api, ...workers] = await Promise.all([open(), open(), open()])
  const work = new Work(/^/)
  for (const worker of workers) await worker.work(work.handler, { concurrency: 2 })
  for (let i = 0; i < 50; i++) await api.add(`upload ${i}`, SMALL)
  await work.until(() => work.done.length === 50)
  assert.equal(new Set(work.done).size, 50)
  for (const queue of [api, ...workers]) await queue.close()
  const left = (await client.keys('sluice:*')).filter((key) => key.includes('upload'))
  assert.deepEqual(left, [])
})

test('what Redis forgot can be added again, and workers go on', async () => {
  const queue = await open()
  const work = new Work()
  await queue.work(work.handler, { concurrency: 2 })
  await queue.add('a', SMALL)
  await work.until(() => work.running.has('a'))
  await queue.add('b', SMALL)
  await client.flushall()
  work.running.get('a')!()
  await work.until(() => work.done.length === 1)
  await queue.add('b', SMALL)
  await work.until(() => work.running.has('b'))
  await queue.close()
})

test('what a process that was killed held is given to another one', async () => {
  await client.flushall()
  const program = `import { pino } from 'pino'
    import { BullMqQueue } from '${new URL('../src/queue/bullmq.ts', import.meta.url)}'
    const queue = await BullMqQueue.open({ url: '${server.url}', log: pino({ level: 'silent' }), lockMs: 600 })
    await queue.work((id) => { process.stdout.write(id); return new Promise(() => undefined) }, { concurrency: 2 })`
  const cwd = new URL('..', import.meta.url)
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const queue = await open(600)
  await queue.add('a', SMALL)
  await once(child.stdout!, 'data')
  child.kill('SIGKILL')
  const work = new Work(/^/)
  await queue.work(work.handler, { concurrency: 2 })
  await work.until(() => work.done.length === 1)
  assert.deepEqual(work.done, ['a'])
  await queue.close()
})

test('a Redis that is away or does not answer holds nobody up, and is used when it is back', async () => {
  const own = await startRedis()
  const queue = await BullMqQueue.open({ url: own.url, log })
  const work = new Work(/^/)
  await queue.work(work.handler, { concurrency: 2 })
  await own[Symbol.asyncDispose]()
  const begun = performance.now()
  await queue.add('lost', SMALL)
  assert.ok(performance.now() - begun < 3_000)
  await using again = await startRedis([], own.port)
  for (let i = 0; work.done.length === 0; i++) {
    assert.ok(i < 200)
    await queue.add('back', SMALL)
    await delay(50)
  }
  const other = new Redis(again.url)
  await other.call('CLIENT', 'PAUSE', '6000', 'ALL')
  const paused = performance.now()
  await queue.add('paused', SMALL)
  assert.ok(performance.now() - paused < 3_000)
  other.disconnect()
  await queue.close()
})

test('a start does not wait for ever for a Redis that is not there', async () => {
  const gone = await startRedis()
  await gone[Symbol.asyncDispose]()
  const queue = await BullMqQueue.open({ url: gone.url, log })
  await queue.add('a', SMALL)
  await queue.close()
})

test('a Redis that may evict is refused, with the reason', async () => {
  await using own = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
  await assert.rejects(BullMqQueue.open({ url: own.url, log }), { code: 'SLUICE_CONFIG', message: /allkeys-lru/ })
  await using kept = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'noeviction'])
  await (await BullMqQueue.open({ url: kept.url, log })).close()
  await using locked = await startRedis(['--requirepass', 'secret'])
  await assert.rejects(BullMqQueue.open({ url: locked.url, log }), { code: 'SLUICE_CONFIG', message: /login/ })
})
