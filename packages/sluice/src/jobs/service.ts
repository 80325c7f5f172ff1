import { setTimeout as delay } from 'node:timers/promises'
import {
  createTables,
  type Database,
  type Job,
  livesNoMore,
  type Receipt,
  type ReplayReceipt,
  replay,
  SluiceError,
  type StoredReject,
} from '@sluice/engine'
import type { DataStore } from '@tus/server'
import type { Logger } from 'pino'
import { withoutPassword } from '../config.ts'
import type { Queue } from '../queue/queue.ts'
import type { ObjectStorage } from '../storage/storage.ts'
import type { Courier } from '../webhook/courier.ts'
import type { WebhookLog } from '../webhook/outbox.ts'
import { Bodies, either, type Running } from './bodies.ts'
import { Lanes } from './lanes.ts'
import { PieceClaims } from './piece-claims.ts'
import { receiptOf } from './receipt.ts'
import { ResumableUploads } from './resumable.ts'
import { helpJob, runJob, type Workplace } from './run-job.ts'
import { sweepStorage, sweepUploads } from './sweep.ts'
import { createServiceTables } from './tables.ts'
import { isOver, type Upload, type UploadProgress, type UploadState } from './upload.ts'
import { Uploads } from './uploads.ts'

/** Whose uploads are looked at: those of a key, or with null all of them (a server without keys). */
export type Viewer = string | null

export interface ListQuery {
  viewer: Viewer
  status?: UploadState | undefined
  /** As jobs have it: `T` or `schema.T`. */
  table?: string | undefined
  /** 1 to 500. Default: 50. */
  limit?: number | undefined
  /** `next` of the page before. */
  after?: string | undefined
}

export interface JobServiceOptions {
  database: Database
  databaseUrl: string
  storage: ObjectStorage
  queue: Queue
  /** Tells who asked for it that uploads are over. */
  courier: Courier
  /** Keeps the pieces of resumable uploads, where the storage keeps its objects. */
  pieces: DataStore
  log: Logger
  /** Seconds for which an upload that is over answers. */
  statusTtlSeconds: number
  /** Seconds in which a resumable upload must be whole. */
  uploadTtlSeconds: number
  /** Loads of staged uploads at once; 0 leaves them to other processes. */
  concurrency: number
}

/** Milliseconds between two looks for uploads that nobody works on, and for what is to be cleared away. */
const SWEEP_MS = 5_000
/** The storage is listed far less often. */
const STORAGE_SWEEP_MS = 3_600_000
/** Direct loads at once in a process that is to load no staged ones. */
const DIRECT_LANES = 3
/** Milliseconds between two looks of who loads, whether others can help with segments. */
const CALL_MS = 500
/** Processes that are asked to help with the segments of one upload. */
const MOST_HELPERS = 15
/** Milliseconds between two looks of somebody who waits. */
const LOOK_MS = 100

/**
 * Uploads and their jobs, for the HTTP server. Errors are SluiceErrors; an upload that is not there or not the viewer's is undefined,
 * or SLUICE_JOB.
 */
export class JobService {
  readonly bodies: Bodies
  readonly resumable: ResumableUploads
  readonly #work: Workplace
  readonly #options: JobServiceOptions
  readonly #uploads: Uploads
  /** What this process is loading, staged or direct. */
  readonly #running: Running = new Map()
  readonly #stopping = new AbortController()
  #sweeping: Promise<void> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #storageSweptAt = 0

  constructor(options: JobServiceOptions) {
    const { database, databaseUrl, storage, queue, pieces, log, statusTtlSeconds, uploadTtlSeconds } = options
    this.#options = options
    this.#uploads = new Uploads(database, statusTtlSeconds, storage.id)
    this.#work = { uploads: this.#uploads, storage, databaseUrl, log }
    // As many direct loads as the queue has staged ones, beside those.
    const lanes = new Lanes(options.concurrency || DIRECT_LANES)
    const { courier } = options
    this.bodies = new Bodies(this.#work, { queue, courier, lanes }, this.#running, this.#stopping.signal)
    const claims = database.kind === 'postgres' ? new PieceClaims(database, log) : null
    const resumable = { store: pieces, claims }
    this.resumable = new ResumableUploads(resumable, this.#work, queue, uploadTtlSeconds, this.#stopping.signal)
  }

  /** Looks for unfinished uploads and begins to work. @throws what `check` throws */
  async start(): Promise<void> {
    const { database, queue, concurrency } = this.#options
    await createTables(database)
    await createServiceTables(database)
    await this.check()
    if (concurrency > 0) await queue.work((...work) => this.#run(...work), { concurrency })
    await this.#sweep()
    const elsewhere = await this.#uploads.elsewhere()
    if (elsewhere > 0)
      this.#options.log.warn({ uploads: elsewhere }, 'uploads wait in other storages; their own servers load them')
    this.#timer = setInterval(() => void this.#sweep(), SWEEP_MS)
    this.#options.courier.start()
  }

  /** Takes no more, lets running loads commit what is in flight; staged ones go on with the next start. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort(new SluiceError('SLUICE_INTERRUPTED', 'The server is stopping'))
    await this.#options.queue.close()
    await this.#options.courier.stop()
    await this.bodies.settled()
    await this.resumable.settled()
    await this.#sweeping
  }

  /** Whether the database and the storage answer. @throws SluiceError SLUICE_CONNECT, SLUICE_DATABASE, SLUICE_STORAGE */
  async check(): Promise<void> {
    const { database, storage } = this.#options
    await database.query('SELECT 1')
    // A bucket that is not there cannot be listed, but can be asked for an object.
    for await (const _ of storage.list('uploads/00000000-0000-0000-0000-000000000000')) break
  }

  /** Undefined where there is none, it is someone else's, or it is older than `SLUICE_STATUS_TTL`. */
  async read(uploadId: string, viewer: Viewer): Promise<Upload | undefined> {
    const upload = await this.#uploads.read(uploadId)
    return upload && (viewer === null || upload.owner === viewer) ? upload : undefined
  }

  /** Newest first. */
  async list({ viewer, limit = 50, ...query }: ListQuery): Promise<{ uploads: Upload[]; next: string | null }> {
    return this.#uploads.list({ ...query, owner: viewer, limit: Math.min(Math.max(limit, 1), 500) })
  }

  /** How many uploads are in each state. */
  states(): Promise<Record<UploadState, number>> {
    return this.#uploads.states()
  }

  /** How far uploads are, by their id; those that are not there are missing. Whose they are is for the caller to look at. */
  progress(uploadIds: string[]): Promise<Map<string, UploadProgress>> {
    return this.#uploads.progress(uploadIds)
  }

  /** Who was told of the ends of an upload, and how that went. */
  webhooks(uploadId: string): Promise<WebhookLog[]> {
    return this.#options.courier.outbox.list(uploadId)
  }

  /** Of a completed upload. @throws SluiceError SLUICE_JOB */
  receipt(upload: Upload): Promise<Receipt> {
    return receiptOf(upload, this.#uploads.jobs)
  }

  /** Resolves when the upload is completed, failed or cancelled. @throws SluiceError SLUICE_INTERRUPTED when the signal is aborted */
  async settled(uploadId: string, signal?: AbortSignal): Promise<Upload> {
    const ended = either(signal, this.#stopping.signal)
    for (;;) {
      const upload = await this.#uploads.read(uploadId)
      if (!upload) throw new SluiceError('SLUICE_JOB', `There is no upload ${uploadId}`)
      // It may still delete the object, or note why it failed.
      if (isOver(upload.state) && !this.#running.has(uploadId)) return upload
      if (ended.aborted) throw new SluiceError('SLUICE_INTERRUPTED', `Nobody waits for upload ${uploadId} any more`)
      await delay(LOOK_MS, undefined, { signal: ended }).catch(() => undefined)
    }
  }

  /** @throws SluiceError SLUICE_JOB while it runs, when it is complete, or when nothing was staged */
  async retry(uploadId: string, viewer: Viewer): Promise<Upload> {
    const upload = await this.#own(uploadId, viewer)
    const { mode, state, objectKey: key } = upload
    if (mode === 'direct')
      throw new SluiceError(
        'SLUICE_JOB',
        `Upload ${uploadId} was loaded directly, so its file is not kept: send it again${state === 'failed' ? ' with this uploadId' : ''}`,
      )
    if (upload.isElsewhere)
      throw new SluiceError(
        'SLUICE_JOB',
        `The file of upload ${uploadId} is not in ${this.#work.storage.label} but in the storage of another server: ask that one, or let both share one`,
      )
    if (key !== null && !(await this.#work.storage.stat(key)))
      throw new SluiceError('SLUICE_JOB', `The stored file of upload ${uploadId} is gone: upload it again`)
    const callbackUrl = upload.request?.callbackUrl
    if (callbackUrl && isOver(upload.state) && upload.state !== 'completed')
      await this.#options.courier.outbox.expect(uploadId, callbackUrl)
    if (key === null || !(await this.#uploads.jobs.reopen(uploadId))) {
      const running = upload.state === 'failed' || upload.state === 'cancelled' ? 'still stopping' : upload.state
      throw new SluiceError(
        'SLUICE_JOB',
        `Upload ${uploadId} is ${running}; only what failed or was cancelled is tried again`,
      )
    }
    await this.#uploads.ended(uploadId, null)
    await this.#options.queue.add(uploadId, upload)
    return this.#own(uploadId, viewer)
  }

  /** Asks the load to stop at its next batch. @throws SluiceError SLUICE_JOB when it is over already, or still being received */
  async cancel(uploadId: string, viewer: Viewer): Promise<Upload> {
    const { state } = await this.#own(uploadId, viewer)
    if (!(await this.#uploads.jobs.cancel(uploadId)))
      throw new SluiceError('SLUICE_JOB', `Upload ${uploadId} is ${state} and cannot be cancelled`)
    this.#running.get(uploadId)?.abort()
    return this.#own(uploadId, viewer)
  }

  /** Rejects in the order of their records. `after`: the record of the last one seen. */
  async rejects(
    uploadId: string,
    { after = 0, limit = 100 }: { after?: number; limit?: number },
  ): Promise<StoredReject[]> {
    const { value } = await this.#uploads.jobs.rejects(uploadId, { after, pageSize: limit }).next()
    return value ?? []
  }

  /** The open ones by their code: from the job's counters, but where an earlier version of sluice did not keep them. */
  async rejectCounts({ jobId, rejectsByCode }: Job): Promise<Record<string, number>> {
    return rejectsByCode ?? this.#uploads.jobs.rejectCounts(jobId)
  }

  /** Those that no replay has closed, page by page. */
  allRejects(uploadId: string): AsyncGenerator<StoredReject[], void, void> {
    return this.#uploads.jobs.rejects(uploadId, { open: true })
  }

  /** Corrected rejects back in, CSV or NDJSON. @throws what the engine's `replay` throws */
  replay(uploadId: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ReplayReceipt> {
    const to = this.#options.databaseUrl
    return replay({ source: body, jobId: uploadId, to, signal: either(signal, this.#stopping.signal) })
  }

  async #run(uploadId: string, queueSignal: AbortSignal, isHelper: boolean): Promise<void> {
    const own = new AbortController()
    this.#running.set(uploadId, own)
    // Not before it is begun it is known whether others can help.
    const call = () =>
      this.#wake().catch((error) => this.#work.log.debug({ reason: error.message }, 'nobody is called'))
    const calling = isHelper ? undefined : setInterval(call, CALL_MS)
    let waits = false
    try {
      const signal = either(queueSignal, own.signal)
      if (isHelper) await helpJob(this.#work, uploadId, signal)
      else waits = !(await runJob(this.#work, uploadId, signal))
    } catch (error) {
      this.#work.log.error(
        { uploadId, reason: withoutPassword((error as Error).message) },
        'the state of a job could not be saved',
      )
    } finally {
      clearInterval(calling)
      this.#running.delete(uploadId)
    }
    this.#options.courier.wake()
    // Another upload of the same content may have waited for this one. One that waits itself would only be queued again.
    if (!(waits || this.#stopping.signal.aborted)) void this.#sweep()
  }

  /** One after the other, and never at the same time. An error is told; the next one tries again. */
  #sweep(): Promise<void> {
    this.#sweeping = this.#sweeping.then(async () => {
      if (this.#stopping.signal.aborted) return
      try {
        await this.#wake()
        await sweepUploads(this.#work, (uploadId) => this.bodies.isStoring(uploadId))
        await this.#options.courier.outbox.sweep()
        const isLong = Date.now() - this.#storageSweptAt > STORAGE_SWEEP_MS
        await this.resumable.sweep(isLong)
        if (!isLong) return
        this.#storageSweptAt = Date.now()
        await sweepStorage(this.#work, this.#options)
      } catch (error) {
        this.#work.log.warn(
          { reason: withoutPassword((error as Error).message) },
          'a sweep failed; the next one tries again',
        )
      }
    })
    return this.#sweeping
  }

  /** Queues what is unfinished and nobody alive works on, and calls others to segments that nobody has. */
  async #wake(): Promise<void> {
    for (const { uploadId, bytes, holder, free } of await this.#uploads.unfinished()) {
      const isHeld = holder !== null && !livesNoMore(holder)
      if (!isHeld || free > 0)
        await this.#options.queue.add(uploadId, { bytes, helpers: isHeld ? Math.min(free, MOST_HELPERS) : 0 })
    }
  }

  async #own(uploadId: string, viewer: Viewer): Promise<Upload> {
    const upload = await this.read(uploadId, viewer)
    if (!upload) throw new SluiceError('SLUICE_JOB', `There is no upload ${uploadId}`)
    return upload
  }
}
