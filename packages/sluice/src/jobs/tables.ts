import { addColumn, type Database, migrate, type TableSet } from '@sluice/engine'

type Types = Record<'uuid' | 'json' | 'time', string>

const TYPES: Record<Database['kind'], Types> = {
  postgres: { uuid: 'uuid', json: 'jsonb', time: 'timestamptz' },
  sqlite: { uuid: 'TEXT', json: 'TEXT', time: 'TEXT' },
}

const uploads = (t: Types) => [
  `CREATE TABLE IF NOT EXISTS sluice_uploads (
    upload_id ${t.uuid} NOT NULL PRIMARY KEY,
    owner text NOT NULL,
    mode text NOT NULL,
    file_name text NOT NULL,
    object_key text,
    bytes bigint,
    sha256 text,
    request ${t.json},
    same_as ${t.uuid},
    idempotency_key text,
    request_hash text,
    receiver text NOT NULL,
    created_at ${t.time} NOT NULL,
    received_at ${t.time},
    attempts bigint NOT NULL DEFAULT 0,
    attempted_record bigint,
    error_code text,
    storage text,
    held_by text,
    held_until ${t.time},
    is_wanted boolean
  )`,
  `CREATE UNIQUE INDEX IF NOT EXISTS sluice_uploads_idempotency ON sluice_uploads (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL`,
]

const webhooks = (t: Types) => [
  `CREATE TABLE IF NOT EXISTS sluice_webhooks (
    webhook_id text NOT NULL PRIMARY KEY,
    upload_id ${t.uuid} NOT NULL,
    url text NOT NULL,
    state text NOT NULL,
    job_status text,
    rows_processed bigint,
    rows_failed bigint,
    error text,
    ended_at ${t.time},
    next_try_at ${t.time},
    tries integer NOT NULL,
    log ${t.json} NOT NULL,
    created_at ${t.time} NOT NULL
  )`,
  'CREATE INDEX IF NOT EXISTS sluice_webhooks_upload ON sluice_webhooks (upload_id)',
  `CREATE INDEX IF NOT EXISTS sluice_webhooks_open ON sluice_webhooks (state, next_try_at)
    WHERE state IN ('waiting', 'due')`,
]

const TABLES: TableSet = {
  name: 'service',
  tables: ['sluice_uploads', 'sluice_webhooks'],
  migrations: [
    (kind) => [
      // Tables of before there were versions may lack them.
      addColumn(kind, 'sluice_uploads', 'attempts', 'bigint NOT NULL DEFAULT 0'),
      addColumn(kind, 'sluice_uploads', 'attempted_record', 'bigint'),
      addColumn(kind, 'sluice_uploads', 'error_code', 'text'),
      { run: [...uploads(TYPES[kind]), ...webhooks(TYPES[kind])] },
    ],
    (kind) => [addColumn(kind, 'sluice_uploads', 'storage', 'text')],
    (kind) => [
      addColumn(kind, 'sluice_uploads', 'held_by', 'text'),
      addColumn(kind, 'sluice_uploads', 'held_until', TYPES[kind].time),
      addColumn(kind, 'sluice_uploads', 'is_wanted', 'boolean'),
    ],
  ],
}

/**
 * Makes the tables of the service where they are missing, and brings those of an earlier version to this one: `sluice_uploads`, what
 * it knows of an upload beside its job, and `sluice_webhooks`, who is to be told. Several processes may call it at once.
 * @throws SluiceError as `migrate` of the engine
 */
export function createServiceTables(database: Database): Promise<void> {
  return migrate(database, TABLES)
}
