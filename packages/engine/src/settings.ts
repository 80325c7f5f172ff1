import { createHash } from 'node:crypto'
import { REJECT_TABLE } from './checkpoint/reject-table.ts'
import type { LoadOptions } from './options.ts'
import type { Dialect } from './parse/dialect.ts'
import { MAX_RECORD_BYTES } from './parse/records.ts'
import type { TableSchema } from './schema/table-schema.ts'

/**
 * What the meaning of a job depends on, kept in its row: enough to go on with it, to print its rejects and to replay them.
 * JSON throughout.
 */
export interface Settings {
  /** What the user asked for; a load that goes on must ask for the same. */
  asked: Asked
  dialect: Dialect
  /** Header of the first source. */
  header: string[]
  /** Headers of other sources, by segment, where they are not the same; all of them before the first record is read. */
  headers?: Record<string, string[]>
  /** The unique column of the table that the job makes whose index comes when all rows are in. */
  lateKey?: string
  /** The schema that rules the load: the user's, or the inferred one where the job made the table. */
  schema: TableSchema | null
  /** The schema of the sample; it decides for columns that have no type of their own. */
  inferred: TableSchema | null
}

export type Asked = Pick<
  LoadOptions,
  | 'schema'
  | 'dialect'
  | 'key'
  | 'onConflict'
  | 'dedupe'
  | 'mode'
  | 'atomic'
  | 'rename'
  | 'skip'
  | 'set'
  | 'provenance'
  | 'unknownColumns'
  | 'rejectTable'
  | 'maxRecordBytes'
  | 'limit'
> & { hasMap: boolean }

/** What is the default means the same as nothing. */
const DEFAULTS: Partial<Asked> = {
  onConflict: 'reject',
  dedupe: 'none',
  mode: 'append',
  atomic: false,
  provenance: false,
  unknownColumns: 'reject',
  rejectTable: REJECT_TABLE,
  maxRecordBytes: MAX_RECORD_BYTES,
}

export function askedOf(options: LoadOptions): Asked {
  const { schema, dialect, key, onConflict, dedupe, mode, atomic, rename, skip, set, provenance } = options
  const { unknownColumns, rejectTable, maxRecordBytes, limit } = options
  const asked = {
    schema,
    dialect,
    key,
    onConflict,
    dedupe,
    mode,
    atomic,
    rename,
    skip,
    set,
    provenance,
    unknownColumns,
    rejectTable,
    maxRecordBytes,
    limit,
  }
  // As it comes back from the database: what is undefined is not there.
  return meant(JSON.parse(JSON.stringify({ ...asked, hasMap: options.map !== undefined })))
}

function meant(asked: Asked): Asked {
  const entries = Object.entries(asked).filter(([name, value]) => value !== DEFAULTS[name as keyof Asked])
  return Object.fromEntries(entries) as Asked
}

/** Settings that differ, by name. */
export function differences(stored: Asked, now: Asked): string[] {
  // Versions before kept defaults that were spelled out.
  const before = meant(stored)
  const names = new Set([...Object.keys(before), ...Object.keys(now)]) as Set<keyof Asked>
  return [...names].filter((name) => canonical(before[name]) !== canonical(now[name]))
}

export function hashOf(asked: Asked): string {
  return createHash('sha256').update(canonical(asked)).digest('hex')
}

/** JSON with sorted keys: databases keep an object, not the order of its keys. Empty objects mean the same as none. */
export function canonical(value: unknown): string {
  const sorted = (_: string, entry: unknown) =>
    entry !== null && typeof entry === 'object' && !Array.isArray(entry)
      ? Object.fromEntries(Object.entries(entry).sort(([a], [b]) => (a < b ? -1 : 1)))
      : entry
  const text = JSON.stringify(value, sorted) ?? ''
  return text === '{}' || text === '[]' ? '' : text
}

/** Whether all rows of the job appear at once. */
export function isStaged({ mode, atomic, dedupe }: Pick<Asked, 'mode' | 'atomic' | 'dedupe'>): boolean {
  return mode === 'replace' || atomic === true || dedupe === 'content:count'
}
