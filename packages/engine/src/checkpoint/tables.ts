import type { Sql } from '../write/database.ts'

type Types = Record<'uuid' | 'id' | 'json' | 'bytes' | 'time' | 'boolean', string>

const POSTGRES: Types = {
  uuid: 'uuid',
  id: 'bigserial PRIMARY KEY',
  json: 'jsonb',
  bytes: 'bytea',
  time: 'timestamptz',
  boolean: 'boolean',
}

/** Times are ISO 8601 text in UTC with milliseconds, which sorts as it reads. */
const SQLITE: Types = {
  uuid: 'TEXT',
  id: 'INTEGER PRIMARY KEY',
  json: 'TEXT',
  bytes: 'BLOB',
  time: 'TEXT',
  boolean: 'INTEGER',
}

/** In the order in which they are created; the last one's index stands for "everything is there". */
function definitions(t: Types): { name: string; create: string }[] {
  return [
    {
      name: 'ingestion_jobs',
      create: `CREATE TABLE IF NOT EXISTS ingestion_jobs (
        job_id ${t.uuid} NOT NULL PRIMARY KEY,
        status text NOT NULL,
        source text NOT NULL,
        target_table text NOT NULL,
        settings ${t.json} NOT NULL,
        settings_hash text NOT NULL,
        fingerprint ${t.json} NOT NULL,
        records_read bigint NOT NULL DEFAULT 0,
        inserted bigint NOT NULL DEFAULT 0,
        updated bigint NOT NULL DEFAULT 0,
        unchanged bigint NOT NULL DEFAULT 0,
        duplicates bigint NOT NULL DEFAULT 0,
        rejected bigint NOT NULL DEFAULT 0,
        replayed bigint NOT NULL DEFAULT 0,
        bytes_total bigint,
        bytes_committed bigint NOT NULL DEFAULT 0,
        sha256 text,
        error text,
        created_at ${t.time} NOT NULL,
        started_at ${t.time},
        updated_at ${t.time} NOT NULL,
        completed_at ${t.time}
      )`,
    },
    {
      name: 'ingestion_checkpoints',
      create: `CREATE TABLE IF NOT EXISTS ingestion_checkpoints (
        job_id ${t.uuid} NOT NULL,
        segment int NOT NULL,
        source text NOT NULL,
        start_byte bigint NOT NULL,
        end_byte bigint,
        committed_byte bigint NOT NULL,
        committed_line bigint NOT NULL,
        committed_record bigint NOT NULL,
        committed_sha256 text,
        committed_stored bigint,
        done ${t.boolean} NOT NULL DEFAULT FALSE,
        epoch bigint NOT NULL DEFAULT 0,
        lease_owner text,
        lease_expires ${t.time},
        updated_at ${t.time} NOT NULL,
        PRIMARY KEY (job_id, segment)
      )`,
    },
    {
      name: 'failed_imports',
      create: `CREATE TABLE IF NOT EXISTS failed_imports (${rejectColumns(t)})`,
    },
    {
      name: 'failed_imports_job_record',
      create: 'CREATE INDEX IF NOT EXISTS failed_imports_job_record ON failed_imports (job_id, record)',
    },
  ]
}

function rejectColumns(t: Types): string {
  return `id ${t.id},
    job_id ${t.uuid} NOT NULL,
    segment int NOT NULL DEFAULT 0,
    source text,
    line bigint NOT NULL,
    record bigint NOT NULL,
    byte_offset bigint NOT NULL,
    column_name text,
    code text NOT NULL,
    message text NOT NULL,
    value text,
    errors ${t.json} NOT NULL,
    raw ${t.bytes} NOT NULL,
    raw_length bigint NOT NULL,
    created_at ${t.time} NOT NULL,
    closed_at ${t.time}`
}

/** The columns of `failed_imports`, for a table of the same shape with another name. */
export function rejectColumnsFor(kind: 'postgres' | 'sqlite'): string {
  return rejectColumns(kind === 'postgres' ? POSTGRES : SQLITE)
}

/** Columns that came later than their tables, in the order of versions; databases may have the tables without them. */
const LATER_COLUMNS = [
  { table: 'ingestion_checkpoints', column: 'committed_sha256', type: 'text' },
  { table: 'ingestion_checkpoints', column: 'committed_stored', type: 'bigint' },
  { table: 'failed_imports', column: 'source', type: 'text' },
]

/** Any number will do, as long as every version of sluice takes the same one. */
export const ADVISORY_LOCK = 7_315_928_604

/**
 * Creates sluice's own tables where they are missing: `ingestion_jobs`, `ingestion_checkpoints`, `failed_imports`; and the columns
 * that tables of an earlier version lack.
 * Their names carry no schema: PostgreSQL's search path decides. Users may call it at the same time; it needs no right
 * to create anything, and writes nothing, once all of them are there.
 *
 * @throws SluiceError SLUICE_DATABASE when the tables cannot be created.
 */
export async function createTables(sql: Sql, kind: 'postgres' | 'sqlite'): Promise<void> {
  if (kind === 'sqlite') {
    for (const { create } of definitions(SQLITE)) await sql.query(create)
    for (const later of LATER_COLUMNS) await addColumn(sql, later)
    return
  }
  // IF NOT EXISTS alone lets two sessions collide in the catalog (a unique violation), and asks for the CREATE right
  // even where nothing is created. A DO block is one statement, so the lock and the tables share its transaction.
  const tables = definitions(POSTGRES)
  const missing = (name: string) => `to_regclass('${name}') IS NULL`
  await sql.query(`DO $$ BEGIN
    IF ${missing(tables.at(-1)!.name)} THEN
      PERFORM pg_advisory_xact_lock(${ADVISORY_LOCK});
      ${tables.map(({ name, create }) => `IF ${missing(name)} THEN ${create}; END IF;`).join('\n      ')}
    END IF;
    ${LATER_COLUMNS.map(addColumnOnce).join('\n    ')}
  END $$`)
}

/** For PostgreSQL. IF NOT EXISTS makes users at the same time harmless, but would ask who owns the table even where nothing is added. */
function addColumnOnce({ table, column, type }: (typeof LATER_COLUMNS)[number]): string {
  return `IF NOT EXISTS (SELECT 1 FROM pg_attribute
      WHERE attrelid = to_regclass('${table}') AND attname = '${column}' AND NOT attisdropped) THEN
      ALTER TABLE ${table} ADD COLUMN IF NOT EXISTS ${column} ${type};
    END IF;`
}

/** For SQLite, which knows no IF NOT EXISTS here. */
async function addColumn(sql: Sql, { table, column, type }: (typeof LATER_COLUMNS)[number]): Promise<void> {
  const isThere = async () =>
    (await sql.query('SELECT 1 FROM pragma_table_info($1) WHERE name = $2', [table, column])).length > 0
  if (await isThere()) return
  try {
    await sql.query(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`)
  } catch (error) {
    // Another user has just added it.
    if (!(await isThere())) throw error
  }
}
