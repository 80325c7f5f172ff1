import { REJECT_TABLE } from './checkpoint/reject-table.ts'
import { SluiceError } from './errors.ts'
import { tableNameFor } from './schema/table-name.ts'
import { tableNamed } from './table-name.ts'
import type { TableName, TargetTable } from './write/database.ts'
import { STAGING_PREFIX } from './write/staging.ts'

/** Sluice's own tables, in whichever schema. */
const OWN_TABLES = new Set([
  'ingestion_jobs',
  'ingestion_checkpoints',
  'failed_imports',
  'sluice_schema',
  'sluice_uploads',
  'sluice_webhooks',
])

/**
 * The table that the rejects of a job go into.
 * @param table `T` or `schema.T`
 * @param target that the load goes into
 * @throws SluiceError SLUICE_USAGE for what is no name, for the target, and for sluice's own tables that hold something else
 */
export function rejectTableName(table: string, target: TableName): TableName {
  const name = parseName(table, '--reject-table')
  const lower = name.table.toLowerCase()
  if (lower !== REJECT_TABLE && isOwn(lower)) {
    throw new SluiceError('SLUICE_USAGE', `${name.table} is one of sluice's own tables and cannot hold rejects`)
  }
  if (lower === target.table.toLowerCase() && (name.schema ?? target.schema) === (target.schema ?? name.schema)) {
    throw new SluiceError('SLUICE_USAGE', `${table} is the table that is loaded into; its rejects need another one`)
  }
  return name
}

/**
 * The table that a load goes into.
 * @param table `T` or `schema.T`; default: the source's name without its extensions, other than word characters as `_`
 * @throws SluiceError SLUICE_USAGE for what is no name, and for sluice's own tables
 */
export function targetName(table: string | undefined, sourceName: string): TableName {
  const name = parseName(table ?? tableNameFor(sourceName), '--table')
  if (isOwn(name.table.toLowerCase())) {
    throw new SluiceError('SLUICE_USAGE', `${name.table} is one of sluice's own tables and cannot be loaded into`)
  }
  return name
}

function parseName(text: string, flag: string): TableName {
  const name = tableNamed(text)
  if (name.schema === '' || name.table === '') {
    throw new SluiceError('SLUICE_USAGE', `"${text}" is no table name; give ${flag} T or ${flag} schema.T`)
  }
  return name
}

/**
 * The types of a table's columns by their names, for which rows are made.
 * @param numbered the column in which rows that wait have more than they will have in the table
 */
export function declaredTypes({ columns }: TargetTable, numbered?: string): Map<string, string> {
  return new Map(columns.filter(({ name }) => name !== numbered).map(({ name, declared }) => [name, declared]))
}

function isOwn(name: string): boolean {
  return OWN_TABLES.has(name) || name.startsWith(STAGING_PREFIX)
}
