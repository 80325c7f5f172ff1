import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError } from '../errors.ts'
import { CHUNK_BYTES, type Head, type Source } from './source.ts'

/** How long the head waits for more once something is there: a slow source must show soon. */
const HEAD_WAIT_MS = 1_000

/**
 * A stream of bytes, which can be read once. Chunks are passed on in pieces of at most 256 KiB.
 * @param signal ends the wait for the first bytes
 */
export function openStream(
  chunks: AsyncIterable<Uint8Array | string>,
  name: string,
  signal?: AbortSignal | undefined,
): Source {
  return new StreamSource(chunks, name, signal)
}

class StreamSource implements Source {
  readonly name: string
  readonly size = null
  readonly #chunks: AsyncIterator<Uint8Array | string>
  /** Read for the head and not given out yet. */
  #kept: Uint8Array[] = []
  /** Asked for and not there yet. */
  #coming: Promise<Uint8Array | undefined> | undefined
  #asking = false
  readonly #signal: AbortSignal | undefined
  #ended = false

  constructor(chunks: AsyncIterable<Uint8Array | string>, name: string, signal: AbortSignal | undefined) {
    this.#chunks = chunks[Symbol.asyncIterator]()
    this.name = name
    this.#signal = signal
  }

  async fingerprint(): Promise<null> {
    return null
  }

  async head(bytes: number): Promise<Head> {
    let length = 0
    let patience: Promise<'late'> | undefined
    const giveUp = new AbortController()
    const interrupted = new Promise<never>((_, reject) => {
      const fail = () =>
        reject(new SluiceError('SLUICE_INTERRUPTED', `Interrupted while waiting for the first bytes of ${this.name}`))
      if (this.#signal?.aborted) fail()
      else this.#signal?.addEventListener('abort', fail, { once: true, signal: giveUp.signal })
    })
    interrupted.catch(() => undefined)
    try {
      while (length < bytes && !this.#ended) {
        this.#coming ??= this.#next()
        const chunk = await Promise.race([this.#coming, interrupted, ...(patience ? [patience] : [])])
        if (chunk === 'late') break
        this.#coming = undefined
        if (chunk === undefined) break
        this.#kept.push(chunk)
        length += chunk.length
        patience ??= delay(HEAD_WAIT_MS, 'late' as const, { signal: giveUp.signal })
        patience.catch(() => undefined)
      }
    } finally {
      giveUp.abort()
    }
    return { bytes: Buffer.concat(this.#kept).subarray(0, bytes), complete: this.#ended && length <= bytes }
  }

  async *read(from: number): AsyncGenerator<Uint8Array, void, void> {
    let skip = from
    for (;;) {
      const chunk = this.#kept.shift() ?? (await (this.#coming ?? (this.#ended ? undefined : this.#next())))
      this.#coming = undefined
      if (chunk === undefined) break
      const start = Math.min(skip, chunk.length)
      skip -= start
      for (let at = start; at < chunk.length; at += CHUNK_BYTES) yield chunk.subarray(at, at + CHUNK_BYTES)
    }
    if (skip > 0) {
      throw new SluiceError(
        'SLUICE_SOURCE_READ',
        `${this.name} ended ${skip} bytes before the place at which the interrupted load goes on`,
      )
    }
  }

  async close(): Promise<void> {
    // While a chunk is asked for, an iterator answers nothing else: a silent source would never let go.
    const closed = this.#chunks.return?.()
    if (this.#asking) closed?.catch(() => undefined)
    else await closed
  }

  async #next(): Promise<Uint8Array | undefined> {
    this.#asking = true
    try {
      const { value, done } = await this.#chunks.next()
      if (done) {
        this.#ended = true
        return undefined
      }
      return typeof value === 'string' ? Buffer.from(value) : value
    } catch (cause) {
      throw new SluiceError('SLUICE_SOURCE_READ', `Reading ${this.name} failed: ${(cause as Error).message}`, { cause })
    } finally {
      this.#asking = false
    }
  }
}
