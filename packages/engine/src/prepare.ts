import { isUtf8 } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { basename } from 'node:path'
import { type Checkpoint, isAnnounced, type Job } from './checkpoint/job.ts'
import { JobStore } from './checkpoint/job-store.ts'
import { leaseOwner, livesNoMore } from './checkpoint/owner.ts'
import { createRejectTable } from './checkpoint/reject-table.ts'
import { createTables } from './checkpoint/tables.ts'
import type { Charset } from './decode/charset.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { headText } from './head-text.ts'
import type { LoadOptions } from './options.ts'
import type { Dialect } from './parse/dialect.ts'
import { type Position, START } from './parse/position.ts'
import { readRecords, type SourceRecord } from './parse/records.ts'
import { sniff } from './parse/sniff.ts'
import { type JsonHead, sniffJson } from './parse/sniff-json.ts'
import { headerByOrder } from './schema/header.ts'
import { headerOfKeys } from './schema/header-json.ts'
import { inferSchema } from './schema/infer.ts'
import { inferJsonSchema } from './schema/infer-json.ts'
import { type Plan, type PlanRequest, planLoad } from './schema/plan.ts'
import type { Program } from './schema/program.ts'
import { parseTableSchema, type TableSchema } from './schema/table-schema.ts'
import { askedOf, differences, hashOf, isStaged, type Settings } from './settings.ts'
import type { Head, Source } from './source/source.ts'
import { rejectTableName, targetName } from './target.ts'
import type { Database, TableName, TargetTable } from './write/database.ts'
import { retry } from './write/retry.ts'
import { dropStaging } from './write/staging.ts'

/** Bytes of a source from which its dialect and types are told: a bounded sample, some thousand records of most files. */
const SAMPLE_BYTES = 256 * 1024
/** An array of JSON may begin behind the sample. */
const MOST_SAMPLE_BYTES = 16 * 1024 * 1024
/** PostgreSQL cuts longer names in silence (NAMEDATALEN - 1). */
const POSTGRES_NAME_BYTES = 63
/** https://www.postgresql.org/docs/current/ddl-system-columns.html; other spellings are names like any other. */
const POSTGRES_SYSTEM_NAMES = ['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']

/** A job that this process may work on: new, or interrupted before. */
export interface PreparedJob {
  job: Job
  settings: Settings
  checkpoints: Checkpoint[]
  store: JobStore
  table: TableName
  target: TargetTable
  /** Of the first source, which was looked at already. */
  head: SourceHead
}

/** What is known of a source from its first bytes. */
export interface SourceHead {
  dialect: Dialect
  header: string[]
  /** Where the first record begins. */
  start: Position
  /** Reads the records of the sample, the header not among them. */
  sample: () => Iterable<SourceRecord>
}

/**
 * Finds the interrupted job of these sources and this table, or creates one: looks at the first source, plans, and makes the table where
 * there is none.
 * @throws SluiceError for everything that keeps a load from starting
 */
export async function prepareJob(
  options: LoadOptions,
  sources: Source[],
  database: Database,
  notice: (message: string) => void,
): Promise<PreparedJob> {
  const table = targetName(options.table, options.sourceName ?? sources[0]!.name)
  const target = table.schema === null ? table.table : `${table.schema}.${table.table}`
  const store = new JobStore(database)
  const place = {
    database,
    store,
    table,
    names: { source: sources.map(({ name }) => name).join(', '), target },
    notice,
  }
  // Each of the three finds what an earlier try has done already.
  const patiently = <T>(work: () => Promise<T>): Promise<T> =>
    retry(work, { classify: (error) => database.classify(error), notice, signal: options.signal })
  const rejectTable = options.rejectTable === undefined ? undefined : rejectTableName(options.rejectTable, table)
  failpoint('before-tables')
  await patiently(() => createTables(database, database.kind))
  if (rejectTable) await patiently(() => createRejectTable(database, rejectTable))
  if (options.restart) await patiently(() => forget(place))
  return patiently(async () => (await findJob(options, sources, place)) ?? createJob(options, sources, place))
}

/** Where a job is looked for, or made. */
interface Place {
  database: Database
  store: JobStore
  table: TableName
  names: { source: string; target: string }
  notice: (message: string) => void
}

async function findJob(options: LoadOptions, sources: Source[], place: Place): Promise<PreparedJob | undefined> {
  const { store, table, names, notice } = place
  const job = options.jobId
    ? await ownJob(store, options.jobId)
    : await store.findUnfinished(names.source, names.target)
  if (!job) return undefined
  const settings = job.settings as Settings
  await refuseChanges(options, sources, job)
  const head = await headOf(sources[0]!, settings.dialect, () => settings.header)
  const target = await targetOf(options, sources, place, { job, settings, head })
  notice(`going on with the interrupted job ${job.jobId} behind record ${job.recordsRead}`)
  return { job, settings, checkpoints: await store.checkpoints(job.jobId), store, table, target, head }
}

/** The job of an id that the caller chose, where it is begun already. */
async function ownJob(store: JobStore, jobId: string): Promise<Job | undefined> {
  const job = await store.read(jobId)
  if (!job || isAnnounced(job)) return undefined
  if (job.status !== 'COMPLETED' && job.status !== 'CANCELLED') return job
  throw new SluiceError('SLUICE_JOB', `Job ${jobId} is ${job.status.toLowerCase()} and does not go on`)
}

/** The table of a job that was found; one that was ended before it could make its table makes it now. */
async function targetOf(
  options: LoadOptions,
  [source]: Source[],
  { database, table, names, notice }: Place,
  { job, settings, head }: Pick<PreparedJob, 'job' | 'settings' | 'head'>,
): Promise<TargetTable> {
  const target = await database.describe(table)
  if (target) return target
  const { create } = planFor(options, database, head, {
    jobId: job.jobId,
    file: source!.name,
    schema: options.schema && parseTableSchema(options.schema),
    inferred: settings.inferred ?? undefined,
    target: undefined,
  })
  if (job.recordsRead > 0 || !create) {
    throw new SluiceError(
      'SLUICE_JOB',
      `The table ${names.target} of the interrupted load is gone. Use --restart to start over.`,
    )
  }
  return createTable(database, table, create, names.target, notice)
}

async function createJob(options: LoadOptions, sources: Source[], place: Place): Promise<PreparedJob> {
  const { database, store, table, names, notice } = place
  const jobId = options.jobId ?? randomUUID()
  const schema = options.schema && parseTableSchema(options.schema)
  const before = await database.describe(table)
  const nullWords = options.dialect?.nullWords ?? schema?.missingValues
  const given = { ...options.dialect, ...(nullWords && { nullWords }) }
  const headerFor = (cells: number, keys?: string[]): string[] =>
    keys ? headerOfKeys(keys, schema, before, filledColumns(options)) : headerByOrder(cells, schema, before)
  const head = await headOf(sources[0]!, given, headerFor, notice)
  const inferred =
    // A schema that was given decides everything.
    options.schema ? null : inferredFrom(head)
  const plan = planFor(options, database, head, {
    jobId,
    file: sources[0]!.name,
    schema,
    inferred: inferred ?? undefined,
    target: before,
  })
  for (const message of plan.notices) notice(message)
  head.dialect = settleJson(head.dialect, plan.program, options)
  const settings: Settings = {
    asked: askedOf(options),
    dialect: head.dialect,
    header: head.header,
    schema: schema ?? (plan.create ? inferred : null),
    inferred,
  }
  const [, ...others] = sources
  await planOthers(options, database, others, { jobId, settings, target: before })
  failpoint('before-create-job')
  // The job comes before its table: what a table means that was inferred from a sample is known by its job only.
  await store.create(
    {
      jobId,
      source: names.source,
      targetTable: names.target,
      settings,
      settingsHash: hashOf(settings.asked),
      fingerprint: await fingerprintOf(sources),
      bytesTotal: totalOf(sources),
      segments: sources.map(({ name }) => ({ source: name, start: START, endByte: null })),
    },
    options.jobId === undefined,
  )
  failpoint('after-create-job')
  let target = before
  try {
    target ??= await createTable(database, table, plan.create!, names.target, notice)
  } catch (error) {
    // Other settings may be what helps, so no job may insist on these, unless it is asked for by its id.
    if (!options.jobId && database.classify(error) !== 'transient') await store.cancel(jobId)
    throw error
  }
  const job = (await store.read(jobId))!
  return { job, settings, checkpoints: await store.checkpoints(jobId), store, table, target, head }
}

/**
 * Plans every source behind the first one before a row of any is loaded, and keeps none of the plans: of thousands of files one
 * head at a time is in memory.
 * @throws SluiceError for a source that does not fit, with its name
 */
async function planOthers(
  options: LoadOptions,
  database: Database,
  others: Source[],
  { jobId, settings, target }: { jobId: string; settings: Settings; target: TargetTable | undefined },
): Promise<void> {
  const { schema, inferred } = settings
  const place = { jobId, schema: schema ?? undefined, inferred: inferred ?? undefined, target }
  for (const [i, source] of others.entries()) {
    if (options.signal?.aborted) throw new SluiceError('SLUICE_INTERRUPTED', 'Interrupted before anything was done')
    const head = await headOf(source, settings.dialect, () => settings.header)
    noteHeader(settings, i + 1, head.header)
    try {
      planFor(options, database, head, { ...place, file: source.name })
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      throw new SluiceError(error.code, `${source.name}, of several files: ${error.message}`, { cause: error })
    }
  }
}

/**
 * Keeps the header of a source whose columns are not those of the first one: its rejects are read by it later.
 * @returns Whether it was not known
 */
export function noteHeader(settings: Settings, segment: number, header: string[]): boolean {
  if (JSON.stringify(settings.headers?.[segment] ?? settings.header) === JSON.stringify(header)) return false
  settings.headers = { ...settings.headers, [segment]: header }
  return true
}

async function createTable(
  database: Database,
  table: TableName,
  { columns, primaryKey }: NonNullable<Plan['create']>,
  name: string,
  notice: (message: string) => void,
): Promise<TargetTable> {
  try {
    await database.createTable(table, columns, primaryKey)
  } catch (error) {
    // Another load of the same instant may have made it.
    const made = await database.describe(table)
    if (!made) throw error
    return made
  }
  failpoint('after-create-table')
  const target = (await database.describe(table))!
  notice(`created table ${name}: ${target.columns.map((c) => `${c.name} ${c.declared}`.trim()).join(', ')}`)
  return target
}

/** The plan of one source of a job; every source may have its columns in another order. */
export function planSource(
  options: Omit<LoadOptions, 'source'>,
  database: Database,
  prepared: Pick<PreparedJob, 'settings' | 'job' | 'target'>,
  source: Pick<Source, 'name'>,
  head: Pick<SourceHead, 'header'>,
): Plan {
  const { settings, job, target } = prepared
  return planFor(options, database, head, {
    jobId: job.jobId,
    file: source.name,
    schema: settings.schema ?? undefined,
    inferred: settings.inferred ?? undefined,
    target,
  })
}

function planFor(
  options: Omit<LoadOptions, 'source'>,
  database: Database,
  head: Pick<SourceHead, 'header'>,
  {
    jobId,
    file,
    ...place
  }: {
    jobId: string
    file: string
    schema: TableSchema | undefined
    inferred: TableSchema | undefined
    target: TargetTable | undefined
  },
): Plan {
  const { rename, skip, set, unknownColumns, key } = options
  const request: PlanRequest = {
    ...place,
    header: head.header,
    storageFor: (type) => database.storageFor(type),
    rename,
    skip,
    set,
    unknownColumns,
    key,
    provenance: options.provenance ? { job: jobId, file: basename(file) } : undefined,
    nameBytes: database.kind === 'postgres' ? POSTGRES_NAME_BYTES : undefined,
    systemNames: database.kind === 'postgres' ? POSTGRES_SYSTEM_NAMES : undefined,
  }
  return planLoad(request)
}

/**
 * Reads dialect and header of a source.
 * @param headerFor Names the columns of a source that does not name them, and of one of JSON, from its keys.
 * @param notice Told what was found out.
 * @throws SluiceError SLUICE_SOURCE_EMPTY, SLUICE_DIALECT
 */
export async function headOf(
  source: Source,
  given: Partial<Dialect>,
  headerFor: (cells: number, keys?: string[]) => string[],
  notice?: (message: string) => void,
  sampleBytes = SAMPLE_BYTES,
): Promise<SourceHead> {
  const stored = await source.head(sampleBytes)
  const { complete } = stored
  if (stored.bytes.length === 0)
    throw new SluiceError('SLUICE_SOURCE_EMPTY', `${source.name} is empty: it has not even a header`)
  const { charset, text: bytes } = headText(stored, given.encoding, source.name, notice)
  const json = sniffJson(bytes, complete, { ...given, encoding: charset.name })
  if (json === 'more') {
    if (sampleBytes < MOST_SAMPLE_BYTES) return headOf(source, given, headerFor, notice, sampleBytes * 8)
    const message = `The array of ${source.name} does not begin in its first ${MOST_SAMPLE_BYTES} bytes`
    throw new SluiceError('SLUICE_DIALECT', message)
  }
  if (json) {
    notice?.(`${source.name}: ${json.evidence}`)
    return headOfJson(json, { bytes, complete }, headerFor(json.keys.length, json.keys), charset, source.name)
  }
  const { dialect, start, evidence, sure } = sniff(bytes, complete, { ...given, encoding: charset.name })
  notice?.(`${source.name}: ${evidence}${sure ? '' : ' (not sure: check the first rows, or say what it is)'}`)
  const records = readRecords(bytes.subarray(start.byte), dialect, { final: complete, position: start })
  const sample = (from: Position) => () =>
    readRecords(bytes.subarray(from.byte), dialect, { final: complete, position: from })
  /** What is known is counted in the text; a load begins in the source. */
  const head = (header: string[], place: Position): SourceHead => {
    const byte = charset.sourceLength(bytes.subarray(0, place.byte))
    return { dialect, header, start: { ...place, byte }, sample: sample(place) }
  }
  const [first] = records
  if (!first) {
    const what = complete ? 'has no record' : `has no whole record in its first ${bytes.length} bytes`
    throw new SluiceError('SLUICE_SOURCE_EMPTY', `${source.name} ${what}`)
  }
  if (!dialect.header) {
    const header = headerFor(first.cells.length)
    return head(header, { byte: first.byteOffset, line: first.line, record: 0 })
  }
  if (first.fault) {
    throw new SluiceError(
      'SLUICE_DIALECT',
      `The header of ${source.name} (line ${first.line}) is broken: ${first.fault.code}`,
    )
  }
  refuseUndecoded(bytes.subarray(0, first.next), first, charset, source.name)
  const header = first.cells.map(({ text }) => text.trim())
  return head(header, { byte: first.next, line: lineBehind(bytes, first, dialect), record: 0 })
}

/** Names of columns would else have U+FFFD in place of what stands there. */
function refuseUndecoded(bytes: Uint8Array, { byteOffset, line }: SourceRecord, charset: Charset, name: string): void {
  if (isUtf8(bytes.subarray(byteOffset))) return
  let at = byteOffset
  // A character has up to 4 bytes: the first one with which no number of bytes is UTF-8.
  while (at < bytes.length) {
    const length = [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))
    if (length === undefined) break
    at += length
  }
  const [byte] = charset.encode(bytes.subarray(at, at + 3))
  const offset = charset.sourceLength(bytes.subarray(0, at))
  throw new SluiceError(
    'SLUICE_DIALECT',
    `The header of ${name} (line ${line}) is not ${charset.name.toUpperCase()}: ` +
      `byte 0x${byte!.toString(16).toUpperCase().padStart(2, '0')} at offset ${offset}. Say which encoding it is in, for instance --encoding windows-1252`,
  )
}

/** The physical line on which the first record behind the header may start. */
function lineBehind(bytes: Uint8Array, header: SourceRecord, dialect: Dialect): number {
  // The header may hold line ends in quotes, so its lines are counted like any others: by the records' reader.
  const [next] = readRecords(
    Buffer.concat([bytes.subarray(header.byteOffset, header.next), Buffer.from('x')]),
    dialect,
    {
      position: { byte: header.byteOffset, line: header.line, record: 0 },
    },
  ).drop(1)
  return next?.line ?? header.line
}

function headOfJson(
  { dialect, start }: JsonHead,
  { bytes, complete }: Head,
  header: string[],
  charset: Charset,
  name: string,
): SourceHead {
  if (header.length === 0)
    throw new SluiceError('SLUICE_SOURCE_EMPTY', `${name} has no object with a key, so there is no column to load`)
  const sample = () =>
    readRecords(bytes.subarray(start.byte), dialect, { final: complete, position: start, columns: header })
  const byte = charset.sourceLength(bytes.subarray(0, start.byte))
  return { dialect, header, start: { ...start, byte }, sample }
}

function inferredFrom(head: SourceHead): TableSchema {
  const { header, dialect } = head
  const cells = sampleCells(head)
  return (dialect.json ? inferJsonSchema(header, cells) : inferSchema(header, cells, dialect.nullWords)).schema
}

/** Columns that get their values from elsewhere than a key of their name. */
function filledColumns({ set, rename, provenance }: LoadOptions): string[] {
  return [...Object.keys(set ?? {}), ...Object.values(rename ?? {}), ...(provenance ? PROVENANCE : [])]
}

const PROVENANCE = ['_job', '_file', '_line']

/** The dialect of a source of JSON, with what only its plan tells. */
function settleJson(dialect: Dialect, { columns, sourceColumns }: Program, { unknownColumns }: LoadOptions): Dialect {
  if (!dialect.json) return dialect
  const kept = columns.flatMap(({ type, from }) =>
    'cell' in from && type.kind === 'json' ? sourceColumns[from.cell]! : [],
  )
  return { ...dialect, json: { ...dialect.json, kept, ignoresUnknown: unknownColumns === 'ignore' } }
}

function* sampleCells({ sample, header }: SourceHead): Generator<SourceRecord['cells']> {
  for (const { cells, fault } of sample()) if (!fault && cells.length === header.length) yield cells
}

/** Gives the interrupted job up, for --restart. */
async function forget({ database, store, table, names, notice }: Place): Promise<void> {
  const job = await store.findUnfinished(names.source, names.target)
  if (!job) return
  const [checkpoint] = await store.checkpoints(job.jobId)
  await store.claim(job.jobId, 0, claimOf(checkpoint))
  await store.cancel(job.jobId)
  const staged = isStaged((job.settings as Settings).asked)
  if (staged) await dropStaging(database, table, job.jobId)
  const rows = staged ? 0 : job.inserted + job.updated
  notice(
    `gave up the interrupted job ${job.jobId}${rows > 0 ? `; the ${rows} rows that it had loaded stay in ${job.targetTable}` : ''}`,
  )
}

/** Seconds without a commit or a renewal after which another process may take a job over. */
function leaseSeconds(): number {
  const seconds = Number(process.env.SLUICE_LEASE_SECONDS ?? 30)
  if (!(seconds >= 1))
    throw new SluiceError('SLUICE_CONFIG', 'SLUICE_LEASE_SECONDS must be a number of seconds, 1 or more')
  return seconds
}

export function claimOf(checkpoint: Checkpoint | undefined): { owner: string; seconds: number; dead?: string } {
  const claim = { owner: leaseOwner(), seconds: leaseSeconds() }
  const holder = checkpoint?.leaseOwner
  return holder && livesNoMore(holder) ? { ...claim, dead: holder } : claim
}

async function refuseChanges(options: LoadOptions, sources: Source[], job: Job): Promise<void> {
  const changed = differences((job.settings as Settings).asked, askedOf(options))
  const hint = `Run it as before to go on with job ${job.jobId}, or use --restart to start over.`
  if (changed.length > 0) {
    throw new SluiceError(
      'SLUICE_SOURCE_CHANGED',
      `An interrupted load of this source into ${job.targetTable} had other settings: ${changed.join(', ')}. ${hint}`,
    )
  }
  const now = await fingerprintOf(sources)
  if (JSON.stringify(sorted(now)) !== JSON.stringify(sorted(job.fingerprint))) {
    throw new SluiceError(
      'SLUICE_SOURCE_CHANGED',
      `${job.source} is not what it was when its load into ${job.targetTable} was interrupted. ` +
        `Put the same content back to go on with job ${job.jobId}, or use --restart to start over.`,
    )
  }
}

/** Databases keep an object, not the order of its keys. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
}

async function fingerprintOf(sources: Source[]): Promise<unknown[]> {
  return Promise.all(sources.map((source) => source.fingerprint()))
}

function totalOf(sources: Source[]): number | null {
  return sources.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0)
}
