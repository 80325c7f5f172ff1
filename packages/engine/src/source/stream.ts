import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { SluiceError } from '../errors.ts'
import { bytesOf, readError } from './chunk.ts'
import { RunningDigest } from './digest.ts'
import { CHUNK_BYTES, type Head, type Source } from './source.ts'

/** How long the head waits for more once something is there: a slow source must show soon. */
const HEAD_WAIT_MS = 1_000

/**
 * Chunks smaller than this are gathered, as long as they come in one turn of the event loop, so that none waits for the next one: up to
 * so many of them (some 0.5 ms) and bytes. A load that is given single bytes takes 2.7 µs for each, without this 19 µs.
 */
const SMALL_BYTES = 4 * 1024
const GATHERED_CHUNKS = 512
const GATHERED_BYTES = 64 * 1024

/**
 * A stream of bytes, which can be read once. Chunks are passed on in pieces of at most 256 KiB; each is done with when the next one is
 * asked for.
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
  readonly digest = new RunningDigest()
  readonly #chunks: AsyncIterator<Uint8Array | string>
  /** Read for the head and not given out yet. */
  #kept: Uint8Array[] = []
  /** What {@link #next} is gathering. */
  #coming: Promise<Uint8Array | undefined> | undefined
  /** The chunk behind that, which was asked for already. */
  #asked: Promise<Uint8Array | undefined> | undefined
  #room: Buffer | undefined
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
    let length = this.#kept.reduce((sum, chunk) => sum + chunk.length, 0)
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
      while (length < bytes && (this.#coming || !this.#ended)) {
        // Where it was looked at before, something is there already.
        if (length > 0) patience ??= delay(HEAD_WAIT_MS, 'late' as const, { signal: giveUp.signal })
        patience?.catch(() => undefined)
        this.#coming ??= this.#next()
        const chunk = await Promise.race([this.#coming, interrupted, ...(patience ? [patience] : [])])
        if (chunk === 'late') break
        this.#coming = undefined
        if (chunk === undefined) break
        // Its memory may be used again for the next one.
        this.#kept.push(Buffer.from(chunk))
        length += chunk.length
      }
    } finally {
      giveUp.abort()
    }
    return {
      bytes: Buffer.concat(this.#kept).subarray(0, bytes),
      complete: this.#ended && !this.#coming && length <= bytes,
    }
  }

  async *read(from: number, known: string | null = null): AsyncGenerator<Uint8Array, void, void> {
    let missing = from
    for (;;) {
      const chunk = this.#kept.shift() ?? (await this.#behindHead())
      if (chunk === undefined) break
      const start = Math.min(missing, chunk.length)
      missing -= start
      if (start > 0) {
        this.digest.pass(chunk.subarray(0, start))
        if (missing === 0 && known !== null && known !== this.digest.before(from)) throw this.#changed(from)
      }
      for (let at = start; at < chunk.length; at += CHUNK_BYTES) {
        const piece = chunk.subarray(at, at + CHUNK_BYTES)
        this.digest.add(piece)
        yield piece
        this.digest.keep()
      }
    }
    if (missing > 0) throw this.#changed(from, from - missing)
  }

  async close(): Promise<void> {
    // While a chunk is asked for, an iterator answers nothing else: a silent source would never let go.
    const closed = this.#chunks.return?.()
    if (this.#asking) closed?.catch(() => undefined)
    else await closed
  }

  #changed(known: number, end?: number): SluiceError {
    const what =
      end === undefined
        ? `The first ${known} bytes of ${this.name} are not those that the interrupted load has committed`
        : `${this.name} ends at byte ${end}, but the interrupted load has committed everything before byte ${known}`
    return new SluiceError(
      'SLUICE_SOURCE_CHANGED',
      `${what}; nothing was written now. Give it the same bytes again, from the first one, or use --restart to start over.`,
    )
  }

  /** What the head did not wait for comes first. */
  async #behindHead(): Promise<Uint8Array | undefined> {
    if (!(this.#coming || this.#ended)) this.#coming = this.#next()
    const chunk = await this.#coming
    this.#coming = undefined
    return chunk
  }

  /** The next chunk, or some small ones that are there. */
  async #next(): Promise<Uint8Array | undefined> {
    let chunk = await (this.#asked ?? this.#ask())
    this.#asked = undefined
    if (chunk === undefined || chunk.length >= SMALL_BYTES) return chunk
    this.#room ??= Buffer.allocUnsafeSlow(GATHERED_BYTES)
    let length = 0
    const turn = nextTurn()
    for (let count = 1; ; count++) {
      this.#room.set(chunk, length)
      length += chunk.length
      if (count === GATHERED_CHUNKS) break
      this.#asked = this.#ask()
      // An error is thrown when its turn comes, behind the bytes before it.
      const more = await Promise.race([this.#asked.catch(() => undefined), turn])
      if (more === undefined || length + more.length > GATHERED_BYTES) break
      this.#asked = undefined
      chunk = more
    }
    return Buffer.from(this.#room.subarray(0, length))
  }

  async #ask(): Promise<Uint8Array | undefined> {
    this.#asking = true
    try {
      const { value, done } = await this.#chunks.next()
      if (done) {
        this.#ended = true
        return undefined
      }
      return bytesOf(value, this.name)
    } catch (cause) {
      throw readError(cause, this.name)
    } finally {
      this.#asking = false
    }
  }
}
