import { Writable } from 'node:stream'
import { load } from './load.ts'
import type { LoadOptions } from './options.ts'
import type { Receipt } from './receipt.ts'

/** A stream to write a source to. */
export interface LoadStream extends Writable {
  /** Settles when the load ends. A rejection of it need not be handled: the stream is destroyed with the same error. */
  readonly receipt: Promise<Receipt>
}

/**
 * A load as the end of a pipeline. A write is done when the load has taken its bytes, so the producer goes only as fast as the
 * database; `finish` comes when every row is in. What comes behind the option `limit` is taken and not read. A stream that
 * is destroyed before its end, by whichever side, leaves what was committed and a job that the same bytes go on with.
 *
 * @throws nothing; every error of {@link load} destroys the stream, whose `error` event or pipeline has it
 *
 * @example
 * const stream = createLoadStream({ to: 'postgres://localhost/crm', table: 'people' })
 * await pipeline(request, stream)
 * console.log((await stream.receipt).inserted)
 */
export function createLoadStream(options: Omit<LoadOptions, 'source'>): LoadStream {
  const source = new Handover()
  const abort = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal
  const receipt = load({ ...options, source, signal })
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, callback) {
      source.give(chunk, callback)
    },
    final(callback) {
      source.end()
      receipt.then(() => callback(), callback)
    },
    destroy(error, callback) {
      // The source did not end, so the job must not either.
      abort.abort()
      const done = () => callback(error)
      receipt.then(done, done)
    },
  })
  receipt.catch((error) => stream.destroy(error))
  return Object.assign(stream, { receipt })
}

type Result = IteratorResult<Uint8Array, undefined>

/** Hands chunks from a writer to a reader, one at a time: a chunk is taken once the next one is asked for. */
class Handover implements AsyncIterableIterator<Uint8Array, undefined> {
  #chunk: Uint8Array | undefined
  #onTaken: (() => void) | undefined
  #asking: ((result: Result) => void) | undefined
  #ended = false
  #closed = false

  /** To be called again only after `onTaken`. */
  give(chunk: Uint8Array, onTaken: () => void): void {
    if (this.#closed) {
      onTaken()
      return
    }
    this.#chunk = chunk
    this.#onTaken = onTaken
    this.#answer()
  }

  end(): void {
    this.#ended = true
    this.#answer()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<Result> {
    if (this.#chunk === undefined) this.#release()
    return new Promise((resolve) => {
      this.#asking = resolve
      this.#answer()
    })
  }

  async return(): Promise<Result> {
    this.#closed = true
    this.#release()
    return { done: true, value: undefined }
  }

  #answer(): void {
    const [asking, chunk] = [this.#asking, this.#chunk]
    if (!asking || (chunk === undefined && !this.#ended)) return
    this.#asking = undefined
    this.#chunk = undefined
    asking(chunk === undefined ? { done: true, value: undefined } : { done: false, value: chunk })
  }

  #release(): void {
    const onTaken = this.#onTaken
    this.#onTaken = undefined
    onTaken?.()
  }
}
