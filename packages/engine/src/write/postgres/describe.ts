import { SluiceError } from '../../errors.ts'
import type { Sql, TableName, TargetColumn, TargetTable } from '../database.ts'
import { carried } from './column-types.ts'

interface Relation {
  oid: number
  schema: string
  kind: string
  /** Of a view: whether an INSTEAD OF INSERT trigger takes its rows. */
  takesRows: boolean
  /** Of a plain table: whether others inherit from it. */
  hasHeirs: boolean
  /** Whether a foreign key points from the table to itself. */
  refersToItself: boolean
  /** Of a plain table: no trigger, rule, policy or foreign key to itself may look at other rows when one comes in. */
  isIndependent: boolean
  uniqueIndexes: number
}

/** What may be loaded: tables, partitioned ones, views and foreign tables. */
const LOADABLE = ['r', 'p', 'v', 'f']
const INSTEAD_OF_INSERT = 64 | 4

/**
 * Finds a relation by its exact name; without a schema, the one that the search path shows.
 * @throws SluiceError SLUICE_CONFIG when it is something that takes no rows, such as a sequence
 */
export async function findRelation(sql: Sql, { schema, table }: TableName): Promise<Relation | undefined> {
  const [found] = await sql.query<Relation>(
    `SELECT c.oid, n.nspname AS schema, c.relkind AS kind, EXISTS (
       SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND t.tgtype & ${INSTEAD_OF_INSERT} = ${INSTEAD_OF_INSERT}
     ) AS "takesRows", c.relkind = 'r' AND c.relhassubclass AS "hasHeirs", EXISTS (
       SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f'
         AND k.confrelid IN (c.oid, pg_catalog.pg_partition_root(c.oid))
     ) AS "refersToItself",
     c.relkind = 'r' AND NOT c.relhassubclass AND NOT c.relispartition AND NOT c.relhasrules AND NOT c.relrowsecurity
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.confrelid = c.oid) AS "isIndependent",
     (SELECT CAST(count(*) AS int) FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)) AS "uniqueIndexes"
     FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = $1 AND CASE WHEN $2::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid) ELSE n.nspname = $2 END`,
    [table, schema],
  )
  if (found !== undefined && !LOADABLE.includes(found.kind)) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `${JSON.stringify(table)} is not a table or a view, so nothing can be loaded into it`,
    )
  }
  return found
}

export async function describeTable(sql: Sql, name: TableName): Promise<TargetTable | undefined> {
  const relation = await findRelation(sql, name)
  if (relation === undefined) return undefined
  const [columns, keys] = [await columnsOf(sql, relation.oid), await keysOf(sql, relation.oid)]
  return {
    name,
    columns,
    primaryKey: keys.find(({ isPrimary }) => isPrimary)?.columns ?? [],
    uniqueKeys: keys.map((key) => key.columns),
    inAnyOrder: relation.isIndependent && relation.uniqueIndexes === 0,
  }
}

interface CatalogColumn {
  name: string
  declared: string
  builtin: string | null
  modifier: number
  notNull: boolean
  hasDefault: boolean
  generated: boolean
}

async function columnsOf(sql: Sql, oid: number): Promise<TargetColumn[]> {
  // A domain may stand on a domain. Its own constraints are the database's business: they are checked when its binary
  // or text form is read. Its length or precision is in pg_type, that of a plain column in pg_attribute.
  const rows = await sql.query<CatalogColumn>(
    `WITH RECURSIVE resolved AS (
       SELECT a.attnum, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS "notNull", false AS "hasDefault"
       FROM pg_catalog.pg_attribute a WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
       UNION ALL
       SELECT r.attnum, t.typbasetype, CASE WHEN r.modifier >= 0 THEN r.modifier ELSE t.typtypmod END,
         r."notNull" OR t.typnotnull, r."hasDefault" OR t.typdefault IS NOT NULL
       FROM resolved r JOIN pg_catalog.pg_type t ON t.oid = r.type WHERE t.typtype = 'd'
     )
     SELECT a.attname AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared,
       CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname END AS builtin, r.modifier, r."notNull",
       a.atthasdef OR r."hasDefault" AS "hasDefault", a.attgenerated <> '' OR a.attidentity <> '' AS generated
     FROM resolved r
     JOIN pg_catalog.pg_attribute a ON a.attrelid = $1::oid AND a.attnum = r.attnum
     JOIN pg_catalog.pg_type t ON t.oid = r.type
     WHERE t.typtype <> 'd' ORDER BY a.attnum`,
    [oid],
  )
  return rows.map(({ name, declared, builtin, modifier, notNull, hasDefault, generated }) => ({
    name,
    declared,
    ...carried({ builtin, modifier }),
    nullable: !notNull,
    hasDefault,
    generated,
  }))
}

async function keysOf(sql: Sql, oid: number): Promise<{ isPrimary: boolean; columns: string[] }[]> {
  const rows = await sql.query<{ isPrimary: boolean; columns: string }>(
    `SELECT i.indisprimary AS "isPrimary", pg_catalog.json_agg(a.attname ORDER BY k.place) AS columns
     FROM pg_catalog.pg_index i
     CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
     JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
     WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       AND k.place <= i.indnkeyatts
     GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid`,
    [oid],
  )
  return rows.map(({ isPrimary, columns }) => ({ isPrimary, columns: JSON.parse(columns) }))
}

/** The types of columns, of domains their base types, as SQL: quoted, with their schema, without lengths. */
export async function baseTypes(sql: Sql, oid: number, columns: string[]): Promise<string[]> {
  const rows = await sql.query<{ column: string; type: string }>(
    `WITH RECURSIVE resolved AS (
       SELECT a.attname AS column, a.atttypid AS type FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped
       UNION ALL
       SELECT r.column, t.typbasetype FROM resolved r JOIN pg_catalog.pg_type t ON t.oid = r.type WHERE t.typtype = 'd'
     )
     SELECT r.column, pg_catalog.format('%I.%I', n.nspname, t.typname) AS type FROM resolved r
     JOIN pg_catalog.pg_type t ON t.oid = r.type JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
     WHERE t.typtype <> 'd'`,
    [oid],
  )
  const types = new Map(rows.map(({ column, type }) => [column, type]))
  return columns.map((column) => {
    const type = types.get(column)
    if (type === undefined) throw new SluiceError('SLUICE_COLUMNS', `The table has no column ${JSON.stringify(column)}`)
    return type
  })
}
