CREATE TABLE sluice_webhooks (
  webhook_id text NOT NULL PRIMARY KEY,
  upload_id uuid NOT NULL,
  url text NOT NULL,
  state text NOT NULL,
  job_status text,
  rows_processed bigint,
  rows_failed bigint,
  error text,
  ended_at timestamptz,
  next_try_at timestamptz,
  tries integer NOT NULL,
  log jsonb NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX sluice_webhooks_upload ON sluice_webhooks (upload_id);
CREATE INDEX sluice_webhooks_open ON sluice_webhooks (state, next_try_at)
  WHERE state IN ('waiting', 'due');
