import type { Socket } from 'node:net'
import { SluiceError } from '../../errors.ts'

/** How often one limit's time is looked at: by count, so that a process that was stopped for long does not judge on waking. */
const LOOKS = 6

/** Time without a byte in either direction after which it is asked what a statement is doing, in ms. */
export function silenceLimit(): number {
  const seconds = Number(process.env.SLUICE_SILENCE_SECONDS ?? 30)
  if (!(seconds >= 0.1))
    throw new SluiceError('SLUICE_CONFIG', 'SLUICE_SILENCE_SECONDS must be a number of seconds, 0.1 or more')
  return seconds * 1000
}

/**
 * Watches a connection while a statement runs. TCP's own keepalive does not see a peer that is gone while bytes to it are under way,
 * nor a firewall or a proxy that keeps the connection and passes nothing on. Yet silence alone proves nothing: a statement may
 * wait for a lock for hours. So after `limitMs` of it `isWorking` finds out, by another connection; when the
 * statement is not at work there, its answer was lost, and the connection is broken off with ETIMEDOUT.
 *
 * @returns ends the watch
 */
export function watchSilence(socket: Socket, limitMs: number, isWorking: () => Promise<boolean>): () => void {
  let seen = progress(socket)
  let silent = 0
  let asking = false
  let over = false
  const look = async () => {
    if (asking) return
    const now = progress(socket)
    silent = now === seen ? silent + 1 : 0
    seen = now
    if (silent < LOOKS) return
    asking = true
    const working = await isWorking()
    asking = false
    silent = 0
    if (over || working || progress(socket) !== seen) return
    const message = `no answer for ${limitMs / 1000} s, and the server is not at work on one`
    socket.destroy(Object.assign(new Error(message), { code: 'ETIMEDOUT' }))
  }
  const timer = setInterval(look, limitMs / LOOKS).unref()
  return () => {
    over = true
    clearInterval(timer)
  }
}

/** Grows with each byte that came or went. */
function progress(socket: Socket): number {
  return socket.bytesRead + socket.bytesWritten - socket.writableLength
}
