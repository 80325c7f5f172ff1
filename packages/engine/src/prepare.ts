import { randomUUID } from 'node:crypto'
import { type Checkpoint, isAnnounced, type Job } from './checkpoint/job.ts'
import { JobStore } from './checkpoint/job-store.ts'
import { Leases } from './checkpoint/leases.ts'
import { createRejectTable } from './checkpoint/reject-table.ts'
import { createTables } from './checkpoint/tables.ts'
import { SluiceError } from './errors.ts'
import { failpoint } from './failpoint.ts'
import { headOf, type SourceHead } from './head.ts'
import { loadedBefore } from './loaded-before.ts'
import type { LoadOptions } from './options.ts'
import { START } from './parse/position.ts'
import { planFirst, planFor } from './plan-source.ts'
import { isByContent } from './schema/layout.ts'
import type { Plan } from './schema/plan.ts'
import { parseTableSchema } from './schema/table-schema.ts'
import { segmentsOf } from './segments.ts'
import { askedOf, canonical, differences, hashOf, isStaged, type Settings } from './settings.ts'
import type { Source } from './source/source.ts'
import { fullName } from './table-name.ts'
import { rejectTableName, targetName } from './target.ts'
import { claimOf } from './under-lease.ts'
import type { Database, TableName, TargetTable } from './write/database.ts'
import { LateIndex } from './write/late-index.ts'
import { retry } from './write/retry.ts'
import { dropStaging } from './write/staging.ts'

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
): Promise<PreparedJob | { loadedBy: Job }> {
  refuseContradictions(options)
  const table = targetName(options.table, options.sourceName ?? sources[0]!.name)
  const target = fullName(table)
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
  await patiently(() => createTables(database))
  if (rejectTable) await patiently(() => createRejectTable(database, rejectTable))
  if (options.restart) await patiently(() => forget(place))
  return patiently(async () => {
    const found = await findJob(options, sources, place)
    if (found) return found
    const loadedBy = await loadedBefore(options, sources, await fingerprintOf(sources), place)
    if (loadedBy) return { loadedBy }
    try {
      return await createJob(options, sources, place)
    } catch (error) {
      // Another process may have begun the same job at the same instant.
      const begun = options.jobId && isJobError(error) ? await findJob(options, sources, place) : undefined
      if (!begun) throw error
      return begun
    }
  })
}

/** @throws SluiceError SLUICE_CONFIG for options that cannot both be meant */
function refuseContradictions({ onConflict, dedupe = 'none', atomic, mode }: LoadOptions): void {
  if (onConflict === 'update' && dedupe !== 'none') {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `--dedupe ${dedupe} keeps the first of equal records, and --on-conflict update the last; give one of them`,
    )
  }
  if (onConflict === 'update' && atomic && mode !== 'replace') {
    throw new SluiceError(
      'SLUICE_CONFIG',
      '--atomic cannot be had with --on-conflict update: what a row changes is only known when it is published. Leave one of them out, ' +
        'or use --mode replace',
    )
  }
}

/** Where a job is looked for, or made. */
interface JobPlace {
  database: Database
  store: JobStore
  table: TableName
  names: { source: string; target: string }
  notice: (message: string) => void
}

async function findJob(options: LoadOptions, sources: Source[], place: JobPlace): Promise<PreparedJob | undefined> {
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
  place: JobPlace,
  { job, settings, head }: Pick<PreparedJob, 'job' | 'settings' | 'head'>,
): Promise<TargetTable> {
  const { database, names } = place
  const target = await describeWhole(place, options)
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
      'SLUICE_DATABASE',
      `The table ${names.target} of the interrupted load is gone. Use --restart to start over.`,
    )
  }
  return createTable(options, place, settings, create)
}

async function createJob(options: LoadOptions, sources: Source[], place: JobPlace): Promise<PreparedJob> {
  const { database, store, table, names, notice } = place
  const jobId = options.jobId ?? randomUUID()
  const before = await describeWhole(place, options)
  const first = await planFirst(options, sources[0]!, database, { jobId, target: before }, notice)
  const { head, plan, schema } = first
  const inferred = first.inferred?.schema ?? null
  const settings: Settings = {
    asked: askedOf(options),
    dialect: head.dialect,
    header: head.header,
    schema: schema ?? (plan.create ? inferred : null),
    inferred,
    // Staged rows are told apart in the table in which they wait.
    ...(plan.create?.lateKey !== undefined && !isStaged(options) && { lateKey: plan.create.lateKey }),
  }
  const [source, ...others] = sources
  await planOthers(options, database, others, { jobId, settings, target: before })
  const divided =
    others.length === 0 ? await segmentsOf(options, source!, database, { head, plan, target: before }, notice) : null
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
      segments: divided
        ? divided.map((segment) => ({ source: source!.name, ...segment }))
        : sources.map(({ name }) => ({ source: name, start: START, endByte: null })),
    },
    options.jobId === undefined,
  )
  failpoint('after-create-job')
  let target = before
  try {
    target ??= await createTable(options, place, settings, plan.create!)
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
  options: LoadOptions,
  place: JobPlace,
  { lateKey }: Settings,
  { columns, primaryKey }: NonNullable<Plan['create']>,
): Promise<TargetTable> {
  const { database, table, names, notice } = place
  const created = columns.map((column) => (column.name === lateKey ? { ...column, unique: false } : column))
  try {
    await database.createTable(table, created, primaryKey)
  } catch (error) {
    // Another load of the same instant may have made it.
    const made = await describeWhole(place, options)
    if (!made) throw error
    return made
  }
  failpoint('after-create-table')
  const target = (await database.describe(table))!
  notice(`created table ${names.target}: ${target.columns.map((c) => `${c.name} ${c.declared}`.trim()).join(', ')}`)
  return lateKey === undefined ? target : { ...target, lateKey: [lateKey] }
}

/** The table as it is. One that waits for its unique index, because the load that made it was interrupted or goes on, gets it now. */
async function describeWhole(
  { database, store, table, names, notice }: JobPlace,
  { dedupe }: Pick<LoadOptions, 'dedupe'>,
): Promise<TargetTable | undefined> {
  const target = await database.describe(table)
  if (!(target && isByContent(dedupe))) return target
  const lateKeys = (await store.incomplete(names.target)).map(({ settings }) => (settings as Settings | null)?.lateKey)
  const has = (column: string) => target.columns.some(({ name }) => name === column)
  const missing = lateKeys.find(
    (key) => key !== undefined && has(key) && has('job_id') && !target.uniqueKeys.some((names) => names.join() === key),
  )
  if (missing === undefined) return target
  notice(`building the unique index on ${missing} of ${names.target}, which another load has put off`)
  await new LateIndex(database, table, target, missing).build()
  return database.describe(table)
}

/** Gives the interrupted job up, for --restart. */
async function forget({ database, store, table, names, notice }: JobPlace): Promise<void> {
  const job = await store.findUnfinished(names.source, names.target)
  if (!job) return
  const checkpoints = await store.checkpoints(job.jobId)
  const leases = new Leases(database)
  const held = checkpoints.filter(({ leaseOwner }) => leaseOwner !== null)
  for (const one of held.length > 0 ? held : checkpoints.slice(0, 1)) {
    await leases.claim(job.jobId, one.segment, claimOf(one))
  }
  await store.cancel(job.jobId)
  const staged = isStaged((job.settings as Settings).asked)
  if (staged) await dropStaging(database, table, job.jobId)
  const rows = staged ? 0 : job.inserted + job.updated
  notice(
    `gave up the interrupted job ${job.jobId}${rows > 0 ? `; the ${rows} rows that it had loaded stay in ${job.targetTable}` : ''}`,
  )
}

function isJobError(error: unknown): boolean {
  return error instanceof SluiceError && error.code === 'SLUICE_JOB'
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
  if (canonical(now) !== canonical(job.fingerprint)) {
    throw new SluiceError(
      'SLUICE_SOURCE_CHANGED',
      `${job.source} is not what it was when its load into ${job.targetTable} was interrupted. ` +
        `Put the same content back to go on with job ${job.jobId}, or use --restart to start over.`,
    )
  }
}

async function fingerprintOf(sources: Source[]): Promise<unknown[]> {
  return Promise.all(sources.map((source) => source.fingerprint()))
}

function totalOf(sources: Source[]): number | null {
  return sources.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0)
}
