import { SluiceError } from '../../errors.ts'
import type { Sql, Statement, TableName } from '../database.ts'
import { quote } from './sql.ts'

/** A name as it stands in the schema's SQL, quoted in any way. */
const NAME = `(?:"(?:[^"]|"")*"|\`(?:[^\`]|\`\`)*\`|\\[[^\\]]*\\]|'(?:[^']|'')*'|[^\\s("'\`[]+)`
const TABLE = new RegExp(`^CREATE TABLE\\s+${NAME}`, 'i')
const INDEX = new RegExp(`^CREATE UNIQUE INDEX\\s+${NAME}\\s+ON\\s+${NAME}`, 'i')

/**
 * Statements that create a table like another one: the SQL that made that one, under another name, and that of its unique indexes.
 * @throws SluiceError SLUICE_CONFIG for a table whose rows cannot wait elsewhere
 */
export async function stagingStatements(
  sql: Sql,
  { table: staging }: TableName,
  { table: target }: TableName,
): Promise<Statement[]> {
  const [own] = await sql.query(`SELECT 1 FROM pragma_foreign_key_list($1, 'main') WHERE "table" = $1 COLLATE NOCASE`, [
    target,
  ])
  if (own) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `The table ${target} has a foreign key to itself, so its rows cannot wait in another table; load it without --atomic and --mode replace`,
    )
  }
  const made = await sql.query<{ type: string; sql: string }>(
    `SELECT type, sql FROM main.sqlite_schema WHERE tbl_name = $1 COLLATE NOCASE AND sql IS NOT NULL
       AND (type = 'table' OR (type = 'index' AND sql LIKE 'CREATE UNIQUE %')) ORDER BY type DESC, rowid`,
    [target],
  )
  const statements = made.map(({ type, sql: text }, i) =>
    type === 'table'
      ? text.replace(TABLE, () => `CREATE TABLE main.${quote(staging)}`)
      : text.replace(INDEX, () => `CREATE UNIQUE INDEX main.${quote(`${staging}_${i}`)} ON ${quote(staging)}`),
  )
  if (statements.length === 0 || statements.some((statement, i) => statement === made[i]!.sql)) {
    throw new SluiceError('SLUICE_CONFIG', `The table ${target} is none whose rows can wait in another table`)
  }
  return statements.map((text) => ({ text }))
}

/**
 * Statements that move all rows of a staging table to the target.
 * @param orElse What the transaction fails with when a trigger leaves some of them out.
 */
export async function movingStatements(
  _sql: Sql,
  { table: staging }: TableName,
  { table: target }: TableName,
  columns: string[],
  orElse: Statement['orElse'],
): Promise<Statement[]> {
  const names = columns.map(quote).join(', ')
  const from = `main.${quote(staging)}`
  return [
    { text: `INSERT OR ABORT INTO main.${quote(target)} (${names}) SELECT ${names} FROM ${from}` },
    { text: `SELECT 1 AS one WHERE changes() = (SELECT count(*) FROM ${from})`, orElse },
  ]
}
