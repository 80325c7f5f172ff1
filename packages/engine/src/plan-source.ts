import { basename } from 'node:path'
import type { Job } from './checkpoint/job.ts'
import type { SourceHead } from './head.ts'
import type { LoadOptions } from './options.ts'
import type { Dialect } from './parse/dialect.ts'
import { type Plan, type PlanRequest, planLoad } from './schema/plan.ts'
import type { Program } from './schema/program.ts'
import type { TableSchema } from './schema/table-schema.ts'
import type { Settings } from './settings.ts'
import type { Source } from './source/source.ts'
import type { Database, TargetTable } from './write/database.ts'

/** PostgreSQL cuts longer names in silence (NAMEDATALEN - 1). */
const POSTGRES_NAME_BYTES = 63
/** https://www.postgresql.org/docs/current/ddl-system-columns.html; other spellings are names like any other. */
const POSTGRES_SYSTEM_NAMES = ['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid']

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

/** Columns that get their values from elsewhere than a key of their name. */
export function filledColumns({ set, rename, provenance }: LoadOptions): string[] {
  return [...Object.keys(set ?? {}), ...Object.values(rename ?? {}), ...(provenance ? PROVENANCE : [])]
}

const PROVENANCE = ['_job', '_file', '_line']

/** The dialect of a source of JSON, with what only its plan tells. */
export function settleJson(
  dialect: Dialect,
  { columns, sourceColumns }: Program,
  { unknownColumns }: LoadOptions,
): Dialect {
  if (!dialect.json) return dialect
  const kept = columns.flatMap(({ type, from }) =>
    'cell' in from && type.kind === 'json' ? sourceColumns[from.cell]! : [],
  )
  return { ...dialect, json: { ...dialect.json, kept, ignoresUnknown: unknownColumns === 'ignore' } }
}
