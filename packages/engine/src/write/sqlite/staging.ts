import { SluiceError } from '../../errors.ts'
import { quoted } from '../../table-name.ts'
import type { Sql, Statement, TableName } from '../database.ts'

/** A name as it stands in the schema's SQL, quoted in any way. */
const NAME = `(?:"(?:[^"]|"")*"|\`(?:[^\`]|\`\`)*\`|\\[[^\\]]*\\]|'(?:[^']|'')*'|[^\\s(),;"'\`[]+)`
const TABLE = new RegExp(`^CREATE TABLE\\s+${NAME}`, 'i')
const REFERENCES = new RegExp(`\\bREFERENCES\\s+(${NAME})`, 'gi')
const INDEX = new RegExp(`^CREATE UNIQUE INDEX\\s+${NAME}\\s+ON\\s+${NAME}`, 'i')

/**
 * Statements that create a table like another one: the SQL that made that one, under another name, and that of its unique indexes.
 * A foreign key from the table to itself points from the new one to itself, so that rows of the target may come and go.
 * @throws SluiceError SLUICE_CONFIG for a table whose rows cannot wait elsewhere
 */
export async function stagingStatements(
  sql: Sql,
  { table: staging }: TableName,
  { table: target }: TableName,
): Promise<Statement[]> {
  const made = await sql.query<{ type: string; sql: string }>(
    `SELECT type, sql FROM main.sqlite_schema WHERE tbl_name = $1 COLLATE NOCASE AND sql IS NOT NULL
       AND (type = 'table' OR (type = 'index' AND sql LIKE 'CREATE UNIQUE %')) ORDER BY type DESC, rowid`,
    [target],
  )
  const statements = made.map(({ type, sql: text }, i) =>
    type === 'table'
      ? text
          .replace(TABLE, () => `CREATE TABLE main.${quoted(staging)}`)
          .replace(REFERENCES, (all, name) => (bare(name) === bare(target) ? `REFERENCES ${quoted(staging)}` : all))
      : text.replace(INDEX, () => `CREATE UNIQUE INDEX main.${quoted(`${staging}_${i}`)} ON ${quoted(staging)}`),
  )
  if (statements.length === 0 || statements.some((statement, i) => statement === made[i]!.sql)) {
    throw new SluiceError('SLUICE_CONFIG', `The table ${target} is none whose rows can wait in another table`)
  }
  return statements.map((text) => ({ text }))
}

/** A name as SQLite compares it. */
function bare(name: string): string {
  const quotes = /^(["'`])(.*)\1$/s.exec(name)
  const text = quotes ? quotes[2]!.replaceAll(quotes[1]!.repeat(2), quotes[1]!) : name.replace(/^\[(.*)\]$/s, '$1')
  return text.toLowerCase()
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
  const names = columns.map(quoted).join(', ')
  const from = `main.${quoted(staging)}`
  return [
    { text: `INSERT OR ABORT INTO main.${quoted(target)} (${names}) SELECT ${names} FROM ${from}` },
    { text: `SELECT 1 AS one WHERE changes() = (SELECT count(*) FROM ${from})`, orElse },
  ]
}
