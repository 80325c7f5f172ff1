import { setTimeout as delay } from 'node:timers/promises'
import { failpoint } from './failpoint.ts'
import type { MappedParser } from './parse/mapped-parser.ts'
import type { Parser } from './parse/parser.ts'

/** Carries bytes from a source to the parser, with a clock beside it. */
export class Input {
  readonly #bytes: AsyncIterator<Uint8Array, void, void>
  readonly #onRead: (taken: number) => void
  #chunk: Uint8Array = new Uint8Array(0)
  #coming: ReturnType<AsyncIterator<Uint8Array, void, void>['next']> | undefined
  #taken = 0

  constructor(bytes: AsyncIterator<Uint8Array, void, void>, onRead: (taken: number) => void) {
    this.#bytes = bytes
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
      this.#coming ??= this.#bytes.next()
      this.#coming.catch(() => undefined)
      const result = await within(this.#coming, wait, committing, signal)
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
}

/** The value of `promise`, or why it was not waited for. A failure of `committing` is thrown at once. */
async function within<T>(
  promise: Promise<T>,
  wait: number | undefined,
  committing: Promise<void>,
  signal: AbortSignal | undefined,
): Promise<T | 'late' | 'aborted'> {
  const done = new AbortController()
  const failure = committing.then(() => new Promise<never>(() => undefined))
  const candidates: Promise<T | 'late' | 'aborted'>[] = [promise, failure]
  if (wait !== undefined) candidates.push(delay(wait, 'late' as const, { signal: done.signal }))
  if (signal) candidates.push(aborted(signal, done.signal))
  for (const candidate of candidates) candidate.catch(() => undefined)
  try {
    return await Promise.race(candidates)
  } finally {
    done.abort()
  }
}

function aborted(signal: AbortSignal, done: AbortSignal): Promise<'aborted'> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve('aborted')
    else signal.addEventListener('abort', () => resolve('aborted'), { once: true, signal: done })
  })
}
