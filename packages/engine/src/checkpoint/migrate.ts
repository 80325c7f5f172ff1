import { SluiceError } from '../errors.ts'
import type { Database, Sql } from '../write/database.ts'

/** A part of a migration. It may be met again where somebody has dropped tables, and must then change nothing that is right. */
export interface Step {
  /** A query that gives a row where the step is needed. Default: it is. */
  needed?: string
  run: string[]
}

/**
 * Tables that are changed together, under one version: the number of migrations that they have gone through. What a published version
 * did is never edited; a change of the tables is one more migration at the end.
 */
export interface TableSet {
  /** Its row in `sluice_schema`. */
  name: string
  /** All tables of the set, as the newest version has them. */
  tables: string[]
  migrations: ((kind: Database['kind']) => Step[])[]
}

/** Any number will do, as long as every version of sluice takes the same one. */
export const ADVISORY_LOCK = 7_315_928_604
const VERSIONS = 'sluice_schema'

/** A step that adds a column where a table of an earlier version lacks it; it does nothing where there is no such table. */
export function addColumn(kind: Database['kind'], table: string, column: string, type: string): Step {
  const needed =
    kind === 'postgres'
      ? `SELECT 1 WHERE to_regclass('${table}') IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_attribute
          WHERE attrelid = to_regclass('${table}') AND attname = '${column}' AND NOT attisdropped)`
      : `SELECT 1 FROM sqlite_schema WHERE name = '${table}'
          AND NOT EXISTS (SELECT 1 FROM pragma_table_info('${table}') WHERE name = '${column}')`
  return { needed, run: [`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`] }
}

/**
 * Brings sluice's own tables to the newest version, or makes them: each migration in a transaction of its own, with the version. Any
 * number of processes may do that at the same time. Once everything is there it writes nothing, and needs no right to create anything.
 *
 * @throws SluiceError SLUICE_CONFIG when the tables are those of a later sluice; SLUICE_DATABASE when they cannot be made or changed
 */
export async function migrate(database: Database, set: TableSet): Promise<void> {
  const newest = set.migrations.length
  for (;;) {
    const { version, isWhole } = await look(database, set)
    if ((version ?? 0) > newest) {
      throw new SluiceError(
        'SLUICE_CONFIG',
        `The tables of sluice in ${database.label} (${set.tables.join(', ')}) are of version ${version}, and this sluice knows ` +
          `them up to version ${newest}: they were changed by a later one. Use that, or another database`,
      )
    }
    if (version === newest && isWhole) return
    // Steps find out themselves what is missing, so tables that were dropped by hand are made by beginning anew.
    const from = isWhole || version !== newest ? (version ?? 0) : 0
    try {
      await advance(database, set, version, from)
    } catch (error) {
      // Another process may have done the same meanwhile.
      const after = await look(database, set)
      if (after.version === version && after.isWhole === isWhole) throw error
    }
  }
}

/** Goes from version `from` to the next one, where `sluice_schema` still has what was seen there. */
async function advance(database: Database, set: TableSet, seen: number | null, from: number): Promise<void> {
  const { kind, now } = database
  // IF NOT EXISTS alone lets two sessions of PostgreSQL collide in its catalog. In SQLite a transaction is alone.
  const alone = kind === 'postgres' ? [{ text: 'SELECT pg_advisory_xact_lock($1)', params: [ADVISORY_LOCK] }] : []
  if (seen === null) {
    const time = kind === 'postgres' ? 'timestamptz' : 'TEXT'
    const create = `CREATE TABLE IF NOT EXISTS ${VERSIONS} (
      name text NOT NULL PRIMARY KEY,
      version int NOT NULL,
      updated_at ${time} NOT NULL
    )`
    await database.transact([...alone, { text: create }])
  }
  const steps: string[] = []
  for (const { needed, run } of set.migrations[from]!(kind)) {
    if (needed === undefined || (await database.query(needed)).length > 0) steps.push(...run)
  }
  await database.transact([
    ...alone,
    {
      text: `SELECT 1 AS one WHERE coalesce((SELECT version FROM ${VERSIONS} WHERE name = $1), 0) = $2`,
      params: [set.name, seen ?? 0],
      orElse: { code: 'SLUICE_DATABASE', message: 'Another process is changing the tables of sluice; try again' },
    },
    ...steps.map((text) => ({ text })),
    {
      text: `INSERT INTO ${VERSIONS} (name, version, updated_at) VALUES ($1, $2, ${now})
        ON CONFLICT (name) DO UPDATE SET version = excluded.version, updated_at = excluded.updated_at`,
      params: [set.name, from + 1],
    },
  ])
}

/** The version that the tables have, null where none is noted; and whether all of them are there. */
async function look(
  database: Database,
  { name, tables }: TableSet,
): Promise<{ version: number | null; isWhole: boolean }> {
  const there = await existing(database, database.kind, [VERSIONS, ...tables])
  const rows = there.has(VERSIONS)
    ? await database.query<{ version: number | bigint }>(`SELECT version FROM ${VERSIONS} WHERE name = $1`, [name])
    : []
  return { version: rows[0] ? Number(rows[0].version) : null, isWhole: tables.every((table) => there.has(table)) }
}

/** Those tables of the names that exist where a name without a schema leads to. */
async function existing(sql: Sql, kind: Database['kind'], names: string[]): Promise<Set<string>> {
  const quoted = names.map((name) => `'${name}'`)
  const rows = await sql.query<{ name: string }>(
    kind === 'postgres'
      ? `SELECT name FROM (VALUES (${quoted.join('), (')})) t (name) WHERE to_regclass(name) IS NOT NULL`
      : `SELECT name FROM sqlite_schema WHERE name IN (${quoted.join(', ')})`,
  )
  return new Set(rows.map(({ name }) => name))
}
