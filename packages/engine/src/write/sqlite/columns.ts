import { SluiceError } from '../../errors.ts'
import type { ColumnType, Storage } from '../../schema/program.ts'
import { quoted } from '../../table-name.ts'
import type { NewColumn, TableName, TargetColumn, TargetTable } from '../database.ts'
import type { Connection } from './connection.ts'
import { checkSchema, NOW } from './sql.ts'

type Kept = Pick<TargetColumn, 'type' | 'storage'>

/** How a type is stored in a column that sluice creates, and the type that column is declared with. */
const CREATED: Record<ColumnType['kind'], { declared: string; storage: Storage }> = {
  text: { declared: 'TEXT', storage: 'sqlite-text' },
  integer: { declared: 'INTEGER', storage: 'sqlite-integer' },
  // Without a type there is no affinity, which would turn 20-digit numbers into doubles.
  numeric: { declared: '', storage: 'sqlite-number' },
  float8: { declared: 'REAL', storage: 'sqlite-real' },
  boolean: { declared: 'BOOLEAN', storage: 'sqlite-integer' },
  date: { declared: 'TEXT', storage: 'sqlite-text' },
  time: { declared: 'TEXT', storage: 'sqlite-text' },
  timestamp: { declared: 'TEXT', storage: 'sqlite-text' },
  timestamptz: { declared: 'TEXT', storage: 'sqlite-text' },
  uuid: { declared: 'TEXT', storage: 'sqlite-text' },
  email: { declared: 'TEXT', storage: 'sqlite-text' },
  json: { declared: 'TEXT', storage: 'sqlite-text' },
  other: { declared: 'TEXT', storage: 'sqlite-text' },
}

export function storageFor(type: ColumnType): Storage {
  return CREATED[type.kind].storage
}

/** An INTEGER that is the whole primary key becomes the rowid; NOT NULL then keeps SQLite from inventing numbers for NULL. */
export function createTableSql(table: TableName, columns: NewColumn[], primaryKey: string[]): string {
  checkSchema(table)
  const lines = columns.map(({ name, type, required, unique, filledWith }) => {
    const words = [quoted(name), CREATED[type.kind].declared]
    if (filledWith === 'number') words.push('PRIMARY KEY')
    if (filledWith === 'now') words.push(`DEFAULT (${NOW})`)
    if (required || primaryKey.includes(name)) words.push('NOT NULL')
    if (unique) words.push('UNIQUE')
    return words.filter((word) => word !== '').join(' ')
  })
  if (primaryKey.length > 0) lines.push(`PRIMARY KEY (${primaryKey.map(quoted).join(', ')})`)
  return `CREATE TABLE main.${quoted(table.table)} (${lines.join(', ')})`
}

/** Declared types that tell more than their affinity does. Their values are text that NUMERIC affinity leaves alone. */
const NAMED_TYPES: [RegExp, Kept][] = [
  [/^bool/i, { type: { kind: 'boolean' }, storage: 'sqlite-integer' }],
  [/^date$/i, { type: { kind: 'date' }, storage: 'sqlite-text' }],
  [/^time$/i, { type: { kind: 'time' }, storage: 'sqlite-text' }],
  [/^(timestamptz|timestamp.* with time zone)$/i, { type: { kind: 'timestamptz' }, storage: 'sqlite-text' }],
  [/^(datetime|timestamp)/i, { type: { kind: 'timestamp' }, storage: 'sqlite-text' }],
  [/^uuid$/i, { type: { kind: 'uuid' }, storage: 'sqlite-text' }],
  [/^jsonb?$/i, { type: { kind: 'json', top: 'any' }, storage: 'sqlite-text' }],
]

/** The rules of https://sqlite.org/datatype3.html#determination_of_column_affinity, in their order. */
function keptAs(declared: string, strict: boolean): Kept {
  const text: Kept = { type: { kind: 'text' }, storage: 'sqlite-text' }
  const named = NAMED_TYPES.find(([pattern]) => pattern.test(declared))
  if (named) return named[1]
  if (/INT/i.test(declared)) return { type: { kind: 'integer', bytes: 8 }, storage: 'sqlite-integer' }
  if (/CHAR|CLOB|TEXT|BLOB|^$/i.test(declared) || (strict && /^any$/i.test(declared))) return text
  if (/REAL|FLOA|DOUB/i.test(declared)) return { type: { kind: 'float8' }, storage: 'sqlite-real' }
  const [, precision, scale = '0'] = /\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)/.exec(declared) ?? []
  const size = precision === undefined ? { precision: null, scale: null } : { precision: +precision, scale: +scale }
  return { type: { kind: 'numeric', ...size }, storage: 'sqlite-exact' }
}

/** `n` of CHAR(n), VARCHAR(n) and the like. SQLite does not hold anyone to it; sluice does, as on PostgreSQL. */
function maxLength(declared: string): number | null {
  const length = /CHAR[A-Z ]*\(\s*(\d+)\s*\)/i.exec(declared)?.[1]
  return length === undefined ? null : Number(length)
}

interface ColumnInfo {
  name: string
  type: string
  notnull: number
  dflt_value: string | null
  pk: number
  hidden: number
}

/**
 * The table as the database has it, or undefined.
 *
 * @throws SluiceError SLUICE_CONFIG for a view, which takes no rows.
 */
export async function describeTable(connection: Connection, table: TableName): Promise<TargetTable | undefined> {
  checkSchema(table)
  const [found] = await connection.query<{ name: string; type: string; wr: number; strict: number }>(
    `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = $1 COLLATE NOCASE`,
    [table.table],
  )
  if (!found) return undefined
  if (found.type === 'view') {
    throw new SluiceError('SLUICE_CONFIG', `${found.name} is a view, and SQLite's views take no rows; load its table`)
  }
  const infos = await connection.query<ColumnInfo>(
    `SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo($1, 'main') WHERE hidden <> 1`,
    [found.name],
  )
  const indexes = await connection.query<{ name: string; origin: string; columns: string }>(
    `SELECT l.name, l.origin, (SELECT json_group_array(i.name ORDER BY i.seqno) FROM pragma_index_info(l.name, 'main') i) AS columns
       FROM pragma_index_list($1, 'main') l WHERE l."unique" AND NOT l.partial`,
    [found.name],
  )
  const primaryKey = infos
    .filter(({ pk }) => pk > 0)
    .sort((a, b) => a.pk - b.pk)
    .map(({ name }) => name)
  const hasIndex = indexes.some(({ origin }) => origin === 'pk')
  // A primary key without an index is the rowid itself, which SQLite fills in.
  const isRowid = ({ pk }: ColumnInfo) => pk > 0 && !hasIndex && found.wr === 0
  const uniqueKeys = indexes
    .map(({ columns }) => JSON.parse(columns) as (string | null)[])
    // An expression has no name.
    .filter((names): names is string[] => names.every((name) => name !== null))
  return {
    name: { schema: null, table: found.name },
    columns: infos.map((info) => ({
      name: info.name,
      declared: info.type,
      ...keptAs(info.type, found.strict === 1),
      nullable: info.notnull === 0,
      hasDefault: info.dflt_value !== null || isRowid(info),
      generated: info.hidden !== 0,
      maxLength: maxLength(info.type),
    })),
    primaryKey,
    uniqueKeys: primaryKey.length > 0 && !hasIndex ? [primaryKey, ...uniqueKeys] : uniqueKeys,
  }
}
