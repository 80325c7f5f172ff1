import type { Database } from '../write/database.ts'
import { addColumn, migrate, type Step, type TableSet } from './migrate.ts'

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

const typesOf = (kind: Database['kind']): Types => (kind === 'postgres' ? POSTGRES : SQLITE)

/** Version 1. */
function creation(t: Types): string[] {
  return [
    `CREATE TABLE IF NOT EXISTS ingestion_jobs (
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
    `CREATE TABLE IF NOT EXISTS ingestion_checkpoints (
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
    `CREATE TABLE IF NOT EXISTS failed_imports (${rejectColumns(t)})`,
    'CREATE INDEX IF NOT EXISTS failed_imports_job_record ON failed_imports (job_id, record)',
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
  return rejectColumns(typesOf(kind))
}

/** Tables of before there were versions may lack columns, or forbid NULL where it stands for "not known" now. */
function repairs(kind: Database['kind']): Step[] {
  const checkpoints = 'ingestion_checkpoints'
  const stored =
    kind === 'postgres'
      ? {
          needed: `SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('${checkpoints}')
            AND attname = 'committed_stored' AND attnotnull`,
          run: [
            `ALTER TABLE ${checkpoints} ALTER COLUMN committed_stored DROP NOT NULL, ALTER COLUMN committed_stored DROP DEFAULT`,
          ],
        }
      : {
          needed: `SELECT 1 FROM pragma_table_info('${checkpoints}') WHERE name = 'committed_stored' AND "notnull" = 1`,
          run: [
            `ALTER TABLE ${checkpoints} RENAME COLUMN committed_stored TO stored_before`,
            `ALTER TABLE ${checkpoints} ADD COLUMN committed_stored bigint`,
            `UPDATE ${checkpoints} SET committed_stored = nullif(stored_before, 0)`,
            `ALTER TABLE ${checkpoints} DROP COLUMN stored_before`,
          ],
        }
  return [
    addColumn(kind, checkpoints, 'committed_sha256', 'text'),
    addColumn(kind, checkpoints, 'committed_stored', 'bigint'),
    stored,
    addColumn(kind, 'failed_imports', 'source', 'text'),
  ]
}

const TABLES: TableSet = {
  name: 'load',
  tables: ['ingestion_jobs', 'ingestion_checkpoints', 'failed_imports'],
  migrations: [
    (kind) => [...repairs(kind), { run: creation(typesOf(kind)) }],
    (kind) => [addColumn(kind, 'ingestion_jobs', 'rejects_by_code', typesOf(kind).json)],
  ],
}

/**
 * Makes sluice's own tables of a load where they are missing, and brings those of an earlier version to this one: `ingestion_jobs`,
 * `ingestion_checkpoints`, `failed_imports`, and `sluice_schema` with their version. Their names carry no schema: PostgreSQL's search
 * path decides.
 *
 * @throws SluiceError as {@link migrate}
 */
export function createTables(database: Database): Promise<void> {
  return migrate(database, TABLES)
}
