import { basename } from 'node:path'
import type { Job } from './checkpoint/job.ts'
import { headOf, inferredFrom, type SourceHead } from './head.ts'
import type { LoadOptions } from './options.ts'
import type { Dialect } from './parse/dialect.ts'
import { headerByOrder } from './schema/header.ts'
import { headerOfKeys } from './schema/header-json.ts'
import { withoutLayout } from './schema/layout.ts'
import { type Plan, type PlanRequest, planLoad } from './schema/plan.ts'
import type { Program } from './schema/program.ts'
import { parseTableSchema, type TableSchema } from './schema/table-schema.ts'
import type { Settings } from './settings.ts'
import type { Source } from './source/source.ts'
import type { Database, TargetTable } from './write/database.ts'

/** PostgreSQL cuts longer names in silence (NAMEDATALEN - 1). */
const POSTGRES_NAME_BYTES = 63
/** Columns of a table: https://www.postgresql.org/docs/current/limits.html, https://www.sqlite.org/limits.html (SQLITE_MAX_COLUMN). */
const MOST_COLUMNS = { postgres: 1600, sqlite: 2000 }
/** https://www.postgresql.org/docs/current/ddl-system-columns.html; other spellings are names like any other. */
const POSTGRES_SYSTEM_NAMES = ['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']

/** The first source of a job, looked at and planned. */
export interface FirstPlan {
  head: SourceHead
  plan: Plan
  /** The user's. */
  schema: TableSchema | undefined
  /** The schema of the sample and why it is that; null where the user gave one, which decides everything. */
  inferred: ReturnType<typeof inferredFrom> | null
}

/**
 * Looks at the first source of a job and plans it: what a load begins with, and what a check says that a load would do.
 * @throws SluiceError for a source that cannot be read, or does not fit
 */
export async function planFirst(
  options: Omit<LoadOptions, 'source'>,
  source: Source,
  database: Pick<Database, 'kind' | 'storageFor'>,
  { jobId, target }: { jobId: string; target: TargetTable | undefined },
  notice: (message: string) => void,
): Promise<FirstPlan> {
  const schema = options.schema && parseTableSchema(options.schema)
  const nullWords = options.dialect?.nullWords ?? schema?.missingValues
  const given = { ...options.dialect, ...(nullWords && { nullWords }) }
  const headerFor = (cells: number, keys?: string[]): string[] =>
    keys
      ? headerOfKeys(keys, schema, target, filledColumns(options))
      : headerByOrder(cells, schema, withoutLayout(target, options.dedupe))
  const head = await headOf(source, given, headerFor, notice)
  const inferred = schema ? null : inferredFrom(head)
  const place = { jobId, file: source.name, schema, inferred: inferred?.schema, target }
  const plan = planFor(options, database, head, place)
  for (const message of plan.notices) notice(message)
  head.dialect = settleJson(head.dialect, plan.program, options)
  return { head, plan, schema, inferred }
}

/** The plan of one source of a job; every source may have its columns in another order. */
export function planSource(
  options: Omit<LoadOptions, 'source'>,
  database: Database,
  prepared: { settings: Settings; job: Pick<Job, 'jobId'>; target: TargetTable },
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

/** A plan by the options of a load and by what stands at its two ends. */
export function planFor(
  options: Omit<LoadOptions, 'source'>,
  database: Pick<Database, 'kind' | 'storageFor'>,
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
  const { rename, skip, set, unknownColumns, key, onConflict, dedupe } = options
  const request: PlanRequest = {
    ...place,
    header: head.header,
    storageFor: (type) => database.storageFor(type),
    rename,
    skip,
    set,
    unknownColumns,
    key,
    onConflict,
    dedupe,
    job: jobId,
    provenance: options.provenance ? { job: jobId, file: basename(file) } : undefined,
    nameBytes: database.kind === 'postgres' ? POSTGRES_NAME_BYTES : undefined,
    maxColumns: MOST_COLUMNS[database.kind],
    systemNames: database.kind === 'postgres' ? POSTGRES_SYSTEM_NAMES : undefined,
  }
  return planLoad(request)
}

/** Columns that get their values from elsewhere than a key of their name. */
function filledColumns({ set, rename, provenance }: Omit<LoadOptions, 'source'>): string[] {
  return [...Object.keys(set ?? {}), ...Object.values(rename ?? {}), ...(provenance ? PROVENANCE : [])]
}

const PROVENANCE = ['_job', '_file', '_line']

/** The dialect of a source of JSON, with what only its plan tells. */
function settleJson(
  dialect: Dialect,
  { columns, sourceColumns }: Program,
  { unknownColumns }: Omit<LoadOptions, 'source'>,
): Dialect {
  if (!dialect.json) return dialect
  const kept = columns.flatMap(({ type, from }) => {
    if ('members' in from) return from.members.map(({ cell }) => sourceColumns[cell]!)
    return 'cell' in from && type.kind === 'json' ? sourceColumns[from.cell]! : []
  })
  return { ...dialect, json: { ...dialect.json, kept, ignoresUnknown: unknownColumns === 'ignore' } }
}
