/**
 * The final account of a job. It always balances:
 * `recordsRead = inserted + updated + unchanged + duplicates + rejected`.
 */
export interface Receipt {
  jobId: string
  status: 'completed'
  source: string
  table: string
  recordsRead: number
  inserted: number
  updated: number
  unchanged: number
  duplicates: number
  rejected: number
  /** Bytes of the source, as stored. */
  bytes: number
  /** Duration of this process's part in ms, and the records it committed a second. */
  elapsedMs: number
  rowsPerSecond: number
  /** Rejects by code, e.g. `{ "type-error": 3 }`. */
  rejectsByCode: Record<string, number>
  /** The job of {@link jobId} has loaded the same files before, so nothing was done, and nothing is counted. */
  skipped?: true
  /** The record at which this process went on, where it resumed an interrupted load; else 0. */
  resumedAtRecord: number
}

/** What is committed so far; emitted at most every 100 ms, and once at the end. */
export interface Progress {
  jobId: string
  recordsRead: number
  inserted: number
  updated: number
  unchanged: number
  duplicates: number
  rejected: number
  /** Bytes of the source whose records are committed, and all of them where that is known. */
  bytesCommitted: number
  bytesTotal: number | null
  /** Bytes taken from the source so far: what backpressure holds near `bytesCommitted`. */
  bytesRead: number
  /** Over the last seconds. */
  rowsPerSecond: number
  etaSeconds: number | null
}
