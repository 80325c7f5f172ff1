import type { Checkpoint } from './checkpoint/job.ts'
import type { Claim } from './checkpoint/job-store.ts'
import { failpoint } from './failpoint.ts'
import type { Run } from './load-segment.ts'
import { Committer } from './write/committer.ts'

/** With 30 s, every 5 s: a lease outlives renewals that fail, and a cancelled job stops soon. */
const RENEWALS_A_LEASE = 6

/**
 * Does what is left of a segment that was claimed. When that fails, the segment is left so that the job can go on.
 * @param isAlone whether no other process may work on the job
 * @throws what `work` throws
 */
export async function underLease<T>(
  { options, database, prepared, meter, notice }: Run,
  { jobId, segment, epoch, source }: Checkpoint,
  claim: Claim,
  work: (committer: Committer) => Promise<T>,
  isAlone = true,
): Promise<T> {
  failpoint('after-claim')
  const saved = { jobId, segment, epoch, source, rejectTable: options.rejectTable }
  const committer = new Committer(database, prepared.store, saved, {
    notice,
    signal: options.signal,
    renewMs: (claim.seconds * 1000) / RENEWALS_A_LEASE,
    counted: () => (isAlone ? meter.counts : undefined),
  })
  try {
    return await work(committer)
  } catch (error) {
    throw await committer.giveUp(error)
  } finally {
    committer.close()
  }
}
