import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Every chunk of a body is a buffer of its own outside the JavaScript heap. V8 sees little of it in its heap and collects late: while 1 GB
 * was received the process grew by 70 MB. A collection of the young generation after so many bytes, of all bodies together, takes about a
 * millisecond and keeps that at some 20 MB.
 */
const COLLECT_BYTES = 8 * 1024 * 1024
/** What waits for a part of S3 to be sent outlives two of those, and is old by then: a collection of everything takes some 15 ms. */
const MINOR_TO_MAJOR = 6

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'minor' | 'major' }) => void

let spent = 0
let collections = 0

/** Passes a body on, and lets the memory of what was used up be used again soon. */
export async function* freeing(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of body) {
    yield chunk
    spent += chunk.length
    if (spent < COLLECT_BYTES) continue
    spent = 0
    collections++
    collect({ type: collections % MINOR_TO_MAJOR === 0 ? 'major' : 'minor' })
  }
}

/**
 * Passes on chunks that came over HTTP, and frees each when the next one is asked for. Every such chunk has memory of its own outside the
 * JavaScript heap, of which V8 sees little: left to it, 400 MB of uploads brought 34 collections of the whole heap, a quarter of the
 * time of the thread, and up to 30 MB of garbage.
 */
export async function* releasing(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    yield chunk
    const { buffer, byteOffset, length } = chunk
    // A part of a form is made of slices: with the last one of a chunk all of them are used up.
    if (byteOffset + length === buffer.byteLength) release(chunk)
  }
}

/** Frees the memory of a buffer that is used up, with all else that lies in it. What may be cut out of Node's pool, which is shared, stays. */
export function release({ buffer, length }: Uint8Array): void {
  // https://nodejs.org/api/buffer.html#static-method-bufferallocunsafesize: what is as large as half of the pool is not cut out of it.
  if (buffer instanceof ArrayBuffer && length >= Buffer.poolSize >>> 1) buffer.transfer(0)
}
