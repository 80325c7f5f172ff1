import { judge, untilJudged } from './budget.ts'
import type { Leases } from './checkpoint/leases.ts'
import { charsetOf, UTF_8 } from './decode/encodings.ts'
import { Transcoder } from './decode/transcode.ts'
import { Translation } from './decode/translation.ts'
import type { Repeats } from './dedupe/repeats.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import type { SourceHead } from './head.ts'
import { Input } from './input.ts'
import type { Meter } from './meter.ts'
import type { LoadOptions } from './options.ts'
import { BatchBuffer } from './parse/batch.ts'
import { MappedParser } from './parse/mapped-parser.ts'
import { Parser } from './parse/parser.ts'
import type { Position } from './parse/position.ts'
import { planSource } from './plan-source.ts'
import type { PreparedJob } from './prepare.ts'
import type { RejectFile } from './reject/reject-file.ts'
import { MOST_CONNECTIONS } from './segments.ts'
import type { Source } from './source/source.ts'
import { declaredTypes } from './target.ts'
import { storedAt } from './unpack.ts'
import type { Committer } from './write/committer.ts'
import type { Database } from './write/database.ts'
import type { Staging } from './write/staging.ts'

/**
 * Records and source bytes of a batch. PostgreSQL, over one connection: 50,000 rows a commit took 0.98 of the time of one single
 * transaction, 10,000 took 1.17 and 1,000 took 2.3. Over two, which hide a commit behind the other's rows, 2, 3 and 4 MiB took the
 * same time, and 4 MiB made the process 10 MB larger; who asks for a number of rows gets up to 10 MiB of them. SQLite takes several batches
 * in one transaction, and smaller ones stay in the processor's cache: three of 1.5 MiB took 0.84 of the time of single ones of 2 MiB,
 * and of 1.25 MiB 5 MB less memory.
 */
const BATCH_ROWS = 50_000
const BATCH_BYTES = { postgres: 2 * 1024 * 1024, sqlite: 1.25 * 1024 * 1024 }
const ASKED_BATCH_BYTES = { ...BATCH_BYTES, postgres: 10 * 1024 * 1024 }
const UNNEST_ROWS = 1_000
/** The first batch; each one after it is twice as large, so that a load that is killed every few seconds still advances. */
const FIRST_BATCH_ROWS = 4_096
/**
 * Rejects that a batch is meant to have, at most: where they are many, batches become small. Those that the database finds are some KB
 * of objects each until they are committed, in SQLite in two threads. With every second of 300,000 rows refused by a CHECK, batches
 * of 50,000 took 277 MB in SQLite, and 145 MB with this; PostgreSQL then takes 150 MB.
 */
const REJECTS_A_BATCH = 2_000
/** A batch waits no longer than this for more, in ms, so that a slow source shows and drains soon. */
const LINGER_MS = 1_000

/** What one process does for one job. */
export interface Run {
  options: LoadOptions
  sources: Source[]
  database: Database
  prepared: PreparedJob
  leases: Leases
  meter: Meter
  rejectFile: RejectFile | undefined
  staging: Staging | undefined
  /** Told of the content of every record, where that is asked for. */
  repeats: Repeats | undefined
  notice: (message: string) => void
  /** Tries again what may be tried again. */
  patiently: <T>(work: () => Promise<T>) => Promise<T>
}

/**
 * A batch of so many times the bytes of a full one waits for its commit. Records of 15 MB that were committed three at a time took
 * 468 MB into SQLite.
 */
const LARGE_BATCH = 2

/** What is left of a segment. */
export interface Part {
  source: Source
  head: SourceHead
  segment: number
  from: Position
  /** Undefined: the end of the source. */
  to?: number | undefined
  /** SHA-256 of what is before `from`. */
  known: string | null
}

/**
 * THE loop. It awaits bytes, lets the kernel fill a batch, and awaits the commit of one before: while the database is busy with as
 * many batches as it takes at once the next one is made, and while that is full nothing is read. That await is the backpressure.
 * @returns where the part ends
 */
export async function loadSegment(run: Run, part: Part, committer: Committer): Promise<Position> {
  const { options, database, prepared, meter, rejectFile, staging, repeats } = run
  const { source, head, segment, from, to, known } = part
  const { signal, write = 'copy', maxRecordBytes, limit = Number.POSITIVE_INFINITY } = options
  const isDivided = prepared.checkpoints.length > run.sources.length
  const plan = planSource(options, database, prepared, source, head)
  const { program } = plan
  const encoding = database.encodingFor(program.columns, write)
  const table = staging?.table ?? prepared.table
  const mostRows = options.batchRows ?? (write === 'unnest' ? UNNEST_ROWS : BATCH_ROWS)
  const { dialect } = head
  // Where rows are numbered in the end, none of them is a duplicate before.
  const conflict = staging?.numbering ? undefined : plan.conflict
  const declared = declaredTypes(prepared.target, staging?.numbering?.column)
  const way = { table, declared, dialect, encoding, write, stagedFor: staging?.stagedFor, rows: mostRows }
  await committer.prepare({ program, conflict }, way)
  const charset = charsetOf(head.dialect.encoding)
  const transcoder = new Transcoder(charset, source.read(from.byte, known, to), from.byte)
  // The parser counts the bytes of the text; what leaves is told in those of the source.
  const translation = new Translation(charset, from.byte)
  const parsing = {
    program,
    dialect: head.dialect,
    encoding,
    maxRecordBytes,
    position: from,
    begun: from.byte > head.start.byte,
    onDigest: staging?.numbering?.placed ?? repeats?.noted,
  }
  const parser = options.map ? new MappedParser({ ...parsing, map: options.map }) : new Parser(parsing)
  let batchRows = Math.min(mostRows, FIRST_BATCH_ROWS)
  // Records that bring about so many rejects, where they go on as in the last batch.
  let bearable = mostRows
  const roomFrom = ({ record }: Position) => Math.min(batchRows, limit - record, untilJudged(record, options))
  const limits = { records: mostRows, bytes: (options.batchRows ? ASKED_BATCH_BYTES : BATCH_BYTES)[database.kind] }
  const shared = encoding === 'sqlite-page'
  let batch = new BatchBuffer(limits, shared)
  const parallel = isDivided ? Math.min(database.parallel, MOST_CONNECTIONS) : database.parallel
  const spare = Array.from({ length: parallel }, () => new BatchBuffer(limits, shared))
  /** The commits under way, in order. */
  const commits: Promise<void>[] = []
  let committing: Promise<void> = Promise.resolve()

  /** Hands the batch over as soon as the database takes one more, and goes on with the memory of one that is committed. */
  const commit = async (): Promise<void> => {
    failpoint('after-fill')
    if (commits.length === parallel) await commits.shift()
    const full = batch
    translation.apply(full, transcoder.sourceEnd - charset.sourceLength(input.waiting))
    const sha256 = source.digest?.before(full.to.byte) ?? null
    const stored = storedAt(source, full.to.byte)
    const { records } = full
    const before = committing
    const committed = committer.commit(full, { ...full.to, sha256, stored }, commits.length > 0 ? before : undefined)
    // What the one before fails with is what all behind it fail with.
    committing = Promise.all([committed, before]).then(async ([{ outcome, rejects }]) => {
      if (isDivided && outcome.job) meter.follow(outcome.job)
      else meter.committed(records, outcome, rejects, stored)
      // The rejects of several segments come in no order.
      if (!isDivided) await rejectFile?.append(rejects.map((reject) => ({ ...reject, segment, source: source.name })))
      bearable = Math.max(1, Math.floor((records * REJECTS_A_BATCH) / Math.max(1, rejects.length)))
      judge(options, meter, false)
      spare.push(full)
    })
    commits.push(committing)
    // Its error is thrown by whoever awaits it next.
    committing.catch(() => undefined)
    // A record that makes a batch so large is not held beside others. Its memory is what the next one gets.
    if (full.input.length > LARGE_BATCH * limits.bytes) await committing
    batch = spare.pop()!
    batchRows = Math.min(mostRows, batchRows * 2, bearable)
    batch.begin(parser.position, roomFrom(parser.position))
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
    batch.begin(from, roomFrom(from))
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
    return { ...parser.position, byte: translation.source }
  } finally {
    await Promise.allSettled(commits)
    await input.close()
  }
}

export function interrupted(jobId: string): SluiceError {
  return new SluiceError(
    'SLUICE_INTERRUPTED',
    `Interrupted; everything read so far is committed. Run the same command again to go on with job ${jobId}.`,
  )
}
