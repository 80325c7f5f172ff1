import { basename } from 'node:path'
import type { Readable } from 'node:stream'
import type { Pool } from 'pg'
import type { Job, StoredReject } from './checkpoint/job.ts'
import { JobStore } from './checkpoint/job-store.ts'
import { SluiceError } from './errors.ts'
import type { ByteSource } from './options.ts'
import { BatchBuffer } from './parse/batch.ts'
import { Parser } from './parse/parser.ts'
import { START } from './parse/position.ts'
import { MAX_RECORD_BYTES } from './parse/records.ts'
import { planSource } from './plan-source.ts'
import type { Receipt } from './receipt.ts'
import { headerOf, layoutOf } from './rejects-layout.ts'
import { type Correction, readCorrections } from './replay-file.ts'
import { COMPOSED, composer } from './replay-record.ts'
import type { Program } from './schema/program.ts'
import { isStaged, type Settings } from './settings.ts'
import { openSources } from './source/open.ts'
import { tableNamed } from './table-name.ts'
import { declaredTypes } from './target.ts'
import type { Database, LoadPlan, Outcome, Replay } from './write/database.ts'
import { openDatabase, refuseMissingFile } from './write/open.ts'
import { retry } from './write/retry.ts'

/** Rejects a transaction, at most: with 64 KB of raw bytes each they are at worst 16 MB. */
const PAGE = 256
const BATCH_BYTES = 8 * 1024 * 1024

export interface ReplayOptions {
  /** The corrected rejects, as CSV or NDJSON in the form of `sluice rejects`: a path, a stream of bytes or a source of one's own. */
  source: string | Readable | AsyncIterable<Uint8Array> | ByteSource
  /** The job whose rejects they are. It must be over. */
  jobId: string
  /** As of `load`. */
  to?: string | Pool | undefined
  /** How rows travel to PostgreSQL. Default: `copy`. */
  write?: 'copy' | 'unnest' | undefined
  /** Aborting ends the replay behind the transaction in flight, with SLUICE_INTERRUPTED. */
  signal?: AbortSignal | undefined
}

/** What a replay did, and the job's account after it, which balances as before. */
export interface ReplayReceipt
  extends Pick<
    Receipt,
    | 'jobId'
    | 'table'
    | 'recordsRead'
    | 'inserted'
    | 'updated'
    | 'unchanged'
    | 'duplicates'
    | 'rejected'
    | 'rejectsByCode'
  > {
  /** Records of the file, and what became of them. */
  replay: {
    records: number
    /** Moved from `rejected` to `inserted`. */
    loaded: number
    /** Still open, with what is wrong now. */
    refused: number
    /** Not among the open rejects of the job: they came in before, or never were rejects. */
    skipped: number
  }
}

/**
 * Loads corrected rejects of a job. They are matched by their record; what loads is closed in the transaction of its row, so a
 * replay may be cut off anywhere and run again: what came in already is passed over.
 *
 * @throws SluiceError SLUICE_JOB when there is no such job or it is not over; SLUICE_CONFIG when there is no such SQLite file;
 *   SLUICE_DIALECT for a file of another form
 */
export async function replay(options: ReplayOptions): Promise<ReplayReceipt> {
  refuseMissingFile(options.to)
  const sources = await openSources(options.source, 'stream', options.signal)
  let database: Database | undefined
  try {
    database = await openDatabase(options.to, { signal: options.signal })
    const store = new JobStore(database)
    const job = await replayableJob(store, options.jobId, database.label)
    const replayPage = await prepareReplay(options, database, store, job)
    const { columns } = layoutOf(job.settings as Settings)
    const done = { records: 0, loaded: 0, refused: 0, skipped: 0 }
    for await (const page of pagesOf(readCorrections(sources[0]!, job.jobId, columns, longestRecord(job)))) {
      if (options.signal?.aborted) {
        throw new SluiceError('SLUICE_INTERRUPTED', 'Interrupted; run the same command again to replay the rest')
      }
      const { loaded, refused } = await replayPage(page)
      done.records += page.length
      done.loaded += loaded
      done.refused += refused
      done.skipped += page.length - loaded - refused
    }
    const { recordsRead, inserted, updated, unchanged, duplicates, rejected } = (await store.read(job.jobId))!
    return {
      jobId: job.jobId,
      table: job.targetTable,
      replay: done,
      recordsRead,
      inserted,
      updated,
      unchanged,
      duplicates,
      rejected,
      rejectsByCode: await store.rejectCounts(job.jobId),
    }
  } finally {
    try {
      await database?.close()
    } finally {
      await Promise.all(sources.map((source) => source.close()))
    }
  }
}

function longestRecord({ settings }: Job): number {
  return (settings as Settings).asked.maxRecordBytes ?? MAX_RECORD_BYTES
}

async function replayableJob(store: JobStore, jobId: string, label: string): Promise<Job> {
  const job = await store.read(jobId)
  if (!job) throw new SluiceError('SLUICE_JOB', `There is no job ${jobId} in ${label}`)
  if (job.status !== 'COMPLETED' && job.status !== 'FAILED') {
    throw new SluiceError(
      'SLUICE_JOB',
      `Job ${jobId} is ${job.status}; its rejects can be replayed when it is COMPLETED or FAILED. ` +
        `Load ${job.source} to its end first`,
    )
  }
  const { asked } = job.settings as Settings
  if (isStaged(asked) && job.status !== 'COMPLETED') {
    throw new SluiceError('SLUICE_JOB', `Job ${jobId} failed and published none of its rows; load ${job.source} first`)
  }
  if (asked.hasMap) {
    throw new SluiceError('SLUICE_JOB', `Job ${jobId} was loaded through a map function, which a replay does not have`)
  }
  return job
}

/** Tries again what may pass. */
type Patiently = <T>(work: () => Promise<T>) => Promise<T>
type Commit = (batch: BatchBuffer, replay: Replay) => Promise<Outcome>

/** Loads pages of corrections of one job. */
type ReplayPage = (page: Correction[]) => Promise<{ loaded: number; refused: number }>

/** What corrected records of the sources with one header go through. */
interface Lane {
  header: string[]
  parser: Parser
  compose: ReturnType<typeof composer>
}

async function prepareReplay(
  { write = 'copy', signal }: ReplayOptions,
  database: Database,
  store: JobStore,
  job: Job,
): Promise<ReplayPage> {
  const settings = job.settings as Settings
  const table = tableNamed(job.targetTable)
  const target = await database.describe(table)
  if (!target) throw new SluiceError('SLUICE_JOB', `The table ${job.targetTable} of job ${job.jobId} is gone`)
  const files = (await store.checkpoints(job.jobId)).map(({ source }) => basename(source))
  const patiently: Patiently = (work) => retry(work, { classify: (error) => database.classify(error), signal })
  const commit: Commit = (batch, replay) => patiently(() => database.commit(batch, batch.to, { replay }))
  const batch = new BatchBuffer({ records: PAGE, bytes: BATCH_BYTES }, database.kind === 'sqlite')

  const laneFor = async (header: string[]): Promise<Lane> => {
    const { program, conflict } = planSource(
      settings.asked,
      database,
      { settings, job, target },
      { name: files[0]! },
      { header },
    )
    const own = ownCells(program)
    const { columns, sourceColumns } = own.program
    const origins = columns.map(({ from, name }) =>
      'cell' in from ? { header: sourceColumns[from.cell]!, cell: from.cell } : { header: name, cell: null },
    )
    const encoding = database.encodingFor(columns, write)
    const { rejectTable } = settings.asked
    const lease = { jobId: job.jobId, segment: 0, epoch: 0, rejectTable }
    const declared = declaredTypes(target)
    const plan: LoadPlan = { ...lease, table, columns, declared, origins, dialect: COMPOSED, encoding, write, conflict }
    await database.prepare(plan)
    return {
      header,
      parser: new Parser({ program: own.program, dialect: COMPOSED, encoding, position: START }),
      compose: composer(settings, (reject) => own.valuesOf(reject, files)),
    }
  }
  // One at a time: a job may have thousands of files, each with a header of its own.
  let lane = await laneFor(settings.header)

  return async (page) => {
    const records = page.map(({ record }) => record)
    const found = await patiently(() => store.openRejects(job.jobId, records))
    const open = new Map(found.map((reject) => [reject.record, reject]))
    const byHeader = new Map<string[], [Correction, StoredReject][]>()
    for (const correction of page) {
      const reject = open.get(correction.record)
      // What stands twice in a page counts once.
      if (!(reject && open.delete(correction.record))) continue
      const header = headerOf(settings, reject.segment)
      const same = byHeader.get(header)
      if (same) same.push([correction, reject])
      else byHeader.set(header, [[correction, reject]])
    }
    const done = { loaded: 0, refused: 0 }
    for (const [header, corrections] of byHeader) {
      if (lane.header !== header) lane = await laneFor(header)
      const { loaded, refused } = await replayIn(lane, corrections, commit, batch)
      done.loaded += loaded
      done.refused += refused
    }
    return done
  }
}

async function replayIn(
  { parser, compose }: Lane,
  corrections: [Correction, StoredReject][],
  commitBatch: Commit,
  batch: BatchBuffer,
): Promise<{ loaded: number; refused: number }> {
  const next: Replay = { records: [], refused: [] }
  let [loaded, refused] = [0, 0]
  const commit = async () => {
    parser.close(batch)
    const count = batch.to.record - batch.from.record
    const replayed = { records: next.records.splice(0, count), refused: next.refused.splice(0) }
    const outcome = await commitBatch(batch, replayed)
    const again = batch.rejects.length + outcome.rejects.length
    loaded += count - again
    refused += again + replayed.refused.length
    batch.begin(parser.position)
  }

  const pieces: string[] = []
  for (const [correction, reject] of corrections) {
    const composed = compose(correction, reject)
    if (typeof composed === 'string') {
      pieces.push(composed)
      next.records.push(correction.record)
    } else next.refused.push({ record: correction.record, errors: composed.errors })
  }
  let bytes = Buffer.from(pieces.join(''), 'latin1')
  batch.begin(parser.position)
  for (;;) {
    const filled = parser.fill(batch)
    if (filled === 'full') await commit()
    else if (bytes.length > 0) bytes = bytes.subarray(parser.push(bytes))
    else break
  }
  if (next.records.length + next.refused.length > 0) await commit()
  return { loaded, refused }
}

async function* pagesOf(corrections: AsyncIterable<Correction>): AsyncGenerator<Correction[], void, void> {
  let page: Correction[] = []
  let bytes = 0
  for await (const correction of corrections) {
    page.push(correction)
    bytes += 'raw' in correction.given ? correction.given.raw.length : 0
    if (page.length < PAGE && bytes < BATCH_BYTES) continue
    yield page
    page = []
    bytes = 0
  }
  if (page.length > 0) yield page
}

/**
 * The program of a replay. What `--provenance` says of a row, its file and its line in the source, is not told by the place at which
 * it is read now; so these become cells of their own in front of the source's.
 */
function ownCells(program: Program): {
  program: Program
  valuesOf(reject: StoredReject, files: string[]): string[]
} {
  if (!program.columns.some(({ from }) => 'line' in from)) return { program, valuesOf: () => [] }
  const columns = program.columns.map((column) => {
    if ('cell' in column.from) return { ...column, from: { cell: column.from.cell + 2 } }
    if ('members' in column.from) {
      const members = column.from.members.map(({ name, cell }) => ({ name, cell: cell + 2 }))
      return { ...column, from: { members } }
    }
    if ('line' in column.from) return { ...column, from: { cell: 0 } }
    return column.name === '_file' ? { ...column, from: { cell: 1 } } : column
  })
  return {
    program: { sourceColumns: ['_line', '_file', ...program.sourceColumns], columns },
    valuesOf: ({ line, segment }, files) => [String(line), files[segment]!],
  }
}
