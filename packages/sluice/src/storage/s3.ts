import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  S3Client,
  type S3ClientConfig,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { SluiceError } from '@sluice/engine'
import { chunksOf } from '../chunks.ts'
import { releasing } from '../spent-buffers.ts'
import { PartMemory } from './part-memory.ts'
import type { ObjectStorage, StoredObject } from './storage.ts'
import { Tally } from './tally.ts'

/** Limits of S3 (User Guide, "Multipart upload limits"). */
const LEAST_PART_BYTES = 5 * 1024 * 1024
const MOST_PARTS = 10_000
/** Parts on their way at once: one is sent while the next one fills. Each takes two times its size for a moment. */
const PARTS_AT_ONCE = 2
/** Milliseconds without a byte after which a download is opened again, and those in which a connection must be made. */
const STALL_MS = 60_000
const CONNECT_MS = 10_000
/** Times that a download may break in a row without a byte, and the longest wait before it is opened again, in ms. */
const BREAKS = 8
const LONGEST_WAIT_MS = 10_000

export interface S3Options {
  bucket: string
  /** Null: that of AWS. Any other is asked for buckets by path. */
  endpoint: string | null
  region: string
  /** Longest object that will be put, in bytes; it decides the size of parts where a body does not. Default: 48 GiB, in parts of 5 MiB. */
  largestBytes?: number
}

/** How the bucket is spoken with. */
export function clientOf({ endpoint, region }: Pick<S3Options, 'endpoint' | 'region'>): S3ClientConfig {
  return {
    region,
    ...(endpoint !== null && { endpoint, forcePathStyle: true }),
    maxAttempts: 5,
    requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: STALL_MS },
    // Most that speak like S3 know none of the newer checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
}

/** Keeps objects in a bucket of S3, or of what speaks like it. Whoever asks is told by the AWS credential chain. */
export function openS3Storage(options: S3Options): ObjectStorage {
  return new S3Storage(options)
}

class S3Storage implements ObjectStorage {
  readonly label: string
  readonly id: string
  readonly #bucket: string
  readonly #client: S3Client
  readonly #largestBytes: number

  constructor({ bucket, endpoint, region, largestBytes = 0 }: S3Options) {
    this.label = `s3://${bucket}`
    this.id = this.label
    this.#bucket = bucket
    this.#largestBytes = largestBytes
    this.#client = new S3Client(clientOf({ endpoint, region }))
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    {
      signal,
      mostBytes = this.#largestBytes,
    }: { signal?: AbortSignal | undefined; mostBytes?: number | undefined } = {},
  ): Promise<{ bytes: number; sha256: string }> {
    signal?.throwIfAborted()
    const tally = new Tally()
    const partSize = Math.max(LEAST_PART_BYTES, Math.ceil(mostBytes / MOST_PARTS))
    const memory = new PartMemory(partSize)
    // A stream of bytes would join the chunks that wait into new ones, which nobody frees.
    const stream = Readable.from(memory.copies(tally.of(body)), { objectMode: true, highWaterMark: 1 })
    const upload = new Upload({
      client: memory.watch(this.#client),
      params: { Bucket: this.#bucket, Key: key, Body: stream },
      partSize,
      queueSize: PARTS_AT_ONCE,
      leavePartsOnError: false,
    })
    // Not by upload.abort(), which does not wait until the parts are gone.
    const abort = () => stream.destroy(new Error('aborted'))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await upload.done()
      return tally.result()
    } catch (error) {
      stream.destroy()
      if (signal?.aborted) throw signal.reason
      if (tally.failure) throw tally.failure.error
      throw this.#failed(`cannot take ${key}`, error)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async *read(key: string, fromByte: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    let version: { bytes: number; etag: string | undefined } | undefined
    let at = fromByte
    let breaks = 0
    for (;;) {
      const before = at
      try {
        version ??= await this.#versionOf(key, signal)
        if (at >= version.bytes) return
        for await (const chunk of releasing(this.#download(key, at, version.etag, signal))) {
          at += chunk.length
          if (at > version.bytes) throw new SluiceError('SLUICE_SOURCE_READ', `${key} has more bytes than it had`)
          yield chunk
        }
        if (at === version.bytes) return
        throw new Error(`it ended at byte ${at} of ${version.bytes}`)
      } catch (error) {
        if (signal?.aborted) throw interrupted(key)
        if (error instanceof SluiceError) throw error
        refuseLasting(error, `${this.label}/${key}`)
        breaks = at > before ? 1 : breaks + 1
        if (breaks > BREAKS) {
          throw new SluiceError(
            'SLUICE_SOURCE_READ',
            `Reading ${this.label}/${key} failed ${BREAKS} times in a row at byte ${at}: ${(error as Error).message}`,
            { cause: error },
          )
        }
        await delay(Math.min(LONGEST_WAIT_MS, 50 * 2 ** breaks), undefined, { ...(signal && { signal }) }).catch(() => {
          throw interrupted(key)
        })
      }
    }
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    try {
      const head = await this.#client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }))
      return toObject(key, head.ContentLength, head)
    } catch (error) {
      // An answer to HEAD has no body, so a missing bucket looks like a missing object.
      if (statusOf(error) === 404) return undefined
      throw this.#failed(`cannot be asked for ${key}`, error)
    }
  }

  async delete(key: string): Promise<void> {
    try {
      await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key: key }))
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#failed(`cannot delete ${key}`, error)
    }
  }

  async *list(prefix: string): AsyncGenerator<StoredObject, void, void> {
    try {
      for await (const page of paginateListObjectsV2(
        { client: this.#client },
        { Bucket: this.#bucket, Prefix: prefix },
      )) {
        for (const { Key, Size, LastModified, ETag } of page.Contents ?? []) {
          yield toObject(Key!, Size, { LastModified, ETag })
        }
      }
    } catch (error) {
      throw this.#failed('cannot be listed', error)
    }
  }

  async sweep(prefix: string, olderThan: Date): Promise<void> {
    try {
      let after: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } | undefined = {}
      while (after) {
        const request: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
          Bucket: this.#bucket,
          Prefix: prefix,
          ...after,
        })
        const page = await this.#client.send(request)
        for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
          if (Initiated && Initiated < olderThan)
            await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId }))
        }
        after = page.IsTruncated
          ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker }
          : undefined
      }
    } catch (error) {
      if (statusOf(error) !== 404) throw this.#failed('cannot be swept', error)
    }
  }

  async close(): Promise<void> {
    this.#client.destroy()
  }

  async #versionOf(key: string, signal: AbortSignal | undefined): Promise<{ bytes: number; etag: string | undefined }> {
    const request = new HeadObjectCommand({ Bucket: this.#bucket, Key: key })
    const { ContentLength, ETag } = await this.#client.send(request, { ...(signal && { abortSignal: signal }) })
    if (ContentLength === undefined) throw new Error('its size was not told')
    return { bytes: ContentLength, etag: ETag }
  }

  /** One GET, to its end or to where it breaks. */
  async *#download(
    key: string,
    from: number,
    etag: string | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, void> {
    const range = from > 0 ? { Range: `bytes=${from}-` } : {}
    const request = new GetObjectCommand({ Bucket: this.#bucket, Key: key, IfMatch: etag, ...range })
    const { Body, ContentRange } = await this.#client.send(request, { ...(signal && { abortSignal: signal }) })
    const body = Body as Readable
    const abort = () => body.destroy(new Error('aborted'))
    signal?.addEventListener('abort', abort, { once: true })
    const chunks = chunksOf(body)
    try {
      if (from > 0 && !ContentRange?.startsWith(`bytes ${from}-`)) {
        throw new SluiceError('SLUICE_SOURCE_READ', `${this.label} answers a range with the whole object`)
      }
      for (;;) {
        const stalled = setTimeout(() => body.destroy(new Error(`no byte came within ${STALL_MS / 1000} s`)), STALL_MS)
        const { value, done } = await chunks.next().finally(() => clearTimeout(stalled))
        if (done) return
        yield value
      }
    } finally {
      signal?.removeEventListener('abort', abort)
      body.destroy()
    }
  }

  #failed(what: string, cause: unknown): SluiceError {
    if (cause instanceof SluiceError) return cause
    const { name, message } = cause as Error
    return new SluiceError('SLUICE_STORAGE', `${this.label} ${what}: ${message || name}`, { cause })
  }
}

function toObject(
  key: string,
  bytes: number | undefined,
  { LastModified, ETag }: { LastModified?: Date | undefined; ETag?: string | undefined },
): StoredObject {
  const modified = LastModified ?? new Date(0)
  return { key, bytes: bytes ?? 0, modified, version: ETag ?? modified.toISOString() }
}

function interrupted(key: string): SluiceError {
  return new SluiceError('SLUICE_INTERRUPTED', `Interrupted while ${key} was read`)
}

const statusOf = (error: unknown) => (error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined)

/** Throws what another try does not help. */
function refuseLasting(cause: unknown, name: string): void {
  const status = statusOf(cause)
  if (status === 404) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `There is no object ${name}`, { cause })
  if (status === 412) {
    throw new SluiceError('SLUICE_SOURCE_CHANGED', `${name} was replaced while it was read`, { cause })
  }
  const asked = status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429
  const known = (cause as Error).name === 'CredentialsProviderError'
  if (asked || known) {
    throw new SluiceError('SLUICE_STORAGE', `${name} cannot be read: ${(cause as Error).message}`, { cause })
  }
}
