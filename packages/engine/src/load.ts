import type { Lease } from './checkpoint/job.ts'
import { charsetOf, UTF_8 } from './decode/encodings.ts'
import { Transcoder } from './decode/transcode.ts'
import { Translation } from './decode/translation.ts'
import { traceJob } from './diagnostics.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { headOf, type SourceHead } from './head.ts'
import { Input } from './input.ts'
import { contentOf, skippedReceipt } from './loaded-before.ts'
import { Meter } from './meter.ts'
import type { LoadOptions } from './options.ts'
import { BatchBuffer } from './parse/batch.ts'
import { MappedParser } from './parse/mapped-parser.ts'
import { Parser } from './parse/parser.ts'
import type { Position } from './parse/position.ts'
import { planSource } from './plan-source.ts'
import { claimOf, noteHeader, type PreparedJob, prepareJob } from './prepare.ts'
import type { Receipt } from './receipt.ts'
import { RejectFile } from './reject/reject-file.ts'
import { rejectLine, rejectsHead } from './rejects-csv.ts'
import { isStaged } from './settings.ts'
import { openSources } from './source/open.ts'
import type { Source } from './source/source.ts'
import { storedAt, unpacked } from './unpack.ts'
import { Committer } from './write/committer.ts'
import type { Database } from './write/database.ts'
import { openDatabase } from './write/open.ts'
import { retry } from './write/retry.ts'
import { Staging } from './write/staging.ts'

/**
 * Records and source bytes of a batch. PostgreSQL, over one connection: 50,000 rows a commit took 0.98 of the time of one single
 * transaction, 10,000 took 1.17 and 1,000 took 2.3. Over two, which hide a commit behind the other's rows, 2, 3 and 4 MiB took the
 * same time, and 4 MiB made the process 10 MB larger; who asks for a number of rows gets up to 10 MiB of them. SQLite: with a primary
 * key images of 2 MiB took 0.8 of the time of 10 MiB.
 */
const BATCH_ROWS = 50_000
const BATCH_BYTES = 2 * 1024 * 1024
const ASKED_BATCH_BYTES = { postgres: 10 * 1024 * 1024, sqlite: BATCH_BYTES }
const UNNEST_ROWS = 1_000
/** The first batch; each one after it is twice as large, so that a load that is killed every few seconds still advances. */
const FIRST_BATCH_ROWS = 4_096
/**
 * Rejects that a batch is meant to have, at most: where they are many, batches become small. Those that the database finds are some KB
 * of objects each until they are committed, in SQLite in two threads. With every second of 300,000 rows refused by a CHECK, batches
 * of 50,000 took 277 MB in SQLite, and 145 MB with this; PostgreSQL then takes 150 MB.
 */
const REJECTS_A_BATCH = 1_000
/** With 30 s, every 5 s: a lease outlives renewals that fail, and a cancelled job stops soon. */
const RENEWALS_A_LEASE = 6
/** A batch waits no longer than this for more, in ms, so that a slow source shows and drains soon. */
const LINGER_MS = 1_000
/** A load whose first records are all rejects, so many of them, has the wrong schema or dialect. */
export const HOPELESS_RECORDS = 10_000
/** Records after which a percentage of rejects is judged for the first time. */
const PERCENT_AFTER = 1_000

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
export async function load(options: LoadOptions): Promise<Receipt> {
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
    return await traceJob(job, () => runJob(options, sources, target, prepared, rejectFile, notice))
  } finally {
    try {
      await database?.close()
    } finally {
      await Promise.all([...sources.map((source) => source.close()), rejectFile?.close()])
    }
  }
}

async function runJob(
  options: LoadOptions,
  sources: Source[],
  database: Database,
  prepared: PreparedJob,
  rejectFile: RejectFile | undefined,
  notice: (message: string) => void,
): Promise<Receipt> {
  const { job, store, checkpoints, settings } = prepared
  const meter = new Meter(job, options.onProgress)
  const patiently = <T>(work: () => Promise<T>): Promise<T> =>
    retry(work, { classify: (error) => database.classify(error), notice, signal: options.signal })
  const { atomic, mode = 'append' } = options
  const staging = isStaged({ atomic, mode })
    ? new Staging(database, prepared.table, prepared.target, job.jobId, mode)
    : undefined
  // Records are counted through all the sources of a job.
  let records = 0
  if (job.status !== 'COMPLETED') await patiently(async () => staging?.open(job.recordsRead > 0))
  // What an interrupted run appended last may not be what it committed last: the file is written anew from the table.
  await rejectFile?.begin(rejectsHead(settings), rejectLine(settings))
  if (rejectFile) for await (const page of store.rejects(job.jobId)) await rejectFile.append(page)
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
    const claimed = await patiently(() => store.claim(job.jobId, segment, claim))
    failpoint('after-claim')
    const lease: Lease = { jobId: job.jobId, segment, epoch: claimed.epoch }
    const saved = { ...lease, source: source.name, rejectTable: options.rejectTable }
    const renewMs = (claim.seconds * 1000) / RENEWALS_A_LEASE
    const committer = new Committer(database, store, saved, {
      notice,
      signal: options.signal,
      renewMs,
      counted: () => meter.counts,
    })
    try {
      const head = await headOfSource()
      // Not all were known to the version that began the job.
      if (noteHeader(settings, segment, head.header)) await patiently(() => store.saveSettings(job.jobId, settings))
      const begun = claimed.committed.byte > 0
      const from = begun ? claimed.committed : { ...head.start, record: records }
      const end = await loadSource(options, database, prepared, {
        source,
        head,
        from,
        known: claimed.committedSha256,
        committer,
        meter,
        rejectFile,
        staging,
        segment,
      })
      records = end.record
      const bytes = meter.nextSource(storedAt(source, end.byte))
      const isLast = segment === sources.length - 1
      // What was read in part is not the whole content.
      const sha256 = isLast && options.limit === undefined ? await contentOf(sources) : undefined
      if (sha256 !== undefined) await patiently(() => store.noteSha256(job.jobId, sha256))
      failpoint('before-finish')
      if (staging && isLast) await committer.publish(staging, bytes)
      else await committer.finish(bytes)
      failpoint('after-finish')
    } catch (error) {
      throw await committer.giveUp(error)
    } finally {
      committer.close()
    }
  }
  // Where every segment was done before, whoever did the last one did not get to say so.
  await patiently(() => store.complete(job.jobId))
  meter.report(true)
  return await patiently(async () => meter.receipt((await store.read(job.jobId))!, await store.rejectCounts(job.jobId)))
}

interface SourceLoad {
  source: Source
  head: SourceHead
  from: Position
  /** SHA-256 of what is before `from`. */
  known: string | null
  committer: Committer
  meter: Meter
  rejectFile: RejectFile | undefined
  staging: Staging | undefined
  segment: number
}

/**
 * THE loop. It awaits bytes, lets the kernel fill a batch, and awaits the commit of one before: while the database is busy with as
 * many batches as it takes at once the next one is made, and while that is full nothing is read. That await is the backpressure.
 */
async function loadSource(
  options: LoadOptions,
  database: Database,
  prepared: PreparedJob,
  work: SourceLoad,
): Promise<Position> {
  const { source, head, from, known, committer, meter, rejectFile, staging, segment } = work
  const { signal, write = 'copy', maxRecordBytes, limit = Number.POSITIVE_INFINITY } = options
  const plan = planSource(options, database, prepared, source, head)
  const { program } = plan
  const encoding = database.encodingFor(program.columns, write)
  const table = staging?.table ?? prepared.table
  await committer.prepare(plan, { table, dialect: head.dialect, encoding, write, stagedFor: staging?.stagedFor })
  const charset = charsetOf(head.dialect.encoding)
  const transcoder = new Transcoder(charset, source.read(from.byte, known), from.byte)
  // The parser counts the bytes of the text; what leaves is told in those of the source.
  const translation = new Translation(charset, from.byte)
  const parsing = {
    program,
    dialect: head.dialect,
    encoding,
    maxRecordBytes,
    position: from,
    begun: from.byte > head.start.byte,
  }
  const parser = options.map ? new MappedParser({ ...parsing, map: options.map }) : new Parser(parsing)
  const mostRows = options.batchRows ?? (write === 'unnest' ? UNNEST_ROWS : BATCH_ROWS)
  let batchRows = Math.min(mostRows, FIRST_BATCH_ROWS)
  // Records that bring about so many rejects, where they go on as in the last batch.
  let bearable = mostRows
  const limits = { records: mostRows, bytes: options.batchRows ? ASKED_BATCH_BYTES[database.kind] : BATCH_BYTES }
  const shared = encoding === 'sqlite-page'
  let batch = new BatchBuffer(limits, shared)
  const spare = Array.from({ length: database.parallel }, () => new BatchBuffer(limits, shared))
  /** The commits under way, in order. */
  const commits: Promise<void>[] = []
  let committing: Promise<void> = Promise.resolve()

  /** Hands the batch over as soon as the database takes one more, and goes on with the memory of one that is committed. */
  const commit = async (): Promise<void> => {
    failpoint('after-fill')
    if (commits.length === database.parallel) await commits.shift()
    const full = batch
    batch = spare.shift()!
    translation.apply(full, transcoder.sourceEnd - charset.sourceLength(input.waiting))
    const sha256 = source.digest?.before(full.to.byte) ?? null
    const stored = storedAt(source, full.to.byte)
    const { records } = full
    const before = committing
    const committed = committer.commit(full, { ...full.to, sha256, stored }, commits.length > 0 ? before : undefined)
    // What the one before fails with is what all behind it fail with.
    committing = Promise.all([committed, before]).then(async ([{ outcome, rejects }]) => {
      meter.committed(records, outcome, rejects, stored)
      await rejectFile?.append(rejects.map((reject) => ({ ...reject, segment, source: source.name })))
      bearable = Math.max(1, Math.floor((records * REJECTS_A_BATCH) / Math.max(1, rejects.length)))
      judge(options, meter, false)
      spare.push(full)
    })
    commits.push(committing)
    // Its error is thrown by whoever awaits it next.
    committing.catch(() => undefined)
    batchRows = Math.min(mostRows, batchRows * 2, bearable)
    batch.begin(parser.position, Math.min(batchRows, limit - parser.position.record))
  }

  const input = new Input(transcoder.text(), {
    onAsk({ position, passed }) {
      const isEndless = passed > position.byte
      // To find a place in the source costs a look at the batch, but in UTF-8, which has no bytes of its own.
      const isExact = isEndless || charset === UTF_8
      const earliest = isExact ? translation.sourceOf(batch, position.byte) : translation.source
      source.digest?.settle(earliest, isEndless ? transcoder.sourceEnd : earliest)
    },
    onRead: () => meter.read(storedAt(source, transcoder.sourceEnd)),
  })
  try {
    batch.begin(from, Math.min(batchRows, limit - from.record))
    for (;;) {
      const reached = parser.position.record >= limit
      const filled = reached ? 'end' : parser.fill(batch)
      if (filled === 'end') break
      if (filled === 'full') {
        await commit()
      } else {
        // With nothing in the batch there is nothing to linger for.
        const got = await input.feed(parser, batch.isEmpty ? undefined : LINGER_MS, committing, signal)
        if (got === 'late') {
          parser.close(batch)
          await commit()
        }
      }
      if (signal?.aborted) break
    }
    if (!batch.isEmpty) {
      parser.close(batch)
      await commit()
    }
    await committing
    if (signal?.aborted) throw interrupted(prepared.job.jobId)
    judge(options, meter, true)
    return { ...parser.position, byte: translation.source }
  } finally {
    await Promise.allSettled(commits)
    await input.close()
  }
}

/** Ends a load that has too many rejects. */
function judge({ maxErrors }: LoadOptions, { rejected, recordsRead, jobId }: Meter, atEnd: boolean): void {
  if (recordsRead >= HOPELESS_RECORDS && rejected === recordsRead) {
    throw new SluiceError(
      'SLUICE_ALL_REJECTED',
      `All of the first ${recordsRead} records were rejected, so the load was stopped: look at the rejects; ` +
        'the delimiter, the header or the schema is probably not what the source has',
    )
  }
  if (!maxErrors) return
  const exceeded =
    'rows' in maxErrors
      ? rejected > maxErrors.rows
      : (atEnd || recordsRead >= PERCENT_AFTER) && rejected > (recordsRead * maxErrors.percent) / 100
  if (!exceeded) return
  const allowed = 'rows' in maxErrors ? `${maxErrors.rows}` : `${maxErrors.percent}%`
  throw new SluiceError(
    'SLUICE_ERROR_BUDGET',
    `${rejected} of ${recordsRead} records were rejected, more than --max-errors ${allowed} allows; ` +
      `with a higher limit the same command goes on from here (job ${jobId})`,
  )
}

function interrupted(jobId: string): SluiceError {
  return new SluiceError(
    'SLUICE_INTERRUPTED',
    `Interrupted; everything read so far is committed. Run the same command again to go on with job ${jobId}.`,
  )
}
