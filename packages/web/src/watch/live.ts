import { io, type Socket } from 'socket.io-client'
import { apiKey, type State } from '../api.ts'

/** What an event about an upload carries; all of it is committed. */
export interface Snapshot {
  uploadId: string
  status: State
  rowsProcessed: number
  rowsFailed: number
  bytesCommitted: number
  bytesTotal: number | null
  rowsPerSecond: number
  etaSeconds: number | null
}

let socket: Socket | undefined

/** One connection for all that is watched; it comes back by itself. */
function connection(): Socket {
  // A function, so that a key that was entered later is the one it comes back with.
  socket ??= io({ auth: (give) => give({ token: apiKey.get() || undefined }), transports: ['websocket', 'polling'] })
  return socket
}

/**
 * Hears of an upload as its batches are committed, until it is over.
 * @param over the last word: ask for the status
 * @returns ends it
 */
export function follow(uploadId: string, hear: (snapshot: Snapshot) => void, over: () => void): () => void {
  const live = connection()
  const subscribe = (): void => void live.emit('subscribe', uploadId)
  const progress = (snapshot: Snapshot): void => {
    if (snapshot.uploadId === uploadId) hear(snapshot)
  }
  const end = (snapshot: Snapshot): void => {
    if (snapshot.uploadId === uploadId) over()
  }
  live.on('connect', subscribe).on('progress', progress).on('completed', end).on('failed', end)
  if (live.connected) subscribe()
  // Refused for want of a key it does not come again by itself.
  else if (!live.active) live.connect()
  return () => {
    live.emit('unsubscribe', uploadId)
    live.off('connect', subscribe).off('progress', progress).off('completed', end).off('failed', end)
  }
}
