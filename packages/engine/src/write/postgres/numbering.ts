import type { Sql, Statement, TableName } from '../database.ts'
import type { Numbering } from '../numbering.ts'
import { quoteName, quoteTable } from './identifier.ts'
import { hasBeforeInsert } from './staging.ts'

/**
 * Statements that move all rows of a staging table to the target and number twins, but for those that the target has already; the account of the job counts
 * these as duplicates. One such transaction at a time works on a table: of two that bring the same rows in any order one would be ended by
 * the server (40P01), after all its work.
 * @param orElse What the transaction fails with when a trigger leaves some of them out.
 */
export async function numberingStatements(
  sql: Sql,
  staging: TableName,
  target: TableName,
  columns: string[],
  numbering: Numbering,
  jobId: string,
  orElse: Statement['orElse'],
): Promise<Statement[]> {
  const [from, to] = [quoteTable(staging), quoteTable(target)]
  const { rows, hash } = numbering.numbered(from)
  const key = quoteName(numbering.column)
  const values = columns.map((name) => (name === numbering.column ? hash : `s.${quoteName(name)}`)).join(', ')
  const action = numbering.renews ? `DO UPDATE SET ${quoteName(numbering.renews)} = now()` : 'DO NOTHING'
  // Of a row that this statement has changed, xmax is its own lock.
  const move = `INSERT INTO ${to} AS t (${columns.map(quoteName).join(', ')}) SELECT ${values} FROM ${rows} ORDER BY s.${key}
    ON CONFLICT (${key}) ${action} RETURNING t.xmax = 0 AS fresh`
  const account = `UPDATE ingestion_jobs SET inserted = moved.rows, duplicates = duplicates + inserted - moved.rows
    FROM (SELECT count(*) FILTER (WHERE fresh) AS rows FROM moved) AS moved WHERE job_id = $1`
  const isLost = `NOT EXISTS (SELECT FROM ${to} t WHERE t.${key} = ${hash})`
  return [
    { text: 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', params: [`sluice ${to}`] },
    ...numbering.counting(from),
    { text: `WITH moved AS (${move}) ${account}`, params: [jobId] },
    ...((await hasBeforeInsert(sql, target))
      ? [{ text: `SELECT 1 AS one WHERE NOT EXISTS (SELECT FROM ${rows} WHERE ${isLost})`, orElse }]
      : []),
    numbering.clearing,
  ]
}
