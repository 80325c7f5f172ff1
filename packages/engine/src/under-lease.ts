import type { Checkpoint } from './checkpoint/job.ts'
import type { Claim } from './checkpoint/leases.ts'
import { leaseOwner, livesNoMore } from './checkpoint/owner.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import type { Run } from './load-segment.ts'
import { Committer } from './write/committer.ts'

/** With 30 s, every 5 s: a lease outlives renewals that fail, and a cancelled job stops soon. */
const RENEWALS_A_LEASE = 6

/** Seconds without a commit or a renewal after which another process may take a job over. */
function leaseSeconds(): number {
  const seconds = Number(process.env.SLUICE_LEASE_SECONDS ?? 30)
  if (!(seconds >= 1))
    throw new SluiceError('SLUICE_CONFIG', 'SLUICE_LEASE_SECONDS must be a number of seconds, 1 or more')
  return seconds
}

export function claimOf(checkpoint: Checkpoint | undefined): Claim {
  const claim = { owner: leaseOwner(), seconds: leaseSeconds() }
  const holder = checkpoint?.leaseOwner
  return holder && livesNoMore(holder) ? { ...claim, dead: holder } : claim
}

/**
 * Does what is left of a segment that was claimed. When that fails, the segment is left so that the job can go on.
 * @param isAlone whether no other process may work on the job
 * @throws what `work` throws
 */
export async function underLease<T>(
  { options, database, leases, meter, notice }: Run,
  { jobId, segment, epoch, source }: Checkpoint,
  claim: Claim,
  work: (committer: Committer) => Promise<T>,
  isAlone = true,
): Promise<T> {
  failpoint('after-claim')
  const saved = { jobId, segment, epoch, source, rejectTable: options.rejectTable }
  const committer = new Committer(database, leases, saved, {
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
