import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type ErrorCode, SluiceError } from './errors.ts'
import type { LoadOptions } from './options.ts'

/** A load that was begun, as one thread tells another one. */
export type ThreadOptions = Omit<LoadOptions, 'signal' | 'onNotice' | 'onProgress' | 'map' | 'restart' | 'rejects'> & {
  jobId: string
}

/** What a thread says at its end: nothing, or why it failed. */
export type ThreadEnd = { code: ErrorCode; message: string } | null

/** Threads of this process that help with the segments of a job, each with a connection of its own. */
export class Threads {
  readonly #workers: Worker[]
  readonly #ends: Promise<ThreadEnd>[]

  constructor(count: number, options: LoadOptions & { jobId: string }) {
    const { signal: _s, onNotice: _n, onProgress: _p, map: _m, restart: _r, rejects: _f, ...rest } = options
    const workerData: ThreadOptions = rest
    // The compiler rewrites imports, not URLs: run from TypeScript the thread is thread.ts, from JavaScript thread.js.
    const script = new URL(`./thread${extname(import.meta.url)}`, import.meta.url)
    this.#workers = Array.from({ length: count }, () => new Worker(script, { execArgv: [], workerData }))
    this.#ends = this.#workers.map(endOf)
  }

  /**
   * Lets each commit what is in flight, and waits for all of them.
   * @returns what the first of them failed with; not that the job was complete, or ended by somebody else
   */
  async end(): Promise<SluiceError | undefined> {
    for (const worker of this.#workers) worker.postMessage('end')
    const ends = await Promise.all(this.#ends)
    const failed = ends.find((end) => end && end.code !== 'SLUICE_JOB' && end.code !== 'SLUICE_INTERRUPTED')
    return failed ? new SluiceError(failed.code, failed.message) : undefined
  }
}

async function endOf(worker: Worker): Promise<ThreadEnd> {
  try {
    const [end] = await Promise.race([once(worker, 'message'), once(worker, 'exit')])
    return typeof end === 'number' ? { code: 'SLUICE_INTERNAL', message: `a thread ended with ${end}` } : end
  } catch (error) {
    return { code: 'SLUICE_INTERNAL', message: (error as Error).message }
  }
}
