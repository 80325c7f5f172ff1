import type { UploadProgress, UploadState } from '../jobs/upload.ts'

/** What every event about an upload carries. All counts are committed. */
export interface Snapshot {
  uploadId: string
  status: UploadState
  rowsProcessed: number
  /** The same. */
  processed: number
  rowsFailed: number
  /** In the table, visible to others: 0 until the end where all rows are published at once. */
  inserted: number
  bytesCommitted: number
  /** Null where it is not known. */
  bytesTotal: number | null
  /** Of the last seconds; of the whole job before there are such, and at its end. */
  rowsPerSecond: number
  /** Null where it cannot be told. */
  etaSeconds: number | null
}

/** Milliseconds that a rate is taken over: some batches, and not so many that a pause would not show. */
const WINDOW_MS = 5_000
/** Below that a rate says more about the timing of two commits than about the job. */
const LEAST_MS = 1_000

interface Seen {
  at: number
  rows: number
  bytes: number
}

/** Follows one upload: makes a snapshot of each look at it. */
export class Follower {
  readonly #seen: Seen[] = []

  /** @param at time of the look, in ms of a clock that never goes back */
  take(progress: UploadProgress, at: number): Snapshot {
    const { uploadId, status, rowsProcessed, rowsFailed, inserted, bytesCommitted, bytesTotal } = progress
    this.#note({ at, rows: rowsProcessed, bytes: bytesCommitted })
    const { rows, bytes } = this.#rates(progress)
    return {
      uploadId,
      status,
      rowsProcessed,
      processed: rowsProcessed,
      rowsFailed,
      inserted,
      bytesCommitted,
      bytesTotal,
      rowsPerSecond: Math.round(rows),
      etaSeconds: etaOf(progress, bytes),
    }
  }

  #note(now: Seen): void {
    // A job that was begun anew is another one.
    if (now.rows < (this.#seen.at(-1)?.rows ?? 0)) this.#seen.length = 0
    this.#seen.push(now)
    while (this.#seen.length > 2 && this.#seen[1]!.at <= now.at - WINDOW_MS) this.#seen.shift()
  }

  /** A second. */
  #rates({ status, rowsProcessed, bytesCommitted, elapsedMs }: UploadProgress): { rows: number; bytes: number } {
    const [first] = this.#seen
    const last = this.#seen.at(-1)!
    const ms = last.at - first!.at
    if (status === 'processing' && ms >= LEAST_MS) {
      return { rows: ((last.rows - first!.rows) * 1000) / ms, bytes: ((last.bytes - first!.bytes) * 1000) / ms }
    }
    if (elapsedMs <= 0) return { rows: 0, bytes: 0 }
    return { rows: (rowsProcessed * 1000) / elapsedMs, bytes: (bytesCommitted * 1000) / elapsedMs }
  }
}

function etaOf({ status, bytesCommitted, bytesTotal }: UploadProgress, bytesPerSecond: number): number | null {
  if (status === 'completed') return 0
  if (status !== 'processing' || bytesTotal === null || bytesPerSecond <= 0) return null
  return Math.max(0, Math.ceil((bytesTotal - bytesCommitted) / bytesPerSecond))
}
