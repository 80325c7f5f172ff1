import { useEffect, useState } from 'react'
import { ApiError, isActive, readStatus, type Status } from '../api.ts'
import { texts } from '../texts.ts'
import type { LogEntry } from '../upload/transfers.ts'
import { follow, type Snapshot } from './live.ts'

/** Milliseconds between looks at an upload that goes on. What happens between them is told by the socket, where there is one. */
const EVERY_MS = 1_000
/** And at one whose server does not answer, or cannot now. */
const WHEN_LOST_MS = 1_500

export interface Watched {
  status: Status | undefined
  error: ApiError | undefined
  /** Seconds since the page was opened, and records a second. */
  speed: { at: number[]; rate: number[] }
  /** Seconds left, where that can be told. */
  eta: number | null
  log: LogEntry[]
  /** Looks at once, and goes on looking. */
  refresh: () => void
}

interface State extends Omit<Watched, 'refresh'> {
  /** What the next rate is taken from: seconds since the page was opened, and records. */
  since: { uploadId: string; time: number; rows: number } | undefined
}

/** An upload, as its server tells of it; looked at until it is over. */
export function useUpload(uploadId: string): Watched {
  const [round, setRound] = useState(0)
  const [{ since: _, ...watched }, setWatched] = useState<State>(NOTHING)

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round looks again
  useEffect(() => {
    const gone = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined

    const hear = (snapshot: Snapshot): void =>
      setWatched((old) =>
        old.status ? { ...next(old, statusWith(old.status, snapshot)), eta: snapshot.etaSeconds } : old,
      )
    const look = async (): Promise<void> => {
      let wait = EVERY_MS
      try {
        const status = await readStatus(uploadId, gone.signal)
        if (gone.signal.aborted) return
        setWatched((old) => next(old, status))
        if (!isActive(status.status)) return
      } catch (error) {
        if (!(error instanceof ApiError) || gone.signal.aborted) return
        setWatched((old) => ({ ...old, error, log: noted(old, error.status === 0 ? 'offline' : undefined) }))
        if (error.status !== 0 && error.status !== 429 && error.status < 500) return
        wait = WHEN_LOST_MS
      }
      timer = setTimeout(look, wait)
    }
    void look()
    const leave = follow(uploadId, hear, () => {
      clearTimeout(timer)
      void look()
    })
    return () => {
      leave()
      gone.abort()
      clearTimeout(timer)
    }
  }, [uploadId, round])

  return { ...watched, refresh: () => setRound((n) => n + 1) }
}

const NOTHING: State = {
  since: undefined,
  status: undefined,
  error: undefined,
  speed: { at: [], rate: [] },
  eta: null,
  log: [],
}

function statusWith(status: Status, { uploadId: _, rowsPerSecond: __, etaSeconds: ___, ...told }: Snapshot): Status {
  const { bytesCommitted, bytesTotal } = told
  return { ...status, ...told, progress: bytesTotal ? Math.min(1, bytesCommitted / bytesTotal) : status.progress }
}

type Event = 'offline' | 'online' | 'processing' | 'completed' | 'failed' | 'cancelled'

function noted({ log }: Pick<Watched, 'log'>, event: Event | undefined): LogEntry[] {
  if (event === undefined) return log
  const text = texts.watch.events[event]
  return log.at(-1)?.text === text ? log : [...log, { at: Date.now(), text }]
}

function next(old: State, status: Status): State {
  const { uploadId, rowsProcessed: rows } = status
  const time = performance.now() / 1000
  let { speed, log } = old
  if (old.error) log = noted({ log }, 'online')
  if (old.status?.status !== status.status && status.status !== 'receiving' && status.status !== 'uploaded')
    log = noted({ log }, status.status)
  let since = old.since?.uploadId === uploadId ? old.since : { uploadId, time, rows }
  const moved = rows - since.rows
  // Batches come in steps; over less than a second their rate would jump.
  if (status.status !== 'receiving' && moved >= 0 && time - since.time >= (speed.at.length === 0 ? 0.2 : 0.8)) {
    speed = { at: [...speed.at, time], rate: [...speed.rate, moved / (time - since.time)] }
    since = { uploadId, time, rows }
  }
  return { since, status, error: undefined, speed, eta: old.eta, log }
}
