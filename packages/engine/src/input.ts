import { failpoint } from './failpoint.ts'
import type { MappedParser } from './parse/mapped-parser.ts'
import type { Parser } from './parse/parser.ts'
import type { Source } from './source/source.ts'

/** Carries bytes from a source to the parser, with a clock beside it. */
export class Input {
  readonly #source: Source
  readonly #bytes: AsyncIterator<Uint8Array, void, void>
  readonly #onRead: (byte: number) => void
  #chunk: Uint8Array = new Uint8Array(0)
  #coming: ReturnType<AsyncIterator<Uint8Array, void, void>['next']> | undefined
  #taken: number
  /** The commit that is under way, and what became of it. */
  #watched: Promise<void> | undefined
  #failure: { error: unknown } | undefined
  /** Ends the wait that is under way. */
  #fail: ((error: unknown) => void) | undefined

  /**
   * @param from the byte to begin with
   * @param known SHA-256, in hex, of what is before it, if it was loaded before
   * @param onRead told the byte up to which the source is read
   */
  constructor(source: Source, from: number, known: string | null, onRead: (byte: number) => void) {
    this.#source = source
    this.#bytes = source.read(from, known)
    this.#taken = from
    this.#onRead = onRead
  }

  /** Gives the parser bytes, or the end. `late`: nothing came within `wait` ms. Throws when `committing` does. */
  async feed(
    parser: Parser | MappedParser,
    wait: number | undefined,
    committing: Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<'fed' | 'late' | 'aborted'> {
    if (this.#chunk.length === 0) {
      if (!this.#coming) {
        this.#source.digest?.settle(parser.position.byte, parser.passed)
        this.#coming = this.#bytes.next()
      }
      this.#watch(committing)
      const result = await this.#within(this.#coming, wait, signal)
      if (result === 'late' || result === 'aborted') return result
      this.#coming = undefined
      if (result.done) {
        parser.end()
        return 'fed'
      }
      this.#chunk = result.value
      failpoint('after-read')
      this.#taken += result.value.length
      this.#onRead(this.#taken)
    }
    this.#chunk = this.#chunk.subarray(parser.push(this.#chunk))
    return 'fed'
  }

  async close(): Promise<void> {
    // A stream that is not read to its end may never answer what it was asked for.
    if (this.#coming) void this.#bytes.return?.()
    else await this.#bytes.return?.()
  }

  /**
   * The value of `promise`, or why it was not waited for. One timer and one listener: a stream may come byte by byte, and a race of
   * promises with timers and signals of their own took 40 µs, this takes 3.
   */
  #within<T>(promise: Promise<T>, wait: number | undefined, signal: AbortSignal | undefined) {
    return new Promise<T | 'late' | 'aborted'>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      const onAbort = () => settle(() => resolve('aborted'))
      const settle = (answer: () => void) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
        answer()
      }
      this.#fail = (error) => settle(() => reject(error))
      promise.then((value) => settle(() => resolve(value)), this.#fail)
      if (wait !== undefined) timer = setTimeout(() => settle(() => resolve('late')), wait)
      if (signal?.aborted) onAbort()
      else signal?.addEventListener('abort', onAbort)
      if (this.#failure) this.#fail(this.#failure.error)
    })
  }

  /** Once for each commit, however many waits it lasts. */
  #watch(committing: Promise<void>): void {
    if (committing === this.#watched) return
    this.#watched = committing
    committing.catch((error) => {
      this.#failure = { error }
      this.#fail?.(error)
    })
  }
}
