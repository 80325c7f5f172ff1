import type { Readable } from 'node:stream'

/** Bytes that may wait between the socket and who takes them, besides those of the socket. */
const HANDOVER_BYTES = 256 * 1024

/**
 * The chunks of a stream as they come. A stream's own iterator joins those that wait, into one that is new, and destroys the
 * stream at its end, from which an answer is still to be sent.
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
        yield chunk
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
