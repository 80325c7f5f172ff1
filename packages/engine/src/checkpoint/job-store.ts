import type { Boundaries } from '../boundaries.ts'
import type { Position } from '../parse/position.ts'
import type { Database, SqlValue, Statement } from '../write/database.ts'
import {
  ANNOUNCED,
  type Checkpoint,
  isJobId,
  type Job,
  type JobStatus,
  type SqlRow,
  type StoredReject,
  toCheckpoint,
  toJob,
  toStoredReject,
} from './job.ts'
import { REJECT_TABLE_OF_JOB, rejectTableSql } from './reject-table.ts'

/** A job that is to be created. */
export interface NewJob
  extends Pick<Job, 'jobId' | 'source' | 'targetTable' | 'settings' | 'settingsHash' | 'fingerprint' | 'bytesTotal'> {
  segments: NewSegment[]
}

/** A job that is going to come. */
type Announced = Pick<Job, 'jobId' | 'source' | 'targetTable' | 'bytesTotal' | 'sha256'> & {
  /** Where records of the source begin, for the load that begins the job. Default: null. */
  boundaries?: Boundaries | null
}

interface NewSegment {
  /** Name of the file. */
  source: string
  /** Where its first record begins. */
  start: Position
  /** Null: to the end of the source. */
  endByte: number | null
}

/** Keeps the parameters of one statement far below the 32,766 that SQLite takes. */
const ROWS_PER_STATEMENT = 1_000

/**
 * The jobs, checkpoints and rejects that a target database holds. The tables must exist (`createTables`). Each method is
 * a few statements of its own transactions, in an order that leaves a sound state wherever it is cut off; every
 * comparison of times is made by the database's clock.
 *
 * All methods throw what `Database.query` throws.
 */
export class JobStore {
  readonly #database: Pick<Database, 'query' | 'transact' | 'kind' | 'now'>

  constructor(database: Pick<Database, 'query' | 'transact' | 'kind' | 'now'>) {
    this.#database = database
  }

  /**
   * Creates a PENDING job with its checkpoints; the first segment has number 0.
   *
   * @param sole Refuse when another load of the same source into the same table is unfinished, so that of two processes
   *   that start at the same instant at most one goes on.
   * @throws SluiceError SLUICE_JOB when the id is taken, unless it was only announced; or by `sole`.
   */
  async create(job: NewJob, sole = false): Promise<void> {
    const { jobId, source, targetTable } = job
    const { kind, now } = this.#database
    const statements: Statement[] = []
    if (sole) {
      // Whoever asks at the same time waits here until the other one's job can be seen; in SQLite every transaction does.
      const lock = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))'
      if (kind === 'postgres') statements.unshift({ text: lock, params: [`sluice ${targetTable} ${source}`] })
      statements.push({
        text: `SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM ingestion_jobs
          WHERE source = $1 AND target_table = $2 AND status NOT IN ('COMPLETED', 'CANCELLED'))`,
        params: [source, targetTable],
        orElse: {
          code: 'SLUICE_JOB',
          message:
            `Another process has just begun to load ${source} into ${targetTable}; ` +
            'let it finish, or run the same command again to go on where it stops',
        },
      })
    }
    statements.push({
      text: `INSERT INTO ingestion_jobs (job_id, status, source, target_table, settings, settings_hash, fingerprint,
        bytes_total, created_at, updated_at) VALUES ($1, 'PENDING', $2, $3, $4, $5, $6, $7, ${now}, ${now})
        ON CONFLICT (job_id) DO UPDATE SET source = excluded.source, target_table = excluded.target_table,
          settings = excluded.settings, settings_hash = excluded.settings_hash, fingerprint = excluded.fingerprint,
          bytes_total = excluded.bytes_total, updated_at = excluded.updated_at
        WHERE ingestion_jobs.settings_hash = '${ANNOUNCED}' AND ingestion_jobs.status = 'PENDING'
        RETURNING job_id`,
      params: [
        jobId,
        source,
        targetTable,
        JSON.stringify(job.settings),
        job.settingsHash,
        JSON.stringify(job.fingerprint),
        job.bytesTotal,
      ],
      orElse: { code: 'SLUICE_JOB', message: `The job id ${jobId} is taken` },
    })
    for (const segments of chunks([...job.segments.entries()])) {
      const rows = segments.map((_, i) => {
        const p = (n: number) => `$${1 + i * 6 + n}`
        return `($1, ${p(1)}, ${p(2)}, ${p(3)}, ${p(4)}, ${p(3)}, ${p(5)}, ${p(6)}, ${now})`
      })
      statements.push({
        text: `INSERT INTO ingestion_checkpoints (job_id, segment, source, start_byte, end_byte, committed_byte,
          committed_line, committed_record, updated_at) VALUES ${rows.join(', ')}`,
        params: [
          jobId,
          ...segments.flatMap(([i, { source, start, endByte }]) => [
            i,
            source,
            start.byte,
            endByte,
            start.line,
            start.record,
          ]),
        ],
      })
    }
    await this.#database.transact(statements)
  }

  /**
   * What makes a job known, PENDING, before its source was looked at; for a transaction that does more. A load with this `jobId`
   * begins it.
   */
  announcing({ jobId, source, targetTable, bytesTotal, sha256, boundaries = null }: Announced): Statement {
    const { now } = this.#database
    const settings = { asked: {}, dialect: {}, header: [], schema: null, inferred: null, boundaries }
    return {
      text: `INSERT INTO ingestion_jobs (job_id, status, source, target_table, settings, settings_hash, fingerprint,
        bytes_total, sha256, created_at, updated_at)
        VALUES ($1, 'PENDING', $2, $3, $4, '${ANNOUNCED}', '[]', $5, $6, ${now}, ${now})
        ON CONFLICT (job_id) DO NOTHING RETURNING job_id`,
      params: [jobId, source, targetTable, JSON.stringify(settings), bytesTotal, sha256],
      orElse: { code: 'SLUICE_JOB', message: `The job id ${jobId} is taken` },
    }
  }

  /** Undefined also for what cannot be a job's id. */
  async read(jobId: string): Promise<Job | undefined> {
    if (!isJobId(jobId)) return undefined
    const [row] = await this.#run('SELECT * FROM ingestion_jobs WHERE job_id = $1', [jobId.toLowerCase()])
    return row && toJob(row)
  }

  /** Newest first; by default 100 of them. */
  async list(options: { status?: JobStatus; limit?: number } = {}): Promise<Job[]> {
    const where = options.status ? 'WHERE status = $2' : ''
    const rows = await this.#run(`SELECT * FROM ingestion_jobs ${where} ORDER BY created_at DESC, job_id LIMIT $1`, [
      options.limit ?? 100,
      ...(options.status ? [options.status] : []),
    ])
    return rows.map(toJob)
  }

  /** The newest job of this source and table that is neither COMPLETED nor CANCELLED. */
  async findUnfinished(source: string, targetTable: string): Promise<Job | undefined> {
    const [row] = await this.#run(
      `SELECT * FROM ingestion_jobs WHERE source = $1 AND target_table = $2
         AND status NOT IN ('COMPLETED', 'CANCELLED') ORDER BY created_at DESC, job_id LIMIT 1`,
      [source, targetTable],
    )
    return row && toJob(row)
  }

  /** All jobs that load into the table and are not COMPLETED, CANCELLED ones too. */
  async incomplete(targetTable: string): Promise<Job[]> {
    const rows = await this.#run(`SELECT * FROM ingestion_jobs WHERE target_table = $1 AND status <> 'COMPLETED'`, [
      targetTable,
    ])
    return rows.map(toJob)
  }

  /** COMPLETED jobs of the table whose source had this fingerprint, or this SHA-256; newest first. */
  async findCompleted(targetTable: string, by: { fingerprint: unknown } | { sha256: string }): Promise<Job[]> {
    const [column, value] = 'sha256' in by ? ['sha256', by.sha256] : ['fingerprint', JSON.stringify(by.fingerprint)]
    const rows = await this.#run(
      `SELECT * FROM ingestion_jobs WHERE target_table = $1 AND ${column} = $2 AND status = 'COMPLETED'
         ORDER BY created_at DESC, job_id`,
      [targetTable, value],
    )
    return rows.map(toJob)
  }

  /** Keeps the SHA-256 of the whole source; what is known already stays. */
  async noteSha256(jobId: string, sha256: string): Promise<void> {
    await this.#run('UPDATE ingestion_jobs SET sha256 = coalesce(sha256, $2) WHERE job_id = $1', [jobId, sha256])
  }

  async saveSettings(jobId: string, settings: unknown): Promise<void> {
    await this.#run('UPDATE ingestion_jobs SET settings = $2 WHERE job_id = $1', [jobId, JSON.stringify(settings)])
  }

  /** The segments of a job, in order. */
  async checkpoints(jobId: string): Promise<Checkpoint[]> {
    const rows = await this.#run('SELECT * FROM ingestion_checkpoints WHERE job_id = $1 ORDER BY segment', [jobId])
    return rows.map(toCheckpoint)
  }

  /** What {@link complete} does, for a transaction that does more; it fails when the job is complete already, or a segment is left to do. */
  completing(jobId: string, bytesTotal: number): Statement {
    const { now } = this.#database
    return {
      text: `UPDATE ingestion_jobs SET status = 'COMPLETED', error = NULL, completed_at = ${now}, updated_at = ${now},
        bytes_total = $2 WHERE job_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED')
          AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1 AND NOT done) RETURNING job_id`,
      params: [jobId, bytesTotal],
      orElse: { code: 'SLUICE_JOB', message: `Job ${jobId} was cancelled, or is complete already` },
    }
  }

  /**
   * Completes the job when every segment is done and nobody has cancelled it; for a process that was ended between the two steps of {@link finish}, too.
   *
   * @param facts As of `finish`.
   * @returns Whether this completed the job.
   */
  async complete(jobId: string, facts: { sha256?: string; bytesTotal?: number } = {}): Promise<boolean> {
    const { now } = this.#database
    const completed = await this.#run(
      `UPDATE ingestion_jobs SET status = 'COMPLETED', error = NULL, completed_at = ${now}, updated_at = ${now},
         sha256 = coalesce($2, sha256), bytes_total = coalesce($3, bytes_total)
         WHERE job_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED')
           AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1 AND NOT done)
         RETURNING job_id`,
      [jobId, facts.sha256 ?? null, facts.bytesTotal ?? null],
    )
    return completed.length > 0
  }

  /** What makes an announced job COMPLETED, of which nothing needs to be read; for a transaction that does more. */
  skipping(jobId: string): Statement {
    const { now } = this.#database
    return {
      text: `UPDATE ingestion_jobs SET status = 'COMPLETED', started_at = ${now}, completed_at = ${now}, updated_at = ${now}
        WHERE job_id = $1 AND status = 'PENDING' AND settings_hash = '${ANNOUNCED}' RETURNING job_id`,
      params: [jobId],
      orElse: { code: 'SLUICE_JOB', message: `Job ${jobId} was begun or cancelled meanwhile` },
    }
  }

  /** Marks an unfinished job FAILED that no worker holds. Returns false when it is over, or held. */
  async refuse(jobId: string, error: string): Promise<boolean> {
    const { now } = this.#database
    const rows = await this.#run(
      `UPDATE ingestion_jobs SET status = 'FAILED', error = $2, updated_at = ${now}
         WHERE job_id = $1 AND status IN ('PENDING', 'PROCESSING')
           AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1 AND lease_expires > ${now})
         RETURNING job_id`,
      [jobId, error],
    )
    return rows.length > 0
  }

  /**
   * Makes a FAILED or CANCELLED job PENDING, so that it can be claimed and goes on from its checkpoint. Returns false when it is in
   * another state, or a worker still holds it.
   */
  async reopen(jobId: string): Promise<boolean> {
    const { now } = this.#database
    const rows = await this.#run(
      `UPDATE ingestion_jobs SET status = 'PENDING', error = NULL, updated_at = ${now}
         WHERE job_id = $1 AND status IN ('FAILED', 'CANCELLED')
           AND NOT EXISTS (SELECT 1 FROM ingestion_checkpoints WHERE job_id = $1 AND lease_expires > ${now})
         RETURNING job_id`,
      [jobId],
    )
    return rows.length > 0
  }

  /** Marks the job CANCELLED; its worker learns it from `renew`. Returns false when it was over or cancelled already. */
  async cancel(jobId: string): Promise<boolean> {
    const rows = await this.#run(
      `UPDATE ingestion_jobs SET status = 'CANCELLED', updated_at = ${this.#database.now}
         WHERE job_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED') RETURNING job_id`,
      [jobId],
    )
    return rows.length > 0
  }

  /**
   * The job's rejects in the order of their records, page by page.
   *
   * @param options.open Only those that no replay has closed. Default: all.
   * @param options.after Only those of records behind this one. Default: 0, all.
   * @param options.pageSize Default 256: with 64 KB of raw bytes each, a page is at worst 16 MB.
   */
  async *rejects(
    jobId: string,
    { open = false, after: passed = 0, pageSize = 256 }: { open?: boolean; after?: number; pageSize?: number } = {},
  ): AsyncGenerator<StoredReject[], void, void> {
    const table = await this.#rejectTable(jobId)
    let after: [record: number, id: number] = [passed, Number.MAX_SAFE_INTEGER]
    for (;;) {
      const rows = await this.#run(
        `SELECT * FROM ${table} WHERE job_id = $1 AND (record, id) > ($2, $3) ${open ? 'AND closed_at IS NULL' : ''}
           ORDER BY record, id LIMIT $4`,
        [jobId, ...after, pageSize],
      )
      const page = rows.map(toStoredReject)
      const last = page.at(-1)
      if (last) yield page
      if (!last || page.length < pageSize) return
      after = [last.record, last.id]
    }
  }

  /** Rejects of the job that belong to the records behind `after` and up to `last`, in order. */
  async rejectsBetween(jobId: string, after: number, last: number): Promise<StoredReject[]> {
    const rows = await this.#run(
      `SELECT * FROM ${await this.#rejectTable(jobId)} WHERE job_id = $1 AND record > $2 AND record <= $3
         ORDER BY record, id`,
      [jobId, after, last],
    )
    return rows.map(toStoredReject)
  }

  /** How many open rejects of the job have each code. */
  async rejectCounts(jobId: string): Promise<Record<string, number>> {
    const counted = (await this.read(jobId))?.rejectsByCode
    if (counted) return counted
    const rows = await this.#run(
      `SELECT code, count(*) AS count FROM ${await this.#rejectTable(jobId)} WHERE job_id = $1 AND closed_at IS NULL
         GROUP BY code ORDER BY code`,
      [jobId],
    )
    return Object.fromEntries(rows.map(({ code, count }) => [String(code), Number(count)]))
  }

  /** Open rejects of the job among these records. */
  async openRejects(jobId: string, records: number[]): Promise<StoredReject[]> {
    const list = records.map((_, i) => `$${i + 2}`).join(', ')
    const rows = await this.#run(
      `SELECT * FROM ${await this.#rejectTable(jobId)} WHERE job_id = $1 AND closed_at IS NULL AND record IN (${list})
         ORDER BY record, id`,
      [jobId, ...records],
    )
    return rows.map(toStoredReject)
  }

  #run(text: string, params: SqlValue[] = []): Promise<SqlRow[]> {
    return this.#database.query<SqlRow>(text, params)
  }

  /** The table of the job's rejects, in SQL. */
  async #rejectTable(jobId: string): Promise<string> {
    const [row] = await this.#run(`SELECT ${REJECT_TABLE_OF_JOB} AS name FROM ingestion_jobs WHERE job_id = $1`, [
      jobId,
    ])
    return rejectTableSql((row?.name ?? null) as string | null)
  }
}

function* chunks<Item>(items: Item[]): Generator<Item[]> {
  for (let i = 0; i < items.length; i += ROWS_PER_STATEMENT) yield items.slice(i, i + ROWS_PER_STATEMENT)
}
