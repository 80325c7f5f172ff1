import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { SluiceError } from '../errors.ts'
import { CHUNK_BYTES, type Fingerprint, type Head, type Source } from './source.ts'
import { openStream } from './stream.ts'

/** Samples of a fingerprint and their size: 1 MB of reading, whatever the file's size. */
const SAMPLES = 64
const SAMPLE_BYTES = 16 * 1024

/** A load begins behind the header, and a resumed one far behind it: so much is read twice to hash all, rather than the whole file. */
const HASHED_HEAD_BYTES = 1024 * 1024

/**
 * Opens a file. What is none, such as a pipe with a name or that of a shell's `<(…)`, is a stream.
 * @param signal ends the wait for the first bytes of a stream
 * @throws SluiceError SLUICE_SOURCE_NOT_FOUND
 */
export async function openFile(path: string, signal?: AbortSignal | undefined): Promise<Source> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const info = await file.stat()
    if (info.isDirectory()) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `${path} is a folder, not a file`)
    if (!info.isFile()) return openStream(file.createReadStream(), resolve(path), signal)
    return new FileSource(file, resolve(path), info.size)
  } catch (cause) {
    await file?.close()
    if (cause instanceof SluiceError) throw cause
    const { code, message } = cause as NodeJS.ErrnoException
    const what = code === 'ENOENT' ? `There is no file ${path}` : `${path} cannot be opened: ${message}`
    throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', what, { cause })
  }
}

class FileSource implements Source {
  readonly name: string
  readonly size: number
  readonly digest = null
  readonly #file: FileHandle
  /** Of all bytes, once they were read in one go. */
  #sha256: string | undefined

  constructor(file: FileHandle, name: string, size: number) {
    this.#file = file
    this.name = name
    this.size = size
  }

  async fingerprint(): Promise<Fingerprint> {
    const hash = createHash('sha256')
    const buffer = Buffer.alloc(SAMPLE_BYTES)
    // The first and the last bytes are always among the samples.
    const step = Math.max(SAMPLE_BYTES, (this.size - SAMPLE_BYTES) / (SAMPLES - 1))
    for (let at = 0; at < this.size; at += step) {
      hash.update(buffer.subarray(0, await this.#readAt(buffer, Math.floor(at))))
    }
    return { size: this.size, samples: hash.digest('hex') }
  }

  async head(bytes: number): Promise<Head> {
    const buffer = Buffer.alloc(Math.min(bytes, this.size))
    const length = await this.#readAt(buffer, 0)
    // Short of that where the file was cut since it was opened; reading tells.
    return { bytes: buffer.subarray(0, length), complete: length >= this.size || length < buffer.length }
  }

  async sha256(): Promise<string> {
    if (this.#sha256 !== undefined) return this.#sha256
    for await (const _ of this.read(0));
    return this.#sha256!
  }

  async *read(
    from: number,
    _known?: string | null,
    to = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<Uint8Array, void, void> {
    // While one chunk is worked on, the next one is read into the other buffer.
    let [buffer, other] = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)]
    let at = from
    const hash = from <= HASHED_HEAD_BYTES && to >= this.size ? await this.#hashOfHead(from) : undefined
    const next = (room: Buffer) => this.#readAt(room.subarray(0, Math.min(room.length, to - at)), at)
    let reading = next(buffer)
    try {
      for (;;) {
        const length = await reading
        if (length === 0) break
        at += length
        const chunk = buffer.subarray(0, length)
        ;[buffer, other] = [other, buffer]
        reading = next(buffer)
        // Its error is told when it is waited for.
        reading.catch(() => undefined)
        hash?.update(chunk)
        yield chunk
      }
    } finally {
      // The handle must not be closed under a read.
      await reading.catch(() => undefined)
    }
    if (at < Math.min(to, this.size)) {
      throw new SluiceError(
        'SLUICE_SOURCE_READ',
        `${this.name} had ${this.size} bytes when the load began and ends at byte ${at} now: it was cut while it was read`,
      )
    }
    this.#sha256 = hash?.digest('hex') ?? this.#sha256
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  /** To be gone on with: the next load of these bytes knows that they are in the table. 0.7 ns a byte, while the database is waited for. */
  async #hashOfHead(bytes: number): Promise<Hash> {
    const buffer = Buffer.alloc(bytes)
    return createHash('sha256').update(buffer.subarray(0, await this.#readAt(buffer, 0)))
  }

  async #readAt(buffer: Buffer, at: number): Promise<number> {
    let length = 0
    try {
      while (length < buffer.length) {
        const { bytesRead } = await this.#file.read(buffer, length, buffer.length - length, at + length)
        if (bytesRead === 0) break
        length += bytesRead
      }
    } catch (cause) {
      throw new SluiceError(
        'SLUICE_SOURCE_READ',
        `Reading ${this.name} failed at byte ${at}: ${(cause as Error).message}`,
        {
          cause,
        },
      )
    }
    return length
  }
}
