import type { NewColumn, TableName } from '../database.ts'
import { created } from './column-types.ts'
import { quoteName, quoteTable } from './identifier.ts'

/** CREATE TABLE for columns of a schema. */
export function createTableSql(table: TableName, columns: NewColumn[], primaryKey: string[]): string {
  const lines = columns.map(({ name, type, required, unique, bytewise, filledWith }) =>
    [
      quoteName(name),
      created(type).sql,
      bytewise && 'COLLATE "C"',
      filledWith === 'number' && 'GENERATED ALWAYS AS IDENTITY (CACHE 1000) PRIMARY KEY',
      filledWith === 'now' && 'DEFAULT now()',
      required && 'NOT NULL',
      unique && 'UNIQUE',
    ]
      .filter(Boolean)
      .join(' '),
  )
  if (primaryKey.length > 0) lines.push(`PRIMARY KEY (${primaryKey.map(quoteName).join(', ')})`)
  return `CREATE TABLE ${quoteTable(table)} (\n  ${lines.join(',\n  ')}\n)`
}
