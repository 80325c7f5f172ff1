import { randomUUID } from 'node:crypto'
import { BoundaryIndex, leaseOwner, load, type Progress, type Receipt, SluiceError } from '@sluice/engine'
import { withoutPassword } from '../config.ts'
import type { Queue } from '../queue/queue.ts'
import type { Courier } from '../webhook/courier.ts'
import type { Lanes } from './lanes.ts'
import { receiptOf } from './receipt.ts'
import type { Workplace } from './run-job.ts'
import { objectKey } from './sweep.ts'
import type { Upload, UploadRequest, UploadStart } from './upload.ts'
import { sourceName, tableOf, type Uploads } from './uploads.ts'

/** What loads in this process, by upload. */
export type Running = Map<string, AbortController>

/** Receives bodies: stores them for a load in the background, or loads them as they come. */
export class Bodies {
  readonly #work: Workplace
  readonly #uploads: Uploads
  readonly #queue: Queue
  readonly #courier: Courier
  /** Of direct loads. */
  readonly #lanes: Lanes
  readonly #running: Running
  readonly #stopping: AbortSignal
  /** Those under way. */
  readonly #receiving = new Set<Promise<unknown>>()
  /** Uploads whose bodies are being stored, from before their rows are there until those say what became of them. */
  readonly #storing = new Set<string>()

  constructor(
    work: Workplace,
    { queue, courier, lanes }: { queue: Queue; courier: Courier; lanes: Lanes },
    running: Running,
    stopping: AbortSignal,
  ) {
    this.#work = work
    this.#uploads = work.uploads
    this.#queue = queue
    this.#courier = courier
    this.#lanes = lanes
    this.#running = running
    this.#stopping = stopping
  }

  /**
   * Stores a body and queues its load.
   * @param request asked for when the body is stored whole, because fields of a form may come behind the file; what it throws undoes all
   * @param signal aborts the receiving; nothing is left behind
   * @returns the upload; `replayed` when the Idempotency-Key was known and the body was not touched
   * @throws SluiceError SLUICE_IDEMPOTENCY when the key was used for another request, SLUICE_JOB when the first one is still being
   *   received or the uploadId is taken, SLUICE_STORAGE; and what the body and `request` throw
   */
  async stage(
    start: UploadStart,
    body: AsyncIterable<Uint8Array>,
    request: () => Promise<UploadRequest>,
    signal?: AbortSignal,
  ): Promise<{ upload: Upload; replayed: boolean }> {
    const uploadId = start.uploadId ?? randomUUID()
    // Of two requests with one id the second one finds the row of the first.
    const isFirst = !this.#storing.has(uploadId)
    this.#storing.add(uploadId)
    try {
      return await this.#stage(uploadId, start, body, request, signal)
    } finally {
      if (isFirst) this.#storing.delete(uploadId)
    }
  }

  async #stage(
    uploadId: string,
    start: UploadStart,
    body: AsyncIterable<Uint8Array>,
    request: () => Promise<UploadRequest>,
    signal: AbortSignal | undefined,
  ): Promise<{ upload: Upload; replayed: boolean }> {
    const key = objectKey(uploadId)
    const created = await this.#uploads.create(uploadId, 'staged', start, {
      fileName: '',
      objectKey: key,
      request: null,
      receiver: leaseOwner(),
    })
    if (created !== 'created') return { upload: known(created.existing, uploadId, start), replayed: true }
    return this.#whileReceiving(async () => {
      try {
        const { storage } = this.#work
        const index = new BoundaryIndex()
        const ended = either(signal, this.#stopping)
        const stored = await storage.put(key, index.of(body), { signal: ended, mostBytes: start.mostBytes })
        const asked = await request()
        await this.#uploads.received(uploadId, asked, { ...stored, boundaries: index.end() }, tableOf(asked))
      } catch (error) {
        await this.#undo(uploadId, key)
        throw error
      }
      await this.#queue.add(uploadId, await this.#sizeOf(uploadId))
      return { upload: (await this.#uploads.read(uploadId))!, replayed: false }
    })
  }

  /**
   * Loads a body as it comes; nothing is staged. Where as many loads are under way as there are lanes, the body is not read before
   * one is over. When it breaks off, what came is committed, and the same body sent again with the
   * same uploadId or Idempotency-Key goes on there.
   * @throws what `load` throws, and as `stage`
   */
  async direct(
    start: UploadStart,
    request: UploadRequest,
    body: AsyncIterable<Uint8Array>,
    { signal, onProgress }: { signal?: AbortSignal; onProgress?: (progress: Progress) => void } = {},
  ): Promise<{ receipt: Receipt; replayed: boolean }> {
    const wanted = start.uploadId ?? randomUUID()
    const { fileName } = request
    const created = await this.#uploads.create(wanted, 'direct', start, {
      fileName,
      objectKey: null,
      request,
      receiver: leaseOwner(),
    })
    let uploadId = wanted
    if (created !== 'created') {
      const upload = known(created.existing, wanted, start)
      if (upload.mode !== 'direct') throw taken(upload)
      if (upload.state === 'completed') {
        if (start.idempotency) return { receipt: await receiptOf(upload, this.#uploads.jobs), replayed: true }
        throw taken(upload)
      }
      if (upload.state !== 'failed' || this.#running.has(upload.uploadId)) throw taken(upload)
      uploadId = upload.uploadId
    }
    if (request.callbackUrl) await this.#courier.outbox.expect(uploadId, request.callbackUrl)
    return this.#whileReceiving(async () => {
      const own = new AbortController()
      const ended = either(either(signal, own.signal), this.#stopping)
      this.#running.set(uploadId, own)
      try {
        using _lane = await this.#lanes.enter(ended)
        const receipt = await load({
          ...request.options,
          source: body,
          sourceName: sourceName(uploadId, fileName),
          table: tableOf(request),
          to: this.#work.databaseUrl,
          jobId: uploadId,
          signal: ended,
          ...(onProgress && { onProgress }),
          onNotice: (message) => this.#work.log.debug({ uploadId }, withoutPassword(message)),
        })
        return { receipt, replayed: false }
      } catch (error) {
        await this.#failDirect(uploadId, error as Error)
        throw error
      } finally {
        this.#running.delete(uploadId)
      }
    })
  }

  async #sizeOf(uploadId: string): Promise<{ bytes: number | null }> {
    return { bytes: (await this.#uploads.read(uploadId))?.bytes ?? null }
  }

  /** Nothing is left of a body that broke off. What cannot be cleared away now, because the storage is away, the next sweep finds. */
  async #undo(uploadId: string, key: string): Promise<void> {
    try {
      await this.#work.storage.delete(key)
      await this.#uploads.remove(uploadId)
    } catch (error) {
      this.#work.log.warn(
        { uploadId, reason: withoutPassword((error as Error).message) },
        'a broken upload is not cleared away yet',
      )
    }
  }

  /** Where nothing was begun nothing is kept, and the client may send it again. */
  async #failDirect(uploadId: string, error: Error): Promise<void> {
    try {
      await this.#uploads.jobs.refuse(uploadId, withoutPassword(error.message))
      if (!(await this.#uploads.jobs.read(uploadId))) await this.#uploads.remove(uploadId)
    } catch (second) {
      this.#work.log.warn(
        { uploadId, reason: withoutPassword((second as Error).message) },
        'the end of a direct upload is not noted yet',
      )
    }
  }

  /** Whether the body of this upload is being stored in this process. */
  isStoring(uploadId: string): boolean {
    return this.#storing.has(uploadId)
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#receiving)
  }

  async #whileReceiving<T>(work: () => Promise<T>): Promise<T> {
    this.#stopping.throwIfAborted()
    const receiving = work()
    this.#receiving.add(receiving)
    try {
      return await receiving
    } finally {
      this.#receiving.delete(receiving)
    }
  }
}

/** The upload that an id or an Idempotency-Key stands for. @throws SluiceError SLUICE_JOB where it is not this request's */
function known(existing: Upload, uploadId: string, { owner, idempotency, uploadId: chosen }: UploadStart): Upload {
  const isOwn = existing.owner === owner
  if (isOwn && existing.mode === 'direct' && (chosen === existing.uploadId || idempotency)) return existing
  if (!(isOwn && idempotency) || (existing.uploadId === uploadId && chosen)) throw taken(existing)
  if (existing.state === 'receiving') {
    throw new SluiceError('SLUICE_JOB', 'The first request with this Idempotency-Key is still under way')
  }
  return existing
}

function taken({ uploadId, state }: Upload): SluiceError {
  return new SluiceError('SLUICE_JOB', `The upload ${uploadId} is there already, and is ${state}`)
}

/** Aborted with the first of both. */
export function either(one: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return one ? AbortSignal.any([one, other]) : other
}
