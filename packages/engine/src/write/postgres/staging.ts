import { SluiceError } from '../../errors.ts'
import type { Sql, Statement, TableName } from '../database.ts'
import { findRelation } from './describe.ts'
import { quoteName, quoteTable } from './identifier.ts'

/** Orders the rows of a staging table, and names them. */
export const ROW_COLUMN = 'sluice_row'

/**
 * Statements that create a table like another one. LIKE leaves foreign keys out; one that points at the target itself stays out,
 * because its parents wait here too: it is checked when the rows are published.
 */
export async function stagingStatements(sql: Sql, staging: TableName, target: TableName): Promise<Statement[]> {
  const relation = await findRelation(sql, target)
  if (relation === undefined) throw new SluiceError('SLUICE_DATABASE', `There is no table ${target.table}`)
  const keys = await sql.query<{ definition: string }>(
    `SELECT pg_catalog.pg_get_constraintdef(oid) AS definition FROM pg_catalog.pg_constraint
       WHERE conrelid = $1::oid AND contype = 'f' AND confrelid <> conrelid AND conparentid = 0 ORDER BY oid`,
    [relation.oid],
  )
  const name = quoteTable(staging)
  const like = relation.kind === 'v' ? '' : ' INCLUDING ALL EXCLUDING COMMENTS EXCLUDING STATISTICS'
  return [
    `CREATE TABLE ${name} (LIKE ${quoteTable(target)}${like})`,
    `ALTER TABLE ${name} ADD COLUMN ${ROW_COLUMN} bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)`,
    `CREATE INDEX ON ${name} (${ROW_COLUMN})`,
    ...keys.map(({ definition }) => `ALTER TABLE ${name} ADD ${definition}`),
  ].map((text) => ({ text }))
}

/**
 * Removes the rows behind `$1` whose key the target has already.
 * @returns Their ranks among those rows, and which of the keys it is, as `rank` and `key`.
 */
export function removeTakenSql(staging: TableName, target: TableName, keys: string[][]): string {
  const isTaken = keys.map((columns, i) => {
    const equal = columns.map((column) => `t.${quoteName(column)} = s.${quoteName(column)}`).join(' AND ')
    return `WHEN EXISTS (SELECT FROM ${quoteTable(target)} t WHERE ${equal}) THEN ${i}`
  })
  return `WITH batch AS (
      SELECT s.*, row_number() OVER (ORDER BY ${ROW_COLUMN}) - 1 AS sluice_rank FROM ${quoteTable(staging)} s WHERE ${ROW_COLUMN} > $1
    ), taken AS MATERIALIZED (
      SELECT ${ROW_COLUMN}, sluice_rank, CASE ${isTaken.join(' ')} END AS key FROM batch s
    ), gone AS (
      DELETE FROM ${quoteTable(staging)} d USING taken k WHERE d.${ROW_COLUMN} = k.${ROW_COLUMN} AND k.key IS NOT NULL
    )
    SELECT CAST(sluice_rank AS int) AS rank, key FROM taken WHERE key IS NOT NULL ORDER BY 1`
}
