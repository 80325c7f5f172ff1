import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Every chunk of a body is a buffer of its own outside the JavaScript heap. V8 sees little of it in its heap and collects late: while 1 GB
 * was received the process grew by 70 MB. A collection of the young generation after so many bytes, of all bodies together, takes about a
 * millisecond and keeps that at some 20 MB.
 */
const COLLECT_BYTES = 8 * 1024 * 1024

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void

let spent = 0

/** Passes a body on, and lets the memory of what was used up be used again soon. */
export async function* freeing(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of body) {
    yield chunk
    spent += chunk.length
    if (spent < COLLECT_BYTES) continue
    spent = 0
    collect({ type: 'minor' })
  }
}
