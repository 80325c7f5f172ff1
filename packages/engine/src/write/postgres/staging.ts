import { SluiceError } from '../../errors.ts'
import type { LoadPlan, Sql, Statement, TableName } from '../database.ts'
import type { GuiltyRow } from '../isolate.ts'
import type { TakenRow } from '../taken.ts'
import { findRelation } from './describe.ts'
import { quoteName, quoteTable } from './identifier.ts'

/** Tells the rows of a staging table apart, and their order. */
const ROW_COLUMN = 'sluice_row'

/**
 * Statements that create a table like another one. LIKE leaves foreign keys out; one that points at the target itself stays out,
 * because its parents wait here too: it is checked when the rows are published.
 *
 * @param ordered Whether {@link takenRows} is going to be called.
 */
export async function stagingStatements(
  sql: Sql,
  staging: TableName,
  target: TableName,
  ordered: boolean,
): Promise<Statement[]> {
  const relation = await findRelation(sql, target)
  if (relation === undefined) throw new SluiceError('SLUICE_DATABASE', `There is no table ${target.table}`)
  const keys = await sql.query<{ definition: string }>(
    `SELECT pg_catalog.pg_get_constraintdef(oid) AS definition FROM pg_catalog.pg_constraint
       WHERE conrelid = $1::oid AND contype = 'f' AND confrelid <> conrelid AND conparentid = 0 ORDER BY oid`,
    [relation.oid],
  )
  const name = quoteTable(staging)
  const like = relation.kind === 'v' ? '' : ' INCLUDING ALL EXCLUDING COMMENTS EXCLUDING STATISTICS'
  const order = `ALTER TABLE ${name} ADD COLUMN ${ROW_COLUMN} bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)`
  return [
    `CREATE TABLE ${name} (LIKE ${quoteTable(target)}${like})`,
    ...(ordered ? [order, `CREATE INDEX ON ${name} (${ROW_COLUMN})`] : []),
    ...keys.map(({ definition }) => `ALTER TABLE ${name} ADD ${definition}`),
  ].map((text) => ({ text }))
}

/** Types of `pg_trigger.tgtype`: BEFORE, of rows, of INSERT. */
const BEFORE_ROW_INSERT = 1 | 2 | 4

/**
 * Statements that move all rows of a staging table to the target. Only a trigger can leave some out, so only where there is one they are
 * counted, for the server keeps a note of each; rows that it may have redirected to a table that inherits are not.
 * @param orElse What the transaction fails with when not all of them went in.
 */
export async function movingStatements(
  sql: Sql,
  staging: TableName,
  target: TableName,
  columns: string[],
  orElse: Statement['orElse'],
): Promise<Statement[]> {
  const names = columns.map(quoteName).join(', ')
  const move = `INSERT INTO ${quoteTable(target)} (${names}) SELECT ${names} FROM ${quoteTable(staging)}`
  if (!(await hasBeforeInsert(sql, target))) return [{ text: move }]
  const all = `(SELECT count(*) FROM moved) = (SELECT count(*) FROM ${quoteTable(staging)})`
  return [{ text: `WITH moved AS (${move} RETURNING 1) SELECT 1 AS one WHERE ${all}`, orElse }]
}

/** Whether a trigger may leave rows out of a table, instead of leading them to one that inherits from it. */
export async function hasBeforeInsert(sql: Sql, table: TableName): Promise<boolean> {
  const relation = await findRelation(sql, table)
  const [trigger] = await sql.query(
    `SELECT 1 AS one FROM pg_catalog.pg_trigger WHERE NOT tgisinternal AND tgtype & $2::int = $2
       AND (tgrelid = $1 OR tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree($1))) LIMIT 1`,
    [relation?.oid ?? 0, BEFORE_ROW_INSERT],
  )
  return trigger !== undefined && !relation?.hasHeirs
}

/**
 * To be called before the rows of a batch are staged: what it returns removes those of them whose key the target has already.
 * The rows of a batch are those behind what was the last one; they stand in their order, but without the guilty ones.
 */
export async function takenRows(sql: Sql, { table, stagedFor }: LoadPlan, keys: string[][]) {
  const staging = quoteTable(table)
  const [before] = await sql.query<{ last: number }>(`SELECT coalesce(max(${ROW_COLUMN}), 0) AS last FROM ${staging}`)
  const isTaken = keys.map((columns, i) => {
    const equal = columns.map((column) => `t.${quoteName(column)} = s.${quoteName(column)}`).join(' AND ')
    return `WHEN EXISTS (SELECT FROM ${quoteTable(stagedFor!.table)} t WHERE ${equal}) THEN ${i}`
  })
  const remove = `WITH taken AS MATERIALIZED (
      SELECT ${ROW_COLUMN}, CAST(row_number() OVER (ORDER BY ${ROW_COLUMN}) - 1 AS int) AS place, CASE ${isTaken.join(' ')} END AS key
      FROM ${staging} s WHERE ${ROW_COLUMN} > $1
    ), gone AS (
      DELETE FROM ${staging} d USING taken k WHERE d.${ROW_COLUMN} = k.${ROW_COLUMN} AND k.key IS NOT NULL
    )
    SELECT place, key FROM taken WHERE key IS NOT NULL ORDER BY place`
  return {
    async remove(guilty: GuiltyRow[]): Promise<TakenRow[]> {
      const found = await sql.query<{ place: number; key: number }>(remove, [before!.last])
      let passed = 0
      return found.map(({ place, key }) => {
        while (passed < guilty.length && guilty[passed]!.rank <= place + passed) passed++
        return { rank: place + passed, key }
      })
    },
  }
}
