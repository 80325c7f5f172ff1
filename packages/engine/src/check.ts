import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { HOPELESS_RECORDS } from './budget.ts'
import { charsetOf } from './decode/encodings.ts'
import { Transcoder } from './decode/transcode.ts'
import { Translation } from './decode/translation.ts'
import { SluiceError } from './errors.ts'
import { headOf, type SourceHead } from './head.ts'
import { Input } from './input.ts'
import type { LoadOptions } from './options.ts'
import { BatchBuffer } from './parse/batch.ts'
import type { Dialect } from './parse/dialect.ts'
import { MappedParser } from './parse/mapped-parser.ts'
import { Parser } from './parse/parser.ts'
import { planFirst, planFor } from './plan-source.ts'
import type { PlacedReject, Reject } from './reject/reject.ts'
import type { ColumnEvidence } from './schema/infer.ts'
import type { Encoding, Program } from './schema/program.ts'
import { schemaOf } from './schema/schema-of.ts'
import type { TableSchema } from './schema/table-schema.ts'
import { openSources } from './source/open.ts'
import type { Source } from './source/source.ts'
import { targetName } from './target.ts'
import { storedAt, unpacked } from './unpack.ts'
import { validOptions } from './valid-options.ts'
import type { Database } from './write/database.ts'
import { databaseOf, openDatabase } from './write/open.ts'
import { created } from './write/postgres/column-types.ts'
import { storageFor } from './write/sqlite/columns.ts'

/** Rejects that the report holds, unless more are asked for. */
const SHOWN_REJECTS = 20
/** As of a load; nothing waits for a batch, so that only their memory counts. */
const LIMITS = { records: 50_000, bytes: 2 * 1024 * 1024 }

/**
 * What to check, and as what: those options of {@link LoadOptions} that decide which records are sound. `onConflict` and `dedupe` need keys and
 * columns, and those are looked for; which keys are taken, in the source or in the table, only a load finds out.
 */
export interface CheckOptions
  extends Pick<
    LoadOptions,
    | 'source'
    | 'sourceName'
    | 'table'
    | 'schema'
    | 'dialect'
    | 'key'
    | 'onConflict'
    | 'dedupe'
    | 'rename'
    | 'skip'
    | 'set'
    | 'provenance'
    | 'unknownColumns'
    | 'maxDecodedBytes'
    | 'maxRecordBytes'
    | 'limit'
    | 'map'
    | 'signal'
    | 'onNotice'
  > {
  /**
   * The database whose table the records are meant for. With `to` or `table` the table is looked at, where there is one, as a load would;
   * with neither no database is opened, and the records are checked for a new table in the default one.
   */
  to?: LoadOptions['to']
  /** Rejects that the report holds, the first ones. Default: 20. */
  shown?: number
  /** Told of every reject, in order. */
  onReject?: (reject: PlacedReject) => void
}

/** A column that a load would fill. */
export interface CheckedColumn {
  /** Name in the source; null where the value comes from elsewhere. */
  source: string | null
  /** Name in the table. */
  column: string
  /** The type by which its cells are judged, as `check` and `load` have it. */
  type: string
  required: boolean
  /** What the sample tells; null where a schema or the table decides. */
  inferred: ColumnEvidence | null
}

/** What a load would find in its source. It balances: `recordsRead = sound + rejected`. */
export interface CheckReport {
  source: string
  /** `T` or `schema.T`, where there is such a table already. */
  table: string | null
  dialect: Dialect
  /** How it was found out, and whether another one would have been about as likely. */
  evidence: string
  sure: boolean
  columns: CheckedColumn[]
  /** A schema with which a load judges and stores every cell as this check did. */
  schema: TableSchema
  recordsRead: number
  /** Records that the checks let pass. Constraints of the database itself are not tried, and keys not compared: duplicates are among them. */
  sound: number
  rejected: number
  /** Rejects by the code of their first error. */
  rejectsByCode: Record<string, number>
  /** The first of them. */
  rejects: PlacedReject[]
  /** All of the first 10,000 records are rejects: there a load stops. */
  hopeless: boolean
  /** Bytes read, as stored. */
  bytes: number
  elapsedMs: number
}

/**
 * Reads all of a source as `load` does, through the same checks, and writes nothing: neither a table nor a job. Memory stays as flat.
 * @throws SluiceError as `load` does for a source that cannot be read or does not fit; SLUICE_INTERRUPTED
 *
 * @example
 * const { sound, rejectsByCode, schema } = await check({ source: 'people.csv' })
 */
export async function check(given: CheckOptions): Promise<CheckReport> {
  const options = validOptions(given)
  const begun = performance.now()
  const notice = options.onNotice ?? (() => undefined)
  const sources = await openSources(options.source, options.sourceName ?? 'stream', options.signal)
  let database: Database | undefined
  try {
    for (const [i, source] of sources.entries()) sources[i] = await unpacked(source, options)
    database = await openTarget(options)
    const name = targetName(options.table, options.sourceName ?? sources[0]!.name)
    const target = await database?.describe(name)
    const planning = database ?? unopened(options)
    const jobId = randomUUID()
    const { head, plan, schema, inferred } = await planFirst(options, sources[0]!, planning, { jobId, target }, notice)
    const findings = new Findings(options)
    for (const [segment, source] of sources.entries()) {
      const isFirst = segment === 0
      const own = isFirst ? head : await headOf(source, head.dialect, () => head.header)
      const given = { jobId, file: source.name, schema, inferred: inferred?.schema, target }
      const { program } = isFirst ? plan : planFor(options, planning, own, given)
      findings.nextSource(segment, source.name)
      await readSource(
        options,
        { source, head: own, program, encoding: planning.encodingFor(program.columns, 'copy') },
        findings,
      )
    }
    const { dialect, found } = head
    return {
      source: sources.map((source) => source.name).join(', '),
      table: target ? [target.name.schema, target.name.table].filter((part) => part !== null).join('.') : null,
      dialect,
      ...found,
      columns: columnsOf(plan.program, inferred?.evidence ?? []),
      schema: schema ?? schemaOf(plan, dialect.nullWords, inferred?.schema),
      ...findings.counts,
      bytes: findings.bytes,
      elapsedMs: Math.round(performance.now() - begun),
    }
  } finally {
    try {
      await database?.close()
    } finally {
      await Promise.all(sources.map((source) => source.close()))
    }
  }
}

/** What is asked of a database before rows are written. */
type PlanningDatabase = Pick<Database, 'kind' | 'storageFor' | 'encodingFor'>

/** The database of the load that is meant, where there is one to look at: a file of SQLite is not made. */
async function openTarget({ to, table, onNotice, signal }: CheckOptions): Promise<Database | undefined> {
  if (to === undefined && table === undefined) return undefined
  const { path } = databaseOf(to)
  if (path !== undefined && !existsSync(path)) return undefined
  return openDatabase(to, { notice: onNotice, signal })
}

/** A new table in a database that is not opened. */
function unopened({ to }: CheckOptions): PlanningDatabase {
  const { kind } = databaseOf(to)
  return kind === 'sqlite'
    ? { kind, storageFor, encodingFor: () => 'sqlite-page' }
    : { kind, storageFor: (type) => created(type).storage, encodingFor: () => 'pg-binary' }
}

interface Reading {
  source: Source
  head: SourceHead
  program: Program
  encoding: Encoding
}

/** The loop of `load-segment.ts` with nothing to wait for but the source. */
async function readSource(options: CheckOptions, reading: Reading, findings: Findings): Promise<void> {
  const { source, head, program, encoding } = reading
  const { dialect, start } = head
  const { map, signal, maxRecordBytes, limit = Number.POSITIVE_INFINITY } = options
  const charset = charsetOf(dialect.encoding)
  const transcoder = new Transcoder(charset, source.read(start.byte), start.byte)
  const translation = new Translation(charset, start.byte)
  const parsing = { program, dialect, encoding, maxRecordBytes, position: { ...start, record: findings.recordsRead } }
  const parser = map ? new MappedParser({ ...parsing, map }) : new Parser(parsing)
  const batch = new BatchBuffer(LIMITS, false)
  const begin = () => batch.begin(parser.position, Math.min(LIMITS.records, limit - parser.position.record))
  const input = new Input(transcoder.text(), {
    onAsk: () => source.digest?.settle(transcoder.sourceEnd),
    onRead: () => findings.read(storedAt(source, transcoder.sourceEnd)),
  })
  const take = (): void => {
    translation.apply(batch, transcoder.sourceEnd - charset.sourceLength(input.waiting))
    findings.add(batch.rows, batch.rejects)
    begin()
  }
  const nothing = Promise.resolve()
  try {
    begin()
    for (;;) {
      if (signal?.aborted) throw new SluiceError('SLUICE_INTERRUPTED', 'Interrupted; nothing was written')
      const filled = parser.position.record >= limit ? 'end' : parser.fill(batch)
      if (filled === 'end') break
      if (filled === 'full') take()
      else await input.feed(parser, undefined, nothing, signal)
    }
    if (!batch.isEmpty) {
      parser.close(batch)
      take()
    }
  } finally {
    await input.close()
  }
}

/** Counts records, and keeps the first rejects. */
class Findings {
  recordsRead = 0
  bytes = 0
  readonly #options: CheckOptions
  readonly #byCode: Record<string, number> = {}
  readonly #rejects: PlacedReject[] = []
  #rejected = 0
  #hopeless = false
  #place: Pick<PlacedReject, 'segment' | 'source'> = { segment: 0, source: null }
  #bytesBefore = 0

  constructor(options: CheckOptions) {
    this.#options = options
  }

  get counts() {
    return {
      recordsRead: this.recordsRead,
      sound: this.recordsRead - this.#rejected,
      rejected: this.#rejected,
      rejectsByCode: this.#byCode,
      rejects: this.#rejects,
      hopeless: this.#hopeless,
    }
  }

  nextSource(segment: number, source: string): void {
    this.#place = { segment, source }
    this.#bytesBefore = this.bytes
  }

  /** Bytes as stored that were taken from the source at hand. */
  read(bytes: number): void {
    this.bytes = this.#bytesBefore + bytes
  }

  add(rows: number, rejects: readonly Reject[]): void {
    const { shown = SHOWN_REJECTS, onReject } = this.#options
    for (const reject of rejects) {
      const placed = { ...reject, ...this.#place }
      const { code } = reject.errors[0]!
      this.#byCode[code] = (this.#byCode[code] ?? 0) + 1
      if (this.#rejects.length < shown) this.#rejects.push(placed)
      onReject?.(placed)
      this.#rejected++
      this.#hopeless ||= this.#rejected === HOPELESS_RECORDS && reject.record === HOPELESS_RECORDS
    }
    this.recordsRead += rows + rejects.length
  }
}

function columnsOf({ columns, sourceColumns }: Program, evidence: readonly ColumnEvidence[]): CheckedColumn[] {
  return columns.map(({ name, from, type, required }) => {
    const source = 'cell' in from ? sourceColumns[from.cell]! : null
    const inferred = evidence.find((one) => one.name === source) ?? null
    return { source, column: name, type: type.kind, required, inferred }
  })
}
