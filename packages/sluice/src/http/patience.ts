import type { IncomingMessage } from 'node:http'
import { Problem } from './problem.ts'

/** Bytes a second that a client must send while it is waited for: a tenth of the slowest line that a file is uploaded over. */
const LEAST_RATE = 500
const TICK_MS = 250

/**
 * Watches a body arrive. A client that keeps a connection open by sending next to nothing ("slow-loris") is given up, but no
 * time is counted while it is the server that does not read, as when the database is slow.
 *
 * @param seconds in which something must come
 * @param judge says what is wrong with a request of so many bytes
 * @param signal is aborted when the client has gone away, or the server closes
 * @param onFail is called once, with a 408, a 503 or what `judge` said
 * @returns ends the watch
 */
export function watchBody(
  request: IncomingMessage,
  seconds: number,
  judge: (bytes: number) => Problem | undefined,
  signal: AbortSignal,
  onFail: (problem: Problem) => void,
): () => void {
  const { socket } = request
  const start = socket.bytesRead
  let waited = 0
  let seen = start
  const timer = setInterval(() => {
    const { bytesRead } = socket
    const wrong = judge(bytesRead - start)
    if (wrong) return fail(wrong)
    const isAwaited = request.readableFlowing === true && request.readableLength === 0
    if (isAwaited) waited += TICK_MS
    if (waited < seconds * 1000) return
    if (bytesRead - seen >= LEAST_RATE * seconds) {
      waited = 0
      seen = bytesRead
      return
    }
    fail(new Problem(408, `The body did not go on for ${seconds} s`))
  }, TICK_MS)
  const close = () => fail(new Problem(503, 'The server is closing; try again', { headers: { 'retry-after': '5' } }))
  const stop = (): void => {
    clearInterval(timer)
    signal.removeEventListener('abort', close)
  }
  const fail = (problem: Problem): void => {
    stop()
    onFail(problem)
  }
  signal.addEventListener('abort', close)
  request.once('end', stop).once('close', stop)
  return stop
}
