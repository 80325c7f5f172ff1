CREATE TABLE sluice_uploads (
  upload_id TEXT NOT NULL PRIMARY KEY,
  owner text NOT NULL,
  mode text NOT NULL,
  file_name text NOT NULL,
  object_key text,
  bytes bigint,
  sha256 text,
  request TEXT,
  same_as TEXT,
  idempotency_key text,
  request_hash text,
  receiver text NOT NULL,
  created_at TEXT NOT NULL,
  received_at TEXT,
  attempts bigint NOT NULL DEFAULT 0,
  attempted_record bigint,
  error_code text,
  storage text
);
CREATE UNIQUE INDEX sluice_uploads_idempotency ON sluice_uploads (owner, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
