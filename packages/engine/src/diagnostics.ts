import { channel, tracingChannel } from 'node:diagnostics_channel'

/**
 * What goes on inside of loads, for metrics and traces: channels of node:diagnostics_channel. Nothing is made or measured for a channel
 * that nobody listens to. `sluice:job` and `sluice:batch` are tracing channels: `start`, `asyncEnd`, `error` and so on get the same
 * object, which at its end has `result` or `error`.
 */
export interface JobTrace {
  jobId: string
  /** As the job has it: `T` or `schema.T`. */
  table: string
  database: 'postgres' | 'sqlite'
  /** The record behind which this process goes on. */
  record: number
}

/** From the first try of a commit until it is durable. */
export interface BatchTrace {
  jobId: string
  segment: number
  database: 'postgres' | 'sqlite'
  records: number
  /** Of the source, decompressed. */
  bytes: number
  /** Since the batch before it was handed over, in ms: how long this one was read and checked, and waited. */
  filledForMs: number
  result?: {
    outcome: { inserted: number; updated: number; unchanged: number; duplicates: number }
    /** All of the batch; the first error of each tells its code. */
    rejects: { errors: { code: string }[] }[]
  }
}

/** An error that may pass, before it is tried again. */
export interface RetryReport {
  reason: string
  waitMs: number
}

export interface LeaseLostReport {
  jobId: string
  segment: number
}

const JOB = tracingChannel<JobTrace>('sluice:job')
const BATCH = tracingChannel<BatchTrace>('sluice:batch')
const RETRY = channel('sluice:retry')
const LEASE_LOST = channel('sluice:lease-lost')

export function traceJob<T>(job: JobTrace, work: () => Promise<T>): Promise<T> {
  return JOB.tracePromise(work, job)
}

export function traceBatch<T>(batch: BatchTrace, work: () => Promise<T>): Promise<T> {
  return BATCH.tracePromise(work, batch)
}

export function tellRetry(report: RetryReport): void {
  RETRY.publish(report)
}

export function tellLeaseLost(report: LeaseLostReport): void {
  LEASE_LOST.publish(report)
}
