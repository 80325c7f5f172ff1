import { failpoint } from './failpoint.ts'
import type { MappedParser } from './parse/mapped-parser.ts'
import type { Parser } from './parse/parser.ts'

/** Who wants to know when bytes are read. */
export interface InputWatcher {
  /** The parser has everything that came; the next bytes are asked for. */
  onAsk(parser: Parser | MappedParser): void
  onRead(): void
}

/** Carries text from a source to the parser, with a clock beside it. */
export class Input {
  readonly #bytes: AsyncIterator<Uint8Array, void, void>
  readonly #watcher: InputWatcher
  #chunk: Uint8Array = new Uint8Array(0)
  #coming: ReturnType<AsyncIterator<Uint8Array, void, void>['next']> | undefined
  /** The commit that is under way, and what became of it. */
  #watched: Promise<void> | undefined
  #failure: { error: unknown } | undefined
  /** Ends the wait that is under way. */
  #fail: ((error: unknown) => void) | undefined

  constructor(bytes: AsyncIterator<Uint8Array, void, void>, watcher: InputWatcher) {
    this.#bytes = bytes
    this.#watcher = watcher
  }

  /** What came and is not given to the parser yet. */
  get waiting(): Uint8Array {
    return this.#chunk
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
        this.#watcher.onAsk(parser)
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
      this.#watcher.onRead()
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
