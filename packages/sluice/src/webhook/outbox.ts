import { randomUUID } from 'node:crypto'
import type { Database } from '@sluice/engine'
import type { Try } from './deliver.ts'

type Statement = Parameters<Database['transact']>[0][number]
type Row = Record<string, string | number | bigint | boolean | null | Uint8Array>

/**
 * What one webhook goes through: one for each time that an upload ends.
 *
 * | from      | to          | by                                                                          |
 * | --------- | ----------- | --------------------------------------------------------------------------- |
 * | –         | `waiting`   | the upload is accepted, or tried again                                      |
 * | `waiting` | `due`       | its job is over: what is told is taken from its row, once                   |
 * | `due`     | `delivered` | an answer of 2xx                                                            |
 * | `due`     | `failed`    | the last try was no success                                                 |
 * | `due`     | `disabled`  | an answer of 410: this upload is not told of any more                       |
 */
export type WebhookState = 'waiting' | 'due' | 'delivered' | 'failed' | 'disabled'

/** A webhook as the status of its upload shows it. */
export interface WebhookLog {
  webhookId: string
  state: WebhookState
  nextTryAt: string | null
  tries: Try[]
}

/** One that is to be sent now. */
export interface DueWebhook {
  webhookId: string
  uploadId: string
  url: string
  /** JSON, the same whenever it is asked for. */
  payload: string
  /** Of this try, from 1. */
  number: number
  /** Those before it. */
  tries: Try[]
}

/** For who died in the middle of a try: by then another one may begin it again, in seconds. More than a try takes. */
const TRY_SECONDS = 30
const IS_OVER = `j.status IN ('COMPLETED', 'FAILED', 'CANCELLED')`
const STATUS: Record<string, string> = { COMPLETED: 'completed', FAILED: 'failed', CANCELLED: 'cancelled' }

/** Notes that the next end of an upload is to be told; for the transaction that accepts it. Once until it ended. */
export function expecting({ now }: Pick<Database, 'now'>, uploadId: string, url: string): Statement {
  return {
    text: `INSERT INTO sluice_webhooks (webhook_id, upload_id, url, state, tries, log, created_at)
      SELECT $1, $2, $3, 'waiting', 0, '[]', ${now}
        WHERE NOT EXISTS (SELECT 1 FROM sluice_webhooks WHERE upload_id = $2 AND state IN ('waiting', 'disabled'))`,
    params: [`msg_${randomUUID().replaceAll('-', '')}`, uploadId, url],
  }
}

/**
 * The webhooks that are to be sent, in the target database, beside the jobs that they tell of. That a job is over stands in its row
 * alone; a webhook becomes due by looking at that, which every process may do at any time. So none is lost, whoever dies when, and none is
 * made twice.
 *
 * All methods throw what `Database.query` throws. All comparisons of times are made by the database.
 */
export class Outbox {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Tells also of the next end of an upload, which is going to be tried again. Nothing where its URL wants no more. */
  async expect(uploadId: string, url: string): Promise<void> {
    // The end before it is told of as it was.
    await this.arm(uploadId)
    await this.#database.transact([expecting(this.#database, uploadId, url)])
  }

  /** Whether anything waits for a look of {@link arm} or {@link claim}. Reads only: in SQLite nobody else's transaction waits for it. */
  async hasWork(): Promise<boolean> {
    const { now } = this.#database
    const rows = await this.#database.query(
      `SELECT 1 FROM sluice_webhooks w WHERE (w.state = 'due' AND w.next_try_at <= ${now}) OR (w.state = 'waiting' AND EXISTS
         (SELECT 1 FROM ingestion_jobs j WHERE j.job_id = w.upload_id AND ${IS_OVER} AND j.updated_at > w.created_at)) LIMIT 1`,
    )
    return rows.length > 0
  }

  /** Makes due what waits for an upload that is over; of all uploads, or one. */
  async arm(uploadId?: string): Promise<void> {
    const { now } = this.#database
    await this.#database.query(
      `UPDATE sluice_webhooks SET state = 'due', job_status = j.status, rows_processed = j.records_read,
         rows_failed = j.rejected, error = j.error, ended_at = coalesce(j.completed_at, j.updated_at), next_try_at = ${now}
         FROM ingestion_jobs j WHERE j.job_id = sluice_webhooks.upload_id AND sluice_webhooks.state = 'waiting'
           AND ${IS_OVER} AND j.updated_at > sluice_webhooks.created_at
           ${uploadId === undefined ? '' : 'AND sluice_webhooks.upload_id = $1'}`,
      uploadId === undefined ? [] : [uploadId],
    )
  }

  /** Takes up to `limit` that are due. Nobody else gets them for half a minute. */
  async claim(limit: number): Promise<DueWebhook[]> {
    const { now } = this.#database
    const isDue = `state = 'due' AND next_try_at <= ${now}`
    const rows = await this.#database.query<Row>(
      `UPDATE sluice_webhooks SET tries = tries + 1, next_try_at = ${this.#later('$2')} WHERE ${isDue} AND webhook_id IN
         (SELECT webhook_id FROM sluice_webhooks WHERE ${isDue} ORDER BY next_try_at LIMIT $1) RETURNING *`,
      [limit, TRY_SECONDS],
    )
    return rows.map((row) => ({
      webhookId: String(row['webhook_id']),
      uploadId: String(row['upload_id']),
      url: String(row['url']),
      payload: payloadOf(row),
      number: Number(row['tries']),
      tries: triesOf(row),
    }))
  }

  /** Notes how a try ended. @param retrySeconds with the state `due`: when the next one is */
  async settle(
    { webhookId, number }: DueWebhook,
    state: WebhookState,
    tries: Try[],
    retrySeconds: number | null = null,
  ): Promise<void> {
    await this.#database.query(
      `UPDATE sluice_webhooks SET state = $3, log = $4, next_try_at = ${retrySeconds === null ? 'NULL' : this.#later('$5')}
         WHERE webhook_id = $1 AND tries = $2 AND state = 'due'`,
      [webhookId, number, state, JSON.stringify(tries), ...(retrySeconds === null ? [] : [retrySeconds])],
    )
  }

  /** Gives one back that was claimed and not tried to the end. */
  async release({ webhookId, number }: DueWebhook): Promise<void> {
    await this.#database.query(
      `UPDATE sluice_webhooks SET tries = tries - 1, next_try_at = ${this.#database.now}
         WHERE webhook_id = $1 AND tries = $2 AND state = 'due'`,
      [webhookId, number],
    )
  }

  /** Of an upload, in the order of its ends. */
  async list(uploadId: string): Promise<WebhookLog[]> {
    const rows = await this.#database.query<Row>(
      'SELECT * FROM sluice_webhooks WHERE upload_id = $1 ORDER BY created_at',
      [uploadId],
    )
    return rows.map((row) => ({
      webhookId: String(row['webhook_id']),
      state: row['state'] as WebhookState,
      nextTryAt: row['next_try_at'] === null ? null : String(row['next_try_at']),
      tries: triesOf(row),
    }))
  }

  /** Removes those of uploads that are no more. */
  async sweep(): Promise<void> {
    await this.#database.query(
      `DELETE FROM sluice_webhooks WHERE state <> 'due'
         AND NOT EXISTS (SELECT 1 FROM sluice_uploads u WHERE u.upload_id = sluice_webhooks.upload_id)`,
    )
  }

  #later(place: string): string {
    const { kind, now } = this.#database
    return kind === 'postgres'
      ? `${now} + CAST(${place} AS double precision) * interval '1 second'`
      : `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${place} || ' seconds')`
  }
}

function payloadOf(row: Row): string {
  const error = row['error']
  return JSON.stringify({
    uploadId: row['upload_id'],
    status: STATUS[String(row['job_status'])],
    rowsProcessed: Number(row['rows_processed']),
    rowsFailed: Number(row['rows_failed']),
    ...(error !== null && { error }),
    timestamp: new Date(String(row['ended_at'])).toISOString(),
  })
}

function triesOf({ log }: Row): Try[] {
  return (typeof log === 'string' ? JSON.parse(log) : log) as Try[]
}
