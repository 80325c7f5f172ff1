import { SluiceError } from '../../errors.ts'
import type { TableName } from '../database.ts'

/** The current time in the form of our own tables. */
export const NOW = `strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`

/** SQLite has schemas for attached databases only, and sluice loads into the one file it opened. */
export function checkSchema({ schema, table }: TableName): void {
  if (schema === null || schema.toLowerCase() === 'main') return
  throw new SluiceError(
    'SLUICE_USAGE',
    `SQLite has no schema ${schema}: the table of an SQLite file is named without one (--table ${table})`,
  )
}
