CREATE TABLE sluice_webhooks (
  webhook_id text NOT NULL PRIMARY KEY,
  upload_id TEXT NOT NULL,
  url text NOT NULL,
  state text NOT NULL,
  job_status text,
  rows_processed bigint,
  rows_failed bigint,
  error text,
  ended_at TEXT,
  next_try_at TEXT,
  tries integer NOT NULL,
  log TEXT NOT NULL,
  created_at TEXT NOT NULL
);
CREATE INDEX sluice_webhooks_upload ON sluice_webhooks (upload_id);
CREATE INDEX sluice_webhooks_open ON sluice_webhooks (state, next_try_at)
  WHERE state IN ('waiting', 'due');
