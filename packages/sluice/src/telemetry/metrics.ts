import { channel } from 'node:diagnostics_channel'
import { type BatchTrace, type JobTrace, SluiceError } from '@sluice/engine'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { UploadState } from '../jobs/upload.ts'
import { listen } from './listen.ts'

/** What is asked for when somebody looks, because the database knows it and no process alone. */
export interface Backlog {
  /** How many uploads are in each state. */
  states(): Promise<Record<UploadState, number>>
}

/** A batch takes 10 to 500 ms as a rule; minutes are those of a database that is away. */
const BATCH_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30, 120]
/** One look at the database answers all who ask within this time, in ms. */
const STATES_FOR_MS = 1_000

/**
 * What this process loads, and what waits, for Prometheus. It listens to the engine's channels from now on.
 * RSS, CPU time, descriptors, event loop lag and garbage collection are prom-client's own figures.
 */
export function createRegistry(backlog: Backlog): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  countLoads(registry)
  countBacklog(registry, backlog)
  return registry
}

function countLoads(registry: Registry): void {
  const registers = [registry]
  const records = new Counter({
    name: 'sluice_records_total',
    help: 'Records whose fate this process has committed',
    labelNames: ['fate'],
    registers,
  })
  const rejects = new Counter({
    name: 'sluice_rejects_total',
    help: 'Rejects by the code of their first error, duplicates that are told among them',
    labelNames: ['code'],
    registers,
  })
  const bytes = new Counter({
    name: 'sluice_source_bytes_total',
    help: 'Bytes of sources, decompressed, whose records are committed',
    registers,
  })
  const commitSeconds = new Histogram({
    name: 'sluice_commit_duration_seconds',
    help: 'From the first try of a commit until it is durable',
    labelNames: ['database'],
    buckets: BATCH_SECONDS,
    registers,
  })
  const batchSeconds = new Histogram({
    name: 'sluice_batch_duration_seconds',
    help: 'From the first byte of a batch until it is durable',
    labelNames: ['database'],
    buckets: BATCH_SECONDS,
    registers,
  })
  const running = new Gauge({ name: 'sluice_jobs_running', help: 'Loads in this process', registers })
  const ended = new Counter({
    name: 'sluice_jobs_ended_total',
    help: 'Ends of loads in this process: completed, interrupted (another process or a later run goes on), or the error',
    labelNames: ['result'],
    registers,
  })
  const retries = new Counter({
    name: 'sluice_retries_total',
    help: 'Errors of the database that may pass, each before its next try',
    registers,
  })
  const leasesLost = new Counter({
    name: 'sluice_leases_lost_total',
    help: 'Loads that stopped because another process had taken their job over',
    registers,
  })
  // Figures that are there from the start: a rate over what appears only later misses its first step.
  for (const fate of ['inserted', 'updated', 'unchanged', 'duplicate', 'rejected']) records.inc({ fate }, 0)

  const begun = new WeakMap<BatchTrace, number>()
  listen<BatchTrace>('sluice:batch', {
    start: (batch) => void begun.set(batch, performance.now()),
    asyncEnd(batch) {
      const { database, result, filledForMs } = batch
      if (!result) return
      const ms = performance.now() - begun.get(batch)!
      commitSeconds.observe({ database }, ms / 1000)
      batchSeconds.observe({ database }, (ms + filledForMs) / 1000)
      bytes.inc(Math.max(0, batch.bytes))
      const { inserted, updated, unchanged, duplicates } = result.outcome
      const codes = result.rejects.map(({ errors }) => errors[0]!.code)
      for (const code of codes) rejects.inc({ code })
      records.inc({ fate: 'inserted' }, inserted)
      records.inc({ fate: 'updated' }, updated)
      records.inc({ fate: 'unchanged' }, unchanged)
      records.inc({ fate: 'duplicate' }, duplicates)
      records.inc({ fate: 'rejected' }, codes.filter((code) => code !== 'duplicate').length)
    },
  })
  listen<JobTrace & { error?: unknown }>('sluice:job', {
    start: () => running.inc(),
    asyncEnd({ error }) {
      running.dec()
      ended.inc({ result: resultOf(error) })
    },
  })
  channel('sluice:retry').subscribe(() => retries.inc())
  channel('sluice:lease-lost').subscribe(() => leasesLost.inc())
}

function countBacklog(registry: Registry, backlog: Backlog): void {
  let last: { at: number; states: Promise<Record<UploadState, number>> } | undefined
  const states = () => {
    const now = performance.now()
    if (!last || now - last.at > STATES_FOR_MS) last = { at: now, states: backlog.states() }
    return last.states
  }
  const registers = [registry]
  new Gauge({
    name: 'sluice_uploads',
    help: 'Uploads by state, of all processes of this database; take max(), not sum()',
    labelNames: ['state'],
    registers,
    async collect() {
      for (const [state, count] of Object.entries(await states())) this.set({ state }, count)
    },
  })
  new Gauge({
    name: 'sluice_queue_depth',
    help: 'Stored uploads that wait for somebody to load them, of all processes of this database; take max(), not sum()',
    registers,
    async collect() {
      this.set((await states()).uploaded)
    },
  })
}

function resultOf(error: unknown): string {
  if (error === undefined) return 'completed'
  if (!(error instanceof SluiceError)) return 'SLUICE_INTERNAL'
  return error.code === 'SLUICE_INTERRUPTED' ? 'interrupted' : error.code
}
