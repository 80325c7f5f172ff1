import type { TargetTable } from '../write/database.ts'
import { listOf } from './read-json.ts'
import type { TableSchema } from './table-schema.ts'

/**
 * Columns of a source of JSON: the keys of its sample, and those that may come behind it: fields of the schema, else columns of the
 * table that may be NULL. Without a single key in the sample they are all columns that can be written.
 *
 * @param filled columns that get their values from elsewhere
 */
export function headerOfKeys(
  keys: readonly string[],
  schema: TableSchema | undefined,
  target: TargetTable | undefined,
  filled: readonly string[],
): string[] {
  const fold = (name: string) => name.trim().toLowerCase()
  const known = new Set([...keys, ...filled].map(fold))
  const isNew = (names: readonly string[]) => names.every((name) => !known.has(fold(name)))
  if (schema) {
    const fields = schema.fields.filter(({ name, source }) => isNew([name, ...listOf(source)]))
    return [...keys, ...fields.map(({ name, source }) => listOf(source)[0] ?? name)]
  }
  const columns = (target?.columns ?? []).filter(
    ({ name, nullable, hasDefault, generated }) =>
      !generated && isNew([name]) && (keys.length === 0 || (nullable && !hasDefault)),
  )
  return [...keys, ...columns.map(({ name }) => name)]
}
