import type { Readable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Bytes that may wait between the socket and who takes them, besides those of the socket. */
const HANDOVER_BYTES = 256 * 1024
/**
 * What the chunks of all streams together may take of one turn of the event loop, in ms, besides the chunk at hand. Node reads a socket up
 * to 32 times in a turn, 64 KiB each, and a load works on each chunk at once: five loads held up all else for 30 ms of processor time.
 */
const TURN_MS = 3

/** When the turn of the event loop began to be used for chunks. */
let turnBegan: number | undefined

/**
 * The chunks of a stream as they come, while the event loop goes on turning. A stream's own iterator joins those that wait, into one
 * that is new, and destroys the stream at its end, from which an answer is still to be sent.
 * @param signal ends it with its reason, behind what has come
 */
export async function* chunksOf(stream: Readable, signal?: AbortSignal): AsyncGenerator<Buffer, void, void> {
  const waiting: Buffer[] = []
  let bytes = 0
  let end: { error?: unknown } | undefined = stream.readableEnded ? {} : undefined
  let wake = (): void => undefined
  const finish = (ended: { error?: unknown }): void => {
    end ??= ended
    wake()
  }
  const onData = (chunk: Buffer): void => {
    waiting.push(chunk)
    bytes += chunk.length
    if (bytes >= HANDOVER_BYTES) stream.pause()
    wake()
  }
  const onEnd = () => finish({})
  const onError = (error: unknown) => finish({ error })
  const onClose = () => finish({ error: stream.errored ?? new Error('it was closed before its end') })
  const onAbort = () => finish({ error: signal?.reason })
  if (stream.destroyed && !stream.readableEnded) onClose()
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  stream.on('data', onData).once('end', onEnd).on('error', onError).once('close', onClose)
  try {
    for (;;) {
      const chunk = waiting.shift()
      if (chunk) {
        bytes -= chunk.length
        if (stream.isPaused() && bytes < HANDOVER_BYTES) stream.resume()
        beginTurn()
        yield chunk
        if (isTurnSpent()) await nextTurn()
      } else if (end) {
        if ('error' in end) throw end.error
        return
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
    stream.pause()
  }
}

function beginTurn(): void {
  if (turnBegan !== undefined) return
  turnBegan = performance.now()
  setImmediate(() => {
    turnBegan = undefined
  })
}

function isTurnSpent(): boolean {
  return turnBegan !== undefined && performance.now() - turnBegan > TURN_MS
}
