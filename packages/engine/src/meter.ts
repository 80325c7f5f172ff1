import type { Job } from './checkpoint/job.ts'
import type { Progress, Receipt } from './receipt.ts'
import type { Reject } from './reject/reject.ts'
import type { JobCounts, Outcome } from './write/database.ts'

/** Least time between two reports of progress, in ms. */
const REPORT_MS = 100
/** Time over which the rate is measured, in ms. */
const RATE_WINDOW_MS = 5_000

type Counters = Pick<Job, 'recordsRead' | 'inserted' | 'updated' | 'unchanged' | 'duplicates' | 'rejected'>

/** Keeps count of what is committed: the job's counters, and what this process adds to them. */
export class Meter {
  readonly #job: Job
  readonly #counters: Counters
  readonly #bytesTotal: number | null
  readonly #report: ((progress: Progress) => void) | undefined
  readonly #began = performance.now()
  readonly #recordsBefore: number
  /** Bytes of the sources that are done, and of the one at hand. */
  #bytesBefore = 0
  #bytesCommitted = 0
  #bytesRead = 0
  #reported = Number.NEGATIVE_INFINITY
  /** Says what a report too soon after the last one would have said: the next commit may be long in coming. */
  #late: NodeJS.Timeout | undefined
  /** What the caller threw at such a report, where nobody could catch it. */
  #thrown: { error: unknown } | undefined
  #marks: { at: number; records: number; bytes: number }[] = []

  constructor(job: Job, onProgress: ((progress: Progress) => void) | undefined) {
    const { recordsRead, inserted, updated, unchanged, duplicates, rejected } = job
    this.#job = job
    this.#counters = { recordsRead, inserted, updated, unchanged, duplicates, rejected }
    this.#recordsBefore = recordsRead
    this.#bytesTotal = job.bytesTotal
    this.#report = onProgress
    this.#marks.push({ at: this.#began, records: recordsRead, bytes: job.bytesCommitted })
  }

  get jobId(): string {
    return this.#job.jobId
  }

  get counts(): Counters {
    return { ...this.#counters }
  }

  get recordsRead(): number {
    return this.#counters.recordsRead
  }

  get rejected(): number {
    return this.#counters.rejected
  }

  /** Bytes as stored that were taken from the source at hand. */
  read(bytes: number): void {
    this.#bytesRead = this.#bytesBefore + bytes
  }

  /** What the job's row says, to which other processes add, too. */
  follow(job: JobCounts): void {
    const counters = this.#counters
    for (const name of Object.keys(counters) as (keyof Counters)[]) counters[name] = Math.max(counters[name], job[name])
    this.#bytesCommitted = Math.max(this.#bytesCommitted, job.bytesCommitted)
    this.#reportSoon()
  }

  /** A batch is committed; `rejects` are all of its rejects, `stored` the bytes as stored of the source at hand up to its end. */
  committed(records: number, outcome: Outcome, rejects: Reject[], stored: number): void {
    const counters = this.#counters
    counters.recordsRead += records
    counters.inserted += outcome.inserted
    counters.updated += outcome.updated
    counters.unchanged += outcome.unchanged
    counters.duplicates += outcome.duplicates
    for (const { errors } of rejects) {
      if (errors[0]!.code !== 'duplicate') counters.rejected++
    }
    this.#bytesCommitted = this.#bytesBefore + stored
    this.#reportSoon()
  }

  /** The source at hand is done, with so many bytes as stored. Returns those of all sources so far. */
  nextSource(bytes: number): number {
    this.#bytesBefore += bytes
    this.#bytesCommitted = this.#bytesBefore
    return this.#bytesBefore
  }

  /** The job is complete, and its row has the last word. */
  settle({ recordsRead, inserted, updated, unchanged, duplicates, rejected }: Job): void {
    Object.assign(this.#counters, { recordsRead, inserted, updated, unchanged, duplicates, rejected })
    this.#reportNow()
  }

  /** Nothing is reported any more. */
  close(): void {
    clearTimeout(this.#late)
  }

  #reportSoon(): void {
    if (this.#thrown) throw this.#thrown.error
    const wait = this.#reported + REPORT_MS - performance.now()
    if (wait <= 0) this.#reportNow()
    else this.#late ??= setTimeout(() => this.#reportLate(), wait)
  }

  /** The next call throws what the report does. */
  #reportLate(): void {
    try {
      this.#reportNow()
    } catch (error) {
      this.#thrown = { error }
    }
  }

  #reportNow(): void {
    if (this.#thrown) throw this.#thrown.error
    clearTimeout(this.#late)
    this.#late = undefined
    if (!this.#report) return
    const now = performance.now()
    this.#reported = now
    const bytes = this.#bytesCommitted
    this.#marks.push({ at: now, records: this.recordsRead, bytes })
    while (this.#marks.length > 2 && now - this.#marks[1]!.at > RATE_WINDOW_MS) this.#marks.shift()
    const first = this.#marks[0]!
    const seconds = Math.max((now - first.at) / 1000, 0.001)
    const bytesPerSecond = (bytes - first.bytes) / seconds
    const left = this.#bytesTotal === null ? null : this.#bytesTotal - bytes
    this.#report({
      jobId: this.#job.jobId,
      ...this.#counters,
      bytesCommitted: bytes,
      bytesTotal: this.#bytesTotal,
      bytesRead: Math.max(this.#bytesRead, bytes),
      rowsPerSecond: Math.round((this.recordsRead - first.records) / seconds),
      etaSeconds: left === null || bytesPerSecond <= 0 ? null : Math.ceil(left / bytesPerSecond),
    })
  }

  /** The receipt, from the job's row: the counters there are the truth. */
  receipt(job: Job, rejectsByCode: Record<string, number>): Receipt {
    const elapsedMs = Math.round(performance.now() - this.#began)
    const { recordsRead, inserted, updated, unchanged, duplicates, rejected } = job
    return {
      jobId: job.jobId,
      status: 'completed',
      source: job.source,
      table: job.targetTable,
      recordsRead,
      inserted,
      updated,
      unchanged,
      duplicates,
      rejected,
      bytes: this.#bytesCommitted,
      elapsedMs,
      rowsPerSecond: Math.round((recordsRead - this.#recordsBefore) / Math.max(elapsedMs / 1000, 0.001)),
      rejectsByCode,
      resumedAtRecord: this.#recordsBefore,
    }
  }
}
