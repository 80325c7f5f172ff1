import type { Lease, Mark } from '../checkpoint/job.ts'
import type { Leases } from '../checkpoint/leases.ts'
import { tellLeaseLost, traceBatch } from '../diagnostics.ts'
import { SluiceError } from '../errors.ts'
import type { Batch } from '../parse/batch.ts'
import type { Reject } from '../reject/reject.ts'
import type { Program } from '../schema/program.ts'
import type { Conflict, Database, LoadPlan, Outcome } from './database.ts'
import { retry } from './retry.ts'
import type { Staging } from './staging.ts'

/** What a commit did, and all rejects of the batch in order. */
export interface Committed {
  outcome: Outcome
  rejects: Reject[]
}

type Counts = Omit<Outcome, 'rejects'>

/** A lease, and what the rejects of its segment are saved with. */
type Held = Lease & Pick<LoadPlan, 'source' | 'rejectTable'>

/**
 * Commits the batches of one segment under its lease: once each, whatever happens. An error that may pass is tried again on a new connection;
 * where it is not known whether COMMIT took effect, the checkpoint tells, which is in the same transaction as the rows.
 */
export class Committer {
  readonly #database: Database
  readonly #leases: Leases
  readonly #lease: Held
  readonly #notice: (message: string) => void
  readonly #signal: AbortSignal | undefined
  readonly #counted: () => Counts | undefined
  readonly #heartbeat: NodeJS.Timeout
  #renewing = false
  #handedOverAt = performance.now()
  /** What went wrong when the lease was renewed; told by the next commit. */
  #lost: unknown
  /** The job is over, by the word of somebody else. */
  #ended = false

  constructor(
    database: Database,
    leases: Leases,
    lease: Held,
    {
      notice,
      signal,
      renewMs,
      counted,
    }: {
      notice: (message: string) => void
      signal?: AbortSignal | undefined
      renewMs: number
      /** What all batches of the job that were told to be committed have come to; undefined where others commit to it, too. */
      counted: () => Counts | undefined
    },
  ) {
    this.#database = database
    this.#leases = leases
    this.#lease = lease
    this.#notice = notice
    this.#signal = signal
    this.#counted = counted
    // A source may be slower than the lease is long.
    this.#heartbeat = setInterval(() => void this.#renew(), renewMs).unref()
  }

  async prepare(
    { program, conflict }: { program: Program; conflict?: Conflict | undefined },
    way: Pick<LoadPlan, 'table' | 'declared' | 'dialect' | 'encoding' | 'write' | 'stagedFor' | 'rows'>,
  ): Promise<void> {
    const { columns, sourceColumns } = program
    const origins = columns.map(({ from, name }) =>
      'cell' in from ? { header: sourceColumns[from.cell]!, cell: from.cell } : { header: name, cell: null },
    )
    const plan = { ...this.#lease, ...way, columns, origins, conflict }
    await this.#retry(() => this.#database.prepare(plan))
  }

  /**
   * Resolves when the batch is durable.
   * @param to the batch's end, with what is known of the source before it
   * @param after settles with the batch before it, while that one is on its way
   */
  async commit(batch: Batch, to: Mark, after: Promise<unknown> | undefined): Promise<Committed> {
    if (this.#lost) throw this.#lost
    let tried = false
    let isInVain = false
    after?.catch(() => {
      isInVain = true
    })
    const work = async (): Promise<Committed> => {
      const already = tried ? await this.#committedAlready(batch) : undefined
      if (already) return already
      try {
        const outcome = await this.#database.commit(batch, to, { after })
        return { outcome, rejects: [...batch.rejects, ...outcome.rejects].sort((a, b) => a.record - b.record) }
      } catch (error) {
        // The checkpoint refused it; what moved it may be an earlier try, whose COMMIT was still under way.
        const late = tried && isLeaseLost(error) ? await this.#committedAlready(batch) : undefined
        if (late) return late
        throw error
      } finally {
        tried = true
      }
    }
    const { jobId, segment } = this.#lease
    const now = performance.now()
    const trace = {
      jobId,
      segment,
      database: this.#database.kind,
      records: batch.to.record - batch.from.record,
      bytes: batch.to.byte - batch.from.byte,
      filledForMs: now - this.#handedOverAt,
    }
    this.#handedOverAt = now
    return traceBatch(trace, () => this.#retry(work, () => isInVain))
  }

  /** The segment is complete. */
  async finish(bytes: number): Promise<void> {
    await this.#retry(() => this.#leases.finish(this.#lease, { bytesTotal: bytes }))
  }

  /** All rows are staged, and go to the target now. */
  async publish(staging: Pick<Staging, 'publish'>, bytes: number): Promise<void> {
    let tried = false
    await this.#retry(async () => {
      if (this.#lost) throw this.#lost
      if (tried && (await this.#leases.jobs.read(this.#lease.jobId))?.status === 'COMPLETED') return
      tried = true
      await staging.publish(this.#lease.jobId, this.#leases.finishing(this.#lease, bytes))
    })
  }

  /**
   * Leaves the job so that it can be resumed: PENDING after an interruption, FAILED after an error.
   * @returns the error to throw: the one given
   */
  async giveUp(error: unknown): Promise<unknown> {
    const { jobId, segment } = this.#lease
    if (isLeaseLost(error)) tellLeaseLost({ jobId, segment })
    try {
      if (this.#ended || (error instanceof SluiceError && error.code === 'SLUICE_INTERRUPTED'))
        await this.#leases.release(this.#lease)
      else await this.#leases.fail(this.#lease, error instanceof Error ? error.message : String(error))
    } catch (second) {
      // The database is away, which is most likely what `error` says; the lease runs out by itself.
      this.#notice(`the job's state could not be saved: ${(second as Error).message}`)
    }
    return error
  }

  close(): void {
    clearInterval(this.#heartbeat)
  }

  /**
   * What an earlier try committed, when it did and its answer was lost. The lease keeps everyone else out, so a checkpoint
   * that stands at the end of the batch was moved by that try.
   */
  async #committedAlready(batch: Batch): Promise<Committed | undefined> {
    const checkpoint = (await this.#leases.jobs.checkpoints(this.#lease.jobId)).find(
      ({ segment }) => segment === this.#lease.segment,
    )
    if (checkpoint?.epoch !== this.#lease.epoch) {
      throw new SluiceError(
        'SLUICE_LEASE_LOST',
        `Another process has taken over job ${this.#lease.jobId}, so this one stops`,
      )
    }
    if (checkpoint.committed.byte !== batch.to.byte || checkpoint.committed.record !== batch.to.record) return undefined
    const rejects = await this.#leases.jobs.rejectsBetween(this.#lease.jobId, batch.from.record, batch.to.record)
    const job = (await this.#leases.jobs.read(this.#lease.jobId))!
    const before = this.#counted()
    if (!before) {
      // Such a job only ever inserts.
      const inserted = batch.to.record - batch.from.record - rejects.length
      return { outcome: { job, inserted, updated: 0, unchanged: 0, duplicates: 0, rejects: [] }, rejects }
    }
    // Batches are committed one behind the other, so what the job counts beyond those before this one is this one's.
    const { inserted, updated, unchanged, duplicates } = job
    return {
      outcome: {
        inserted: inserted - before.inserted,
        updated: updated - before.updated,
        unchanged: unchanged - before.unchanged,
        duplicates: duplicates - before.duplicates,
        rejects: [],
      },
      rejects,
    }
  }

  #retry<T>(work: () => Promise<T>, isInVain = () => false): Promise<T> {
    return retry(work, {
      classify: (error) => (isInVain() ? 'environment' : this.#database.classify(error)),
      notice: this.#notice,
      signal: this.#signal,
    })
  }

  #end(what: string): void {
    this.#ended = true
    this.#lost = new SluiceError('SLUICE_JOB', `Job ${this.#lease.jobId} ${what}`)
  }

  async #renew(): Promise<void> {
    // One that waits behind a commit is enough.
    if (this.#renewing) return
    this.#renewing = true
    try {
      const status = await this.#leases.renew(this.#lease)
      if (status === 'CANCELLED') this.#end('was cancelled')
      if (status === 'FAILED') this.#end('failed in the hands of another process')
    } catch (error) {
      // Anything but a lost lease concerns the next commit anyway, which tries again.
      if (isLeaseLost(error)) this.#lost = error
    } finally {
      this.#renewing = false
    }
  }
}

function isLeaseLost(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'SLUICE_LEASE_LOST'
}
