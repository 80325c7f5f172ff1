import { judge } from './budget.ts'
import { Leases } from './checkpoint/leases.ts'
import { Repeats } from './dedupe/repeats.ts'
import { traceJob } from './diagnostics.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { headOf } from './head.ts'
import { loadDivided } from './load-divided.ts'
import { loadSegment, type Run } from './load-segment.ts'
import { contentOf, skippedReceipt } from './loaded-before.ts'
import { Meter } from './meter.ts'
import type { LoadOptions } from './options.ts'
import { planSource } from './plan-source.ts'
import { noteHeader, prepareJob } from './prepare.ts'
import type { Receipt } from './receipt.ts'
import { RejectFile } from './reject/reject-file.ts'
import { rejectLine, rejectsHead } from './rejects-csv.ts'
import { isStaged } from './settings.ts'
import { openSources } from './source/open.ts'
import { claimOf, underLease } from './under-lease.ts'
import { storedAt, unpacked } from './unpack.ts'
import { validOptions } from './valid-options.ts'
import type { Database } from './write/database.ts'
import { LateIndex } from './write/late-index.ts'
import { openDatabase } from './write/open.ts'
import { retry } from './write/retry.ts'
import { Staging } from './write/staging.ts'

/**
 * Loads a source into a table: every record is checked, and ends in the table or among the rejects. When it is interrupted, by whatever
 * it may be, the same call goes on behind the last committed batch.
 *
 * @throws SluiceError; the load can be resumed after every one whose code is not one of usage or configuration
 *
 * @example
 * const receipt = await load({ source: 'people.csv', to: 'postgres://localhost/crm', table: 'people' })
 * console.log(receipt.inserted, receipt.rejected)
 */
export async function load(given: LoadOptions): Promise<Receipt> {
  const options = validOptions(given)
  const notice = options.onNotice ?? (() => undefined)
  const began = performance.now()
  const sources = await openSources(options.source, options.sourceName ?? 'stream', options.signal)
  let database: Database | undefined
  let rejectFile: RejectFile | undefined
  try {
    if (options.signal?.aborted) throw new SluiceError('SLUICE_INTERRUPTED', 'Interrupted before anything was done')
    if (options.rejects !== undefined) rejectFile = await RejectFile.open(options.rejects)
    const target = await openDatabase(options.to, { notice, signal: options.signal, parallel: options.parallel })
    database = target
    for (const [i, source] of sources.entries()) sources[i] = await unpacked(source, options)
    const prepared = await prepareJob(options, sources, target, notice)
    if ('loadedBy' in prepared) {
      const { source, jobId, targetTable } = prepared.loadedBy
      notice(
        `${targetTable} has the content of ${source} already, by job ${jobId}, so it is skipped; --force loads it again`,
      )
      return skippedReceipt(prepared.loadedBy, performance.now() - began)
    }
    const { jobId, recordsRead: record } = prepared.job
    const job = { jobId, table: prepared.job.targetTable, database: target.kind, record }
    const meter = new Meter(prepared.job, options.onProgress)
    try {
      const given = { options, sources, database: target, prepared, meter, rejectFile, notice }
      return await traceJob(job, () => runJob(given))
    } finally {
      meter.close()
    }
  } finally {
    try {
      await database?.close()
    } finally {
      await Promise.all([...sources.map((source) => source.close()), rejectFile?.close()])
    }
  }
}

async function runJob(given: Omit<Run, 'leases' | 'staging' | 'repeats' | 'patiently'>): Promise<Receipt> {
  const { options, sources, database, prepared, meter, rejectFile, notice } = given
  const { job, store, settings, checkpoints } = prepared
  const patiently = <T>(work: () => Promise<T>): Promise<T> =>
    retry(work, { classify: (error) => database.classify(error), notice, signal: options.signal })
  const { conflict } = planSource(options, database, prepared, sources[0]!, prepared.head)
  const staging = isStaged(options)
    ? new Staging(database, prepared.table, prepared.target, job.jobId, { mode: options.mode, conflict })
    : undefined
  const { lateKey } = prepared.target
  const repeats = lateKey && new Repeats(job.bytesTotal, options.expectedRows)
  const run = { ...given, leases: new Leases(database), staging, repeats, patiently }
  if (job.status !== 'COMPLETED') await patiently(async () => staging?.open(job.recordsRead > 0))
  // What an interrupted run appended last may not be what it committed last: the file is written anew from the table.
  const writeRejects = async () => {
    await rejectFile?.begin(rejectsHead(settings), rejectLine(settings))
    if (rejectFile) for await (const page of store.rejects(job.jobId)) await rejectFile.append(page)
  }
  if (sources.length === 1 && checkpoints.length > 1) {
    await loadDivided(run)
    // Its segments have committed them in any order.
    await writeRejects()
  } else {
    await writeRejects()
    await loadSources(run)
  }
  // Where every segment was done before, whoever did the last one did not get to say so.
  await patiently(() => store.complete(job.jobId))
  const done = (await patiently(() => store.read(job.jobId)))!
  if (done.status === 'CANCELLED') throw new SluiceError('SLUICE_JOB', `Job ${job.jobId} was cancelled`)
  meter.settle(done)
  return await patiently(async () => meter.receipt(done, await store.rejectCounts(job.jobId)))
}

/** One source after the other, each in one segment. */
async function loadSources(run: Run): Promise<void> {
  const { options, sources, database, prepared, leases, meter, staging, repeats, patiently } = run
  const { job, store, checkpoints, settings } = prepared
  const { lateKey } = prepared.target
  const lateIndex =
    lateKey && new LateIndex(database, prepared.table, prepared.target, lateKey[0]!, () => repeats?.end())
  // Records are counted through all the sources of a job.
  let records = 0
  for (const [segment, source] of sources.entries()) {
    const checkpoint = checkpoints[segment]!
    const headOfSource = async () =>
      segment === 0 ? prepared.head : await headOf(source, settings.dialect, () => settings.header)
    staging?.fills(planSource(options, database, prepared, source, await headOfSource()).program.columns)
    if (checkpoint.done) {
      records = checkpoint.committed.record
      meter.nextSource(checkpoint.committedStored)
      continue
    }
    const claim = claimOf(checkpoint)
    const claimed = await patiently(() => leases.claim(job.jobId, segment, claim))
    await underLease(run, claimed, claim, async (committer) => {
      const head = await headOfSource()
      // Not all were known to the version that began the job.
      if (noteHeader(settings, segment, head.header)) await patiently(() => store.saveSettings(job.jobId, settings))
      const begun = claimed.committed.byte > 0
      const from = begun ? claimed.committed : { ...head.start, record: records }
      const part = { source, head, segment, from, known: claimed.committedSha256 }
      const end = await loadSegment(run, part, committer)
      judge(options, meter, true)
      records = end.record
      const bytes = meter.nextSource(storedAt(source, end.byte))
      const isLast = segment === sources.length - 1
      // What was read in part is not the whole content.
      const sha256 = isLast && options.limit === undefined ? await contentOf(sources) : undefined
      if (sha256 !== undefined) await patiently(() => store.noteSha256(job.jobId, sha256))
      failpoint('before-finish')
      if (staging && isLast) await committer.publish(staging, bytes)
      else if (lateIndex && isLast) await committer.publish(lateIndex, bytes)
      else await committer.finish(bytes)
      failpoint('after-finish')
    })
  }
}
