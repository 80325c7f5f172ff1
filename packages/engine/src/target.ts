import { SluiceError } from './errors.ts'
import { tableNameFor } from './schema/table-name.ts'
import type { TableName } from './write/database.ts'
import { STAGING_PREFIX } from './write/staging.ts'

/** Sluice's own tables, in whichever schema. */
const OWN_TABLES = new Set(['ingestion_jobs', 'ingestion_checkpoints', 'failed_imports', 'sluice_uploads'])

/**
 * The table that a load goes into.
 * @param table `T` or `schema.T`; default: the source's name without its extensions, other than word characters as `_`
 * @throws SluiceError SLUICE_USAGE for what is no name, and for sluice's own tables
 */
export function targetName(table: string | undefined, sourceName: string): TableName {
  const text = table ?? tableNameFor(sourceName)
  const dot = text.indexOf('.')
  if (text === '' || dot === 0 || dot === text.length - 1) {
    throw new SluiceError('SLUICE_USAGE', `"${text}" is no table name; give --table T or --table schema.T`)
  }
  const name = dot === -1 ? { schema: null, table: text } : { schema: text.slice(0, dot), table: text.slice(dot + 1) }
  if (OWN_TABLES.has(name.table.toLowerCase()) || name.table.toLowerCase().startsWith(STAGING_PREFIX)) {
    throw new SluiceError('SLUICE_USAGE', `${name.table} is one of sluice's own tables and cannot be loaded into`)
  }
  return name
}
