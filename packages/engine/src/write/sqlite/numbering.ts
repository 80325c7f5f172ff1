import { quoted } from '../../table-name.ts'
import type { Sql, Statement, TableName } from '../database.ts'
import type { Numbering } from '../numbering.ts'
import { NOW } from './sql.ts'

/**
 * Statements that move all rows of a staging table to the target and number twins, but for those that the target has already; the account of the job counts
 * these as duplicates.
 * @param orElse What the transaction fails with when a trigger leaves some of them out.
 */
export async function numberingStatements(
  sql: Sql,
  { table: staging }: TableName,
  { table: target }: TableName,
  columns: string[],
  numbering: Numbering,
  jobId: string,
  orElse: Statement['orElse'],
): Promise<Statement[]> {
  const [from, to] = [`main.${quoted(staging)}`, `main.${quoted(target)}`]
  const { rows, hash } = numbering.numbered(from)
  const key = quoted(numbering.column)
  const values = columns.map((name) => (name === numbering.column ? hash : `s.${quoted(name)}`)).join(', ')
  const [trigger] = await sql.query(
    `SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = $1 COLLATE NOCASE LIMIT 1`,
    [target],
  )
  const isLost = `NOT EXISTS (SELECT 1 FROM ${to} t WHERE t.${key} = ${hash})`
  const renewing = `UPDATE ${to} SET ${quoted(numbering.renews ?? '')} = ${NOW} WHERE ${key} IN (SELECT ${hash} FROM ${rows})`
  return [
    ...numbering.counting(from),
    ...(numbering.renews ? [{ text: renewing }] : []),
    {
      text: `INSERT INTO ${to} (${columns.map(quoted).join(', ')}) SELECT ${values} FROM ${rows} WHERE true ORDER BY s.${key}
        ON CONFLICT (${key}) DO NOTHING`,
    },
    // changes(): of the statement before.
    {
      text: `UPDATE ingestion_jobs SET inserted = changes(), duplicates = duplicates + inserted - changes() WHERE job_id = $1`,
      params: [jobId],
    },
    ...(trigger ? [{ text: `SELECT 1 AS one WHERE NOT EXISTS (SELECT 1 FROM ${rows} WHERE ${isLost})`, orElse }] : []),
    numbering.clearing,
  ]
}
