import { SluiceError } from '../../errors.ts'
import { quoted } from '../../table-name.ts'
import type { TableName } from '../database.ts'

/** Bytes of a name; PostgreSQL cuts longer ones off in silence, so that two could become one. */
const NAME_LIMIT = 63

/**
 * A name as SQL, always quoted.
 * @throws SluiceError SLUICE_COLUMNS when PostgreSQL cannot have it as a name
 */
export function quoteName(name: string): string {
  const bytes = Buffer.byteLength(name)
  if (bytes === 0 || bytes > NAME_LIMIT || name.includes('\0')) {
    const why = bytes > NAME_LIMIT ? `has ${bytes} bytes, and the limit is ${NAME_LIMIT}` : 'is empty or holds a NUL'
    throw new SluiceError(
      'SLUICE_COLUMNS',
      `${JSON.stringify(name)} cannot be a name in PostgreSQL: it ${why}. Give it another one.`,
    )
  }
  return quoted(name)
}

export function quoteTable({ schema, table }: TableName): string {
  return schema === null ? quoteName(table) : `${quoteName(schema)}.${quoteName(table)}`
}
