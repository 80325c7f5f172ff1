import { SluiceError } from '@sluice/engine'
import { Queue as BullQueue, DelayedError, type Job, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import type { Logger } from 'pino'
import { type Handler, type Queue, SMALL_BYTES } from './queue.ts'

/** How long the API waits for Redis at most, in ms; what it could not add the next sweep adds. */
const PATIENCE_MS = 2_000
/** How long a start waits for a Redis that does not answer, in ms, before it goes on without. */
const CONNECT_MS = 5_000
type Entry = Job<{ uploadId: string } | null>

/** Without a sign of life from its worker for so long, in ms, an upload is given to another one; the lease of its job decides then. */
const LOCK_MS = 15_000
/** For so long, in ms, what asks another process for help is put back by one that has the upload already. */
const ASIDE_MS = 500
const SMALL = 'small'
const LARGE = 'large'

interface BullMqOptions {
  /** `redis://…` or `rediss://…`. One database of Redis for each database that is loaded into. */
  url: string
  log: Logger
  /** Default: 15 s. */
  lockMs?: number
}

/**
 * A queue in Redis, for several processes. Small uploads and large ones have a queue each, and each process has lanes for both.
 * Nothing here is kept: an upload that is done, failed or lost leaves no trace, and what Redis forgets is added again.
 */
export class BullMqQueue implements Queue {
  readonly #options: Required<BullMqOptions>
  readonly #redis: Redis
  readonly #queues: Record<typeof SMALL | typeof LARGE, BullQueue>
  readonly #workers: { worker: Worker; redis: Redis }[] = []
  readonly #running = new Map<string, Promise<void>>()
  readonly #closing = new AbortController()
  #closed: Promise<void> | undefined

  private constructor(options: Required<BullMqOptions>, redis: Redis) {
    this.#options = options
    this.#redis = redis
    const queue = (name: string) => {
      const one = new BullQueue(name, { connection: redis, prefix: 'sluice', skipVersionCheck: true })
      one.on('error', this.#tell)
      return one
    }
    this.#queues = { [SMALL]: queue(SMALL), [LARGE]: queue(LARGE) }
    this.#tellOfOutages()
  }

  /**
   * Connects. A Redis that does not answer is waited for in the background.
   * @throws SluiceError SLUICE_CONFIG when it may evict keys, or refuses the login
   */
  static async open({ lockMs = LOCK_MS, ...given }: BullMqOptions): Promise<BullMqQueue> {
    const options = { ...given, lockMs }
    const { url, log } = options
    // What cannot be sent now fails now: the next sweep is the retry.
    const redis = new Redis(url, {
      ...PERSISTENT,
      enableOfflineQueue: false,
      commandTimeout: PATIENCE_MS,
    })
    const settled = new Promise<void>((resolve, reject) => {
      redis.once('ready', resolve)
      redis.on('error', (error: Error) => {
        log.debug({ reason: error.message }, 'Redis')
        if (/NOAUTH|WRONGPASS|NOPERM|invalid password/i.test(error.message)) reject(refused('it refuses the login'))
      })
      setTimeout(resolve, CONNECT_MS).unref()
    })
    try {
      await settled
      if (redis.status === 'ready') await refuseEviction(redis)
      return new BullMqQueue(options, redis)
    } catch (error) {
      redis.disconnect()
      throw error
    }
  }

  async add(uploadId: string, { bytes, helpers = 0 }: { bytes: number | null; helpers?: number }): Promise<void> {
    if (this.#closing.signal.aborted || this.#redis.status !== 'ready') return
    const queue = this.#queues[bytes !== null && bytes <= SMALL_BYTES ? SMALL : LARGE]
    try {
      // An id that is there already is not added again. Whoever works on the upload has the first one.
      const ids = helpers === 0 ? [uploadId] : Array.from({ length: helpers }, (_, i) => `${uploadId}.${i + 1}`)
      const opts = { attempts: 1, removeOnComplete: true, removeOnFail: true }
      await queue.addBulk(ids.map((jobId) => ({ name: 'load', data: { uploadId }, opts: { ...opts, jobId } })))
    } catch (error) {
      this.#tell(error as Error)
    }
  }

  async work(handler: Handler, { concurrency }: { concurrency: number }): Promise<void> {
    const small = Math.max(1, Math.floor(concurrency / 2))
    this.#begin(SMALL, small, handler)
    this.#begin(LARGE, Math.max(1, concurrency - small), handler)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const workers = this.#workers.map(({ worker }) => worker.close().catch(this.#tell))
    this.#closing.abort()
    await Promise.all(this.#running.values())
    // A Redis that is away is told nothing more; the locks run out.
    const patience = AbortSignal.timeout(PATIENCE_MS)
    await Promise.race([
      Promise.all(workers),
      new Promise((resolve) => patience.addEventListener('abort', resolve, { once: true })),
    ])
    for (const { redis } of this.#workers) redis.disconnect()
    await Promise.all(Object.values(this.#queues).map((queue) => queue.close().catch(this.#tell)))
    this.#redis.disconnect()
  }

  #begin(name: string, concurrency: number, handler: Handler): void {
    const { url, lockMs } = this.#options
    const redis = new Redis(url, { ...PERSISTENT, maxRetriesPerRequest: null })
    redis.on('error', this.#tell)
    const worker = new Worker(name, (job: Entry, token) => this.#run(job, token, handler), {
      connection: redis,
      prefix: 'sluice',
      concurrency,
      lockDuration: lockMs,
      stalledInterval: lockMs / 3,
      skipVersionCheck: true,
    })
    worker.on('error', this.#tell)
    this.#workers.push({ worker, redis })
  }

  /** What a lost lock brings here again while it runs is left to who runs it; what asks for another process is put back. */
  async #run(job: Entry, token: string | undefined, handler: Handler): Promise<void> {
    // Entries of version 0.1 have no data.
    const uploadId = job.data?.uploadId ?? job.id!
    const isHelper = job.id !== uploadId
    if (this.#closing.signal.aborted) return
    if (this.#running.has(uploadId)) {
      if (!isHelper) return
      await job.moveToDelayed(Date.now() + ASIDE_MS, token)
      throw new DelayedError()
    }
    const running = handler(uploadId, this.#closing.signal, isHelper)
      .catch(this.#tell)
      .finally(() => this.#running.delete(uploadId))
    this.#running.set(uploadId, running)
    await running
  }

  /** Once each, however often it is looked for. */
  #tellOfOutages(): void {
    const { log } = this.#options
    let isAway = false
    const away = () => {
      if (isAway || this.#closing.signal.aborted) return
      isAway = true
      log.warn('Redis is away; uploads wait in the database until it is back')
    }
    this.#redis.on('close', away)
    this.#redis.on('ready', () => {
      isAway = false
      log.info('Redis is there')
      refuseEviction(this.#redis).catch((error: Error) => log.error({ reason: error.message }, 'Redis'))
    })
    if (this.#redis.status !== 'ready') away()
  }

  /** What goes wrong here costs time and no upload. */
  readonly #tell = (error: Error): void => {
    this.#options.log.debug({ reason: error.message }, 'queue')
  }
}

/** Looks for a server that is away every two seconds at least, for ever. */
const PERSISTENT = { retryStrategy: (times: number) => Math.min(times * 100, 2_000) }

/** A queue whose keys vanish when memory is short is none. @throws SluiceError SLUICE_CONFIG */
async function refuseEviction(redis: Redis): Promise<void> {
  const info = await redis.info('memory')
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  const policy = value('maxmemory_policy') ?? 'noeviction'
  if (Number(value('maxmemory') ?? 0) > 0 && policy !== 'noeviction') {
    throw refused(`it may evict keys of the queue (maxmemory-policy ${policy}); set maxmemory-policy noeviction`)
  }
}

function refused(why: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `The Redis of REDIS_URL cannot be used: ${why}`)
}
