import type { TableName } from './write/database.ts'

/** The table of `T` or `schema.T`, as options and jobs have it: what stands before the first dot is a schema. */
export function tableNamed(text: string): TableName {
  const dot = text.indexOf('.')
  return { schema: dot === -1 ? null : text.slice(0, dot), table: text.slice(dot + 1) }
}

/** `T` or `schema.T`. */
export function fullName({ schema, table }: TableName): string {
  return schema === null ? table : `${schema}.${table}`
}

/** A name in SQL, whatever characters it has (both databases take it so). */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** A table's name in SQL. */
export function quotedTable({ schema, table }: TableName): string {
  return schema === null ? quoted(table) : `${quoted(schema)}.${quoted(table)}`
}
