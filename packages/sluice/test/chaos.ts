import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { Random } from '../../engine/test/support/random.ts'
import { type RedisServer, startRedis } from './redis.ts'
import type { CuttingProxy } from './support/cutting-proxy.ts'
import { LONG } from './torture.ts'
import type { StartedWorker } from './worker.ts'

/** Longer than a lease, and in the long form than a lock in Redis. */
const ASLEEP_MS = LONG ? 40_000 : 4_000

/** What harm is done to: everything that uploads pass, but the servers that take them. */
export interface Surroundings {
  workers: StartedWorker[]
  redis: RedisServer
  /** The bucket of all processes. */
  bucket: CuttingProxy
  /** Of one upload. */
  fileBytes: number
  startWorker(): Promise<StartedWorker>
  /** Stops PostgreSQL and starts it again. */
  restartDatabase(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>
}

/** What goes wrong, by its name. Each is over, and what it stopped is back, when its promise resolves. */
export const HARM: Record<string, (around: Surroundings, random: Random) => Promise<void>> = {
  async 'a worker killed'({ workers, startWorker }, random) {
    const index = random.below(workers.length)
    await workers[index]!.stop('SIGKILL')
    workers[index] = await startWorker()
  },

  async 'a worker asleep'({ workers }, random) {
    const { pid } = workers[random.below(workers.length)]!
    try {
      process.kill(pid, 'SIGSTOP')
      await delay(ASLEEP_MS)
      process.kill(pid, 'SIGCONT')
    } catch (error) {
      // Meanwhile it was killed.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  },

  async 'Redis restarted'(around, random) {
    const { port } = around.redis
    await around.redis[Symbol.asyncDispose]()
    await delay(random.between(100, 2_000))
    around.redis = await startRedis([], port)
  },

  async 'Redis silent'({ redis }, random) {
    const client = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
    client.on('error', () => undefined)
    await client.call('CLIENT', 'PAUSE', String(random.between(1_000, 6_000)), 'ALL')
    client.disconnect()
  },

  async 'the bucket cut at 40 %'({ bucket, fileBytes }, random) {
    const at = Math.round(fileBytes * 0.4)
    const cuts = Array.from({ length: random.between(1, 3) }, () => at)
    if (random.below(2) === 0) bucket.cutAfter.push(...cuts)
    else bucket.cutAfterSent.push(...cuts)
  },

  async 'PostgreSQL restarted'({ restartDatabase }, random) {
    await restartDatabase(random.below(2) === 0 ? 'SIGINT' : 'SIGQUIT')
  },
}
