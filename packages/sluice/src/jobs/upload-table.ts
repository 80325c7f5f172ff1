import type { Database } from '@sluice/engine'

const TYPES = {
  postgres: { uuid: 'uuid', json: 'jsonb', time: 'timestamptz' },
  sqlite: { uuid: 'TEXT', json: 'TEXT', time: 'TEXT' },
}

/** Any number will do, as long as every version of sluice takes the same one; the engine's own is another. */
const ADVISORY_LOCK = 7_315_928_605

/**
 * Creates `sluice_uploads` where it is missing: what the service knows of an upload beside its job. Several may call it at once.
 * @throws SluiceError SLUICE_DATABASE when it cannot be created
 */
export async function createUploadTable(database: Database): Promise<void> {
  const t = TYPES[database.kind]
  const table = `CREATE TABLE IF NOT EXISTS sluice_uploads (
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
    error_code text
  )`
  const index = `CREATE UNIQUE INDEX IF NOT EXISTS sluice_uploads_idempotency ON sluice_uploads (owner, idempotency_key)
    WHERE idempotency_key IS NOT NULL`
  if (database.kind === 'sqlite') {
    await database.query(table)
    await database.query(index)
    return
  }
  // One statement, so that the lock and the table share a transaction; nothing is asked for once everything is there.
  await database.query(`DO $$ BEGIN
    IF to_regclass('sluice_uploads_idempotency') IS NULL THEN
      PERFORM pg_advisory_xact_lock(${ADVISORY_LOCK});
      ${table};
      ${index};
    END IF;
  END $$`)
}
