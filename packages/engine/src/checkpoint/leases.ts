import { SluiceError } from '../errors.ts'
import { failpoint } from '../failpoint.ts'
import type { Database, SqlValue, Statement } from '../write/database.ts'
import { later, renewed } from './clock.ts'
import { type Checkpoint, type JobStatus, type Lease, type SqlRow, toCheckpoint } from './job.ts'
import { JobStore } from './job-store.ts'

/** Who asks for a segment. */
export interface Claim {
  /** Host and process, and thread where there are several. */
  owner: string
  /** Length of the lease. */
  seconds: number
  /** An owner that is known to live no more: its lease is taken over before it runs out. */
  dead?: string
  /** Only as long as the job goes on: what has failed meanwhile is not begun again. Default: false. */
  joins?: boolean
}

/** The row of a lease that is still held; its parameters are {@link held}. */
const HELD = 'job_id = $1 AND segment = $2 AND epoch = $3'
const held = (lease: Lease) => [lease.jobId, lease.segment, lease.epoch]
const FREE = 'lease_owner = NULL, lease_expires = NULL'

/**
 * The segments of jobs in the hands of whoever loads them: who holds one may commit to it, until somebody else claims it under a later
 * epoch. Every comparison of times is made by the database's clock. All methods throw what `Database.query` throws.
 */
export class Leases {
  readonly jobs: JobStore
  readonly #database: Pick<Database, 'query' | 'transact' | 'kind' | 'now'>

  constructor(database: Pick<Database, 'query' | 'transact' | 'kind' | 'now'>) {
    this.jobs = new JobStore(database)
    this.#database = database
  }

  /**
   * Takes the lease of a segment under a new epoch, and makes the job PROCESSING. Every commit renews the lease.
   *
   * @param by Its owner may claim again what it holds.
   * @throws SluiceError SLUICE_JOB when the job is missing, complete or cancelled, or the lease of another owner is alive.
   */
  async claim(jobId: string, segment: number, by: Claim): Promise<Checkpoint> {
    const claimed = await this.tryClaim(jobId, segment, by)
    if (!claimed) throw await this.#refusal(jobId, segment)
    return claimed
  }

  /** The same; undefined where it is refused. */
  async tryClaim(jobId: string, segment: number, by: Claim): Promise<Checkpoint | undefined> {
    const { kind, now } = this.#database
    const closed = by.joins ? `'COMPLETED', 'CANCELLED', 'FAILED'` : `'COMPLETED', 'CANCELLED'`
    const [row] = await this.#run(
      `UPDATE ingestion_checkpoints SET epoch = epoch + 1, lease_owner = $3, lease_expires = ${later(kind, now, '$4')},
         updated_at = ${now}
         WHERE job_id = $1 AND segment = $2
           AND (lease_expires IS NULL OR lease_expires <= ${now} OR lease_owner IN ($3, $5))
           AND EXISTS (SELECT 1 FROM ingestion_jobs WHERE job_id = $1 AND status NOT IN (${closed}))
         RETURNING *`,
      [jobId, segment, by.owner, by.seconds, by.dead ?? by.owner],
    )
    if (!row) return undefined
    await this.#run(
      `UPDATE ingestion_jobs SET status = 'PROCESSING', error = NULL, started_at = coalesce(started_at, ${now}),
         updated_at = ${now} WHERE job_id = $1 AND status NOT IN (${closed})`,
      [jobId],
    )
    return toCheckpoint(row)
  }

  /**
   * The segments of a job that are not done, the first hundred in order, and whether somebody's lease of each is alive: there is one to
   * claim among them unless a hundred workers are at it.
   */
  async undone(jobId: string): Promise<(Checkpoint & { isHeld: boolean })[]> {
    const rows = await this.#run(
      `SELECT *, CASE WHEN lease_expires > ${this.#database.now} THEN 1 ELSE 0 END AS held FROM ingestion_checkpoints
         WHERE job_id = $1 AND NOT done ORDER BY segment LIMIT 100`,
      [jobId],
    )
    return rows.map((row) => ({ ...toCheckpoint(row), isHeld: row.held === 1 }))
  }

  /**
   * Renews the lease, for the times in which nothing is committed.
   *
   * @returns The job's status; CANCELLED asks the worker to stop.
   * @throws SluiceError SLUICE_LEASE_LOST when someone else has claimed the segment.
   */
  async renew(lease: Lease): Promise<JobStatus> {
    const { kind, now } = this.#database
    const [row] = await this.#run(
      `UPDATE ingestion_checkpoints SET lease_expires = ${renewed(kind, now)}, updated_at = ${now} WHERE ${HELD}
         RETURNING (SELECT status FROM ingestion_jobs WHERE job_id = $1) AS status`,
      held(lease),
    )
    if (!row) throw lost(lease)
    return row.status as JobStatus
  }

  /**
   * Gives the lease back so that the next claim need not wait, and makes the job PENDING when nobody else works on it.
   * Does nothing when the lease is lost.
   */
  async release(lease: Lease): Promise<void> {
    const { now } = this.#database
    await this.#run(
      `UPDATE ingestion_jobs SET status = 'PENDING', updated_at = ${now}
         WHERE job_id = $1 AND status = 'PROCESSING' AND EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE ${HELD})
           AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints
             WHERE job_id = $1 AND segment <> $2 AND lease_expires > ${now})`,
      held(lease),
    )
    await this.#run(`UPDATE ingestion_checkpoints SET ${FREE} WHERE ${HELD}`, held(lease))
  }

  /**
   * Marks the segment done, gives its lease back, and completes the job when no other segment is left to do.
   *
   * @param facts Of the whole source, known now that it was read to its end; kept when the job completes.
   * @returns Whether this completed the job.
   * @throws SluiceError SLUICE_LEASE_LOST when someone else has claimed the segment.
   */
  async finish(lease: Lease, facts: { sha256?: string; bytesTotal?: number } = {}): Promise<boolean> {
    await this.finishSegment(lease)
    return this.jobs.complete(lease.jobId, facts)
  }

  /**
   * Marks the segment done and gives its lease back; the job goes on.
   * @throws SluiceError SLUICE_LEASE_LOST when someone else has claimed the segment.
   */
  async finishSegment(lease: Lease): Promise<void> {
    const { text, params } = this.#segmentDone(lease)
    if ((await this.#run(text, params)).length === 0) throw lost(lease)
    failpoint('after-segment-done')
  }

  /**
   * What {@link finish} does with the last segment of a job, for a transaction that does more. Other than there, nothing is
   * done when the job is complete already.
   */
  finishing(lease: Lease, bytesTotal: number): Statement[] {
    return [this.#segmentDone(lease), this.jobs.completing(lease.jobId, bytesTotal)]
  }

  #segmentDone(lease: Lease): Statement {
    return {
      text: `UPDATE ingestion_checkpoints SET done = TRUE, ${FREE} WHERE ${HELD} RETURNING segment`,
      params: held(lease),
      orElse: lost(lease),
    }
  }

  /**
   * Marks the job FAILED, unless it was cancelled meanwhile, and gives the lease back; it can be claimed again. Does nothing when
   * the lease is lost.
   */
  async fail(lease: Lease, error: string): Promise<void> {
    await this.#run(
      `UPDATE ingestion_jobs SET status = 'FAILED', error = $4, updated_at = ${this.#database.now}
         WHERE job_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED')
           AND EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE ${HELD})`,
      [...held(lease), error],
    )
    await this.#run(`UPDATE ingestion_checkpoints SET ${FREE} WHERE ${HELD}`, held(lease))
  }

  #run(text: string, params: SqlValue[] = []): Promise<SqlRow[]> {
    return this.#database.query<SqlRow>(text, params)
  }

  /** Why a claim matched no row. */
  async #refusal(jobId: string, segment: number): Promise<SluiceError> {
    const job = await this.jobs.read(jobId)
    const checkpoint = (await this.jobs.checkpoints(jobId)).find((each) => each.segment === segment)
    if (!(job && checkpoint)) return new SluiceError('SLUICE_JOB', `There is no job ${jobId} with a segment ${segment}`)
    const what = `Job ${jobId} (${job.source} into ${job.targetTable})`
    if (job.status === 'COMPLETED') return new SluiceError('SLUICE_JOB', `${what} is complete`)
    if (job.status === 'CANCELLED') return new SluiceError('SLUICE_JOB', `${what} was cancelled`)
    return new SluiceError(
      'SLUICE_JOB',
      `${what} is being loaded by ${checkpoint.leaseOwner}, whose lease lasts until ${checkpoint.leaseExpires} unless ` +
        'it is renewed. Let it finish, or stop it and try again after that time',
    )
  }
}

function lost({ jobId, segment }: Lease): SluiceError {
  return new SluiceError('SLUICE_LEASE_LOST', `Another process has taken over job ${jobId} (segment ${segment})`)
}
