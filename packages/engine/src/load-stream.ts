import { PassThrough, Writable } from 'node:stream'
import { load } from './load.ts'
import type { LoadOptions } from './options.ts'
import type { Receipt } from './receipt.ts'

/** A stream to write a source to. */
export interface LoadStream extends Writable {
  /** Settles when the load ends. A rejection of it need not be handled: the stream is destroyed with the same error. */
  readonly receipt: Promise<Receipt>
}

/**
 * A load as the end of a pipeline. It takes bytes only as fast as the database takes rows, and finishes when every row is in.
 *
 * @example
 * const stream = createLoadStream({ to: 'postgres://localhost/crm', table: 'people' })
 * await pipeline(request, stream)
 * console.log((await stream.receipt).inserted)
 */
export function createLoadStream(options: Omit<LoadOptions, 'source'>): LoadStream {
  const source = new PassThrough()
  const abort = new AbortController()
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal
  const receipt = load({ ...options, source, signal })
  const stream = new Writable({
    write(chunk: Uint8Array, _encoding, callback) {
      if (source.write(chunk)) callback()
      else source.once('drain', callback)
    },
    final(callback) {
      source.end()
      receipt.then(() => callback(), callback)
    },
    destroy(error, callback) {
      // What came so far is committed; the source did not end, so the job must not either.
      abort.abort()
      receipt.then(
        () => callback(error),
        () => callback(error),
      )
    },
  })
  receipt.catch((error) => stream.destroy(error))
  return Object.assign(stream, { receipt })
}
