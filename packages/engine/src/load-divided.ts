import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { judge } from './budget.ts'
import type { Checkpoint, Job } from './checkpoint/job.ts'
import type { Claim } from './checkpoint/leases.ts'
import { leaseOwner, livesNoMore } from './checkpoint/owner.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { interrupted, loadSegment, type Run } from './load-segment.ts'
import { contentOf } from './loaded-before.ts'
import { planSource } from './plan-source.ts'
import { MOST_CONNECTIONS } from './segments.ts'
import { Threads } from './threads.ts'
import { claimOf, underLease } from './under-lease.ts'

/** Milliseconds between two looks at what others are doing. */
const LOOK_MS = 200

/**
 * Loads a source that is divided into segments, together with all others who do the same: whoever is free claims the first segment that
 * nobody holds, and when none is left waits for the others, in case one of them is gone. Who finds all of them done completes the job.
 * @throws SluiceError SLUICE_JOB when the job was cancelled, or failed in the hands of another process
 */
export async function loadDivided(run: Run): Promise<void> {
  const { options, sources, database, prepared, leases, meter, staging, notice, patiently } = run
  const { job, store, head } = prepared
  const source = sources[0]!
  staging?.fills(planSource(options, database, prepared, source, head).program.columns)
  // Of this process there may be several at work on the job, in threads or not.
  const owner = `${leaseOwner()}/${randomUUID().slice(0, 8)}`
  let threads: Threads | undefined
  try {
    for (let joins = false; ; ) {
      if (options.signal?.aborted) throw interrupted(job.jobId)
      const undone = await patiently(() => leases.undone(job.jobId))
      const claimed = await claimFirst(run, undone, { owner, joins })
      if (claimed) {
        joins = true
        threads ??= startThreads(run, undone.length - 1)
        await loadClaimed(run, claimed)
        continue
      }
      const now = (await patiently(() => store.read(job.jobId)))!
      meter.follow(now)
      if (now.status === 'COMPLETED') break
      if (undone.length === 0) {
        await complete(run, now)
        break
      }
      if (now.status === 'CANCELLED' || now.status === 'FAILED') {
        throw new SluiceError(
          'SLUICE_JOB',
          `Job ${job.jobId} was ended by another process: ${now.error ?? 'cancelled'}`,
        )
      }
      await delay(LOOK_MS, undefined, { signal: options.signal }).catch(() => undefined)
    }
  } catch (error) {
    throw (await threads?.end()) ?? error
  }
  // The job is complete, so that what one of them failed with only cost time.
  const failed = await threads?.end()
  if (failed) notice(`a thread could not help: ${failed.message}`)
  meter.nextSource(source.size ?? 0)
}

/** Where more connections are asked for than one thread has, others help: as many as there are connections, and no more than segments. */
function startThreads({ options, prepared }: Run, segments: number): Threads | undefined {
  const { parallel = 1, source, to, map } = options
  const isLocal = typeof source === 'string' || Array.isArray(source)
  if (parallel <= MOST_CONNECTIONS || !isLocal || map || (to !== undefined && typeof to !== 'string')) return undefined
  return new Threads(Math.min(parallel - 1, segments), { ...options, jobId: prepared.job.jobId })
}

/** The first segment that nobody holds, for this process; undefined where there is none now. */
async function claimFirst(
  { prepared: { job }, leases, patiently }: Run,
  undone: (Checkpoint & { isHeld: boolean })[],
  by: Pick<Claim, 'owner' | 'joins'>,
): Promise<Checkpoint | undefined> {
  for (const one of undone) {
    const isFree = !one.isHeld || livesNoMore(one.leaseOwner!)
    const claimed =
      isFree && (await patiently(() => leases.tryClaim(job.jobId, one.segment, { ...claimOf(one), ...by })))
    if (claimed) return claimed
  }
  return undefined
}

async function loadClaimed(run: Run, claimed: Checkpoint): Promise<void> {
  const { sources, prepared, leases, patiently } = run
  const { committed, endByte, segment } = claimed
  const { head } = prepared
  const from = committed.byte > 0 ? committed : head.start
  const part = { source: sources[0]!, head, segment, from, to: endByte ?? undefined, known: null }
  await underLease(
    run,
    claimed,
    claimOf(claimed),
    async (committer) => {
      await loadSegment(run, part, committer)
      failpoint('before-finish')
      await patiently(() => leases.finishSegment(claimed))
    },
    false,
  )
}

/** Judges and completes a job of which all segments are done, as another process may at the same time. */
async function complete({ options, sources, prepared, meter, staging, patiently }: Run, { jobId }: Job): Promise<void> {
  const { store } = prepared
  const source = sources[0]!
  try {
    judge(options, meter, true)
  } catch (error) {
    await patiently(() => store.refuse(jobId, (error as Error).message))
    throw error
  }
  const sha256 = await contentOf(sources)
  if (sha256 !== undefined) await patiently(() => store.noteSha256(jobId, sha256))
  const bytesTotal = source.size ?? 0
  failpoint('before-finish')
  if (staging) {
    try {
      await patiently(() => staging.publish(jobId, [store.completing(jobId, bytesTotal)]))
    } catch (error) {
      if ((await patiently(() => store.read(jobId)))?.status !== 'COMPLETED') throw error
    }
  } else await patiently(() => store.complete(jobId, { bytesTotal }))
  failpoint('after-finish')
}
