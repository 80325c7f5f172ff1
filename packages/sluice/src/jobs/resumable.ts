import { setTimeout as delay } from 'node:timers/promises'
import { BoundaryIndex, SluiceError } from '@sluice/engine'
import type { DataStore } from '@tus/server'
import { withoutPassword } from '../config.ts'
import type { Queue } from '../queue/queue.ts'
import { freeing } from '../spent-buffers.ts'
import { Tally } from '../storage/tally.ts'
import type { PieceClaims } from './piece-claims.ts'
import { deleteObject, type Workplace } from './run-job.ts'
import { objectKey } from './sweep.ts'
import type { UploadRequest, UploadStart } from './upload.ts'
import { tableOf } from './uploads.ts'

/** How long the last piece waits for its job, in ms: a file of 1 GB in a folder is hashed by then. Beyond that it is made in the background. */
const ADOPT_WITHIN_MS = 2_000

/**
 * Uploads that come in pieces (tus). Their row is `receiving` without a receiver; a store of tus keeps the pieces under the key of the
 * object, so that it is in its place with the last one. Whatever is interrupted between that and the job, the next look finishes.
 */
export class ResumableUploads {
  /** Keeps the pieces. */
  readonly store: DataStore
  /** Which of several servers takes in a piece; null where there is one. */
  readonly claims: PieceClaims | null
  readonly #work: Workplace
  readonly #queue: Queue
  readonly #ttlSeconds: number
  readonly #stopping: AbortSignal
  readonly #adopting = new Map<string, Promise<void>>()

  /** @param ttlSeconds in which an upload must be whole */
  constructor(
    { store, claims }: Pick<ResumableUploads, 'store' | 'claims'>,
    work: Workplace,
    queue: Queue,
    ttlSeconds: number,
    stopping: AbortSignal,
  ) {
    this.store = store
    this.claims = claims
    this.#work = work
    this.#queue = queue
    this.#ttlSeconds = ttlSeconds
    this.#stopping = stopping
  }

  /** Notes an upload before its first piece. @throws SluiceError SLUICE_JOB when there is one with this id */
  async begin({ uploadId, ...start }: UploadStart & { uploadId: string }, request: UploadRequest): Promise<void> {
    const { fileName } = request
    const what = { fileName, objectKey: objectKey(uploadId), request, receiver: null }
    const created = await this.#work.uploads.create(uploadId, 'staged', start, what)
    if (created !== 'created') throw new SluiceError('SLUICE_JOB', `The upload ${uploadId} is there already`)
  }

  /**
   * Queues the load of an upload whose last piece is stored. May be called again, and by several at once. Returns before the job is
   * there when the file takes long to hash.
   * @throws SluiceError SLUICE_JOB when the upload or its object is gone, SLUICE_STORAGE, SLUICE_DATABASE
   */
  async adopt(uploadId: string): Promise<void> {
    let adopting = this.#adopting.get(uploadId)
    if (!adopting) {
      adopting = this.#adopt(uploadId).finally(() => this.#adopting.delete(uploadId))
      this.#adopting.set(uploadId, adopting)
    }
    const enough = new AbortController()
    const patience = delay(ADOPT_WITHIN_MS, undefined, { signal: enough.signal }).catch(() => undefined)
    try {
      await Promise.race([adopting, patience])
    } finally {
      enough.abort()
    }
    adopting.catch((error: Error) => {
      if (!this.#stopping.aborted) this.#tell(uploadId, error, 'a whole upload is not queued yet')
    })
  }

  /** Forgets an upload that is not whole, with what came of it. */
  async abandon(uploadId: string): Promise<void> {
    const { uploads } = this.#work
    const upload = await uploads.read(uploadId)
    if (upload?.state !== 'receiving' || upload.receiver !== null) return
    // The object first: as long as there is a row it is found again.
    await this.store.remove(objectKey(uploadId)).catch(refuseOthersThanMissing)
    await deleteObject(this.#work, upload)
    await uploads.remove(uploadId)
  }

  /** Removes what is not whole in time, and with `all` queues what is whole and was not noted as such. */
  async sweep(all: boolean): Promise<void> {
    for (const { uploadId, expired } of await this.#work.uploads.inPieces(this.#ttlSeconds)) {
      if (this.#stopping.aborted) return
      if (!(expired || all)) continue
      try {
        const { offset, size } = await this.store.getUpload(objectKey(uploadId))
        if (offset === size) await this.adopt(uploadId)
        else if (expired) await this.#expire(uploadId)
      } catch (error) {
        refuseOthersThanMissing(error)
        if (expired) await this.#expire(uploadId)
      }
    }
  }

  /** Lets what is being hashed come to an end. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#adopting.values())
  }

  async #expire(uploadId: string): Promise<void> {
    await this.abandon(uploadId)
    this.#work.log.info({ uploadId }, 'an upload that was not whole in time was removed')
  }

  async #adopt(uploadId: string): Promise<void> {
    const { uploads } = this.#work
    const upload = await uploads.read(uploadId)
    if (!upload) throw new SluiceError('SLUICE_JOB', `There is no upload ${uploadId}`)
    if (upload.state !== 'receiving' || upload.request === null) return
    const stored = await this.#note(uploadId, upload.request).catch(async (error) => {
      // A worker that starts looks for what is whole, too; it was first, and may have loaded and deleted the object meanwhile.
      const state = (await uploads.read(uploadId))?.state
      if (state === undefined || state === 'receiving') throw error
    })
    if (stored) await this.#queue.add(uploadId, stored)
  }

  /** Makes the job of a whole upload known. */
  async #note(uploadId: string, request: UploadRequest) {
    const { uploads, storage } = this.#work
    // Pieces may have come through several processes, so that none of them saw all bytes.
    const tally = new Tally()
    const index = new BoundaryIndex()
    const body = index.of(tally.of(freeing(storage.read(objectKey(uploadId), 0, this.#stopping))))
    for await (const _ of body) this.#stopping.throwIfAborted()
    const stored = tally.result()
    await uploads.received(uploadId, request, { ...stored, boundaries: index.end() }, tableOf(request))
    return stored
  }

  #tell(uploadId: string, error: Error, what: string): void {
    this.#work.log.warn({ uploadId, reason: withoutPassword(error.message) }, what)
  }
}

/** What stores of tus throw is `{ status_code, body }`: 404 and 410 say that there is no such upload. */
function refuseOthersThanMissing(error: unknown): void {
  const { status_code } = error as { status_code?: number }
  if (status_code !== 404 && status_code !== 410) throw error
}
