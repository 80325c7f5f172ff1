import {
  type Boundaries,
  type Database,
  type ErrorCode,
  fullName,
  type Job,
  JobStore,
  SluiceError,
  targetName,
  toJob,
} from '@sluice/engine'
import { expecting } from '../webhook/outbox.ts'
import type { Upload, UploadProgress, UploadRequest, UploadStart, UploadState } from './upload.ts'

type Value = string | number | bigint | boolean | null | Uint8Array
type Row = Record<string, Value>

/** Statuses of a job, as clients know them. */
const STATES: Record<Job['status'], UploadState> = {
  PENDING: 'uploaded',
  PROCESSING: 'processing',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
}
const STATUSES = new Map(Object.entries(STATES).map(([status, state]) => [state, status]))

/** An upload that is over, by its job; false rather than NULL where there is no job yet. */
const OVER = `j.job_id IS NOT NULL AND j.status IN ('COMPLETED', 'FAILED', 'CANCELLED')`
const FROM = 'FROM sluice_uploads u LEFT JOIN ingestion_jobs j ON j.job_id = u.upload_id'
const COLUMNS = `u.upload_id, u.owner, u.mode, u.file_name, u.object_key, u.bytes AS upload_bytes, u.sha256 AS upload_sha256, u.request,
  u.same_as, u.idempotency_key, u.request_hash, u.receiver, u.created_at AS upload_created_at, u.received_at,
  u.error_code, u.storage, j.*`

/** Ids in one statement. */
const PAGE = 500

/** What `create` found. */
export type Created = 'created' | { existing: Upload }

/**
 * The uploads, in the target database. What becomes of one is the status of its job; here is what a job does not have: whose it
 * is, where its bytes wait, what was asked for. All comparisons of times are made by the database.
 *
 * All methods throw what `Database.query` throws.
 */
export class Uploads {
  readonly #database: Database
  readonly #ttlSeconds: number
  readonly #storageId: string
  readonly jobs: JobStore

  /**
   * @param ttlSeconds for which an upload that is over can be seen
   * @param storageId of the storage in which the bytes of new uploads wait
   */
  constructor(database: Database, ttlSeconds: number, storageId: string) {
    this.#database = database
    this.#ttlSeconds = ttlSeconds
    this.#storageId = storageId
    this.jobs = new JobStore(database)
  }

  /**
   * Notes an upload whose body is about to come.
   * @returns the upload that has the id or the Idempotency-Key already
   * @throws SluiceError SLUICE_IDEMPOTENCY when the key stands for another request
   */
  async create(
    uploadId: string,
    mode: Upload['mode'],
    start: UploadStart,
    what: { fileName: string; objectKey: string | null; request: UploadRequest | null; receiver: string | null },
  ): Promise<Created> {
    const { owner, idempotency } = start
    const rows = await this.#run(
      `INSERT INTO sluice_uploads (upload_id, owner, mode, file_name, object_key, request, idempotency_key, request_hash, receiver,
         storage, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, ${this.#now()}) ON CONFLICT DO NOTHING RETURNING upload_id`,
      [
        uploadId,
        owner ?? '',
        mode,
        what.fileName,
        what.objectKey,
        what.request && JSON.stringify(what.request),
        idempotency?.key ?? null,
        idempotency?.requestHash ?? null,
        what.receiver ?? '',
        this.#storageId,
      ],
    )
    if (rows.length > 0) return 'created'
    const known = idempotency && [owner ?? '', idempotency.key]
    const [byKey] = known ? await this.#select('u.owner = $1 AND u.idempotency_key = $2', known) : []
    if (byKey && byKey.request_hash !== idempotency!.requestHash) {
      throw new SluiceError(
        'SLUICE_IDEMPOTENCY',
        `This Idempotency-Key was used for another request, upload ${byKey.upload_id}; take a new key for a new request`,
      )
    }
    const found = byKey ?? (await this.#select('u.upload_id = $1', [uploadId]))[0]
    if (found) return { existing: this.#upload(found) }
    // It was removed between the two statements.
    return this.create(uploadId, mode, start, what)
  }

  /**
   * The body is stored whole: makes the upload's job known, and that its end is to be told. In one transaction.
   * @throws SluiceError SLUICE_JOB when the upload is gone meanwhile
   */
  async received(
    uploadId: string,
    request: UploadRequest,
    { bytes, sha256, boundaries = null }: { bytes: number; sha256: string | null; boundaries?: Boundaries | null },
    targetTable: string,
  ): Promise<void> {
    const announced = {
      jobId: uploadId,
      source: sourceName(uploadId, request.fileName),
      targetTable,
      bytesTotal: bytes,
      sha256,
      boundaries,
    }
    await this.#database.transact([
      {
        text: `UPDATE sluice_uploads SET file_name = $2, request = $3, bytes = $4, sha256 = $5, received_at = ${this.#now()}
          WHERE upload_id = $1 AND received_at IS NULL RETURNING upload_id`,
        params: [uploadId, request.fileName, JSON.stringify(request), bytes, sha256],
        orElse: { code: 'SLUICE_JOB', message: `Upload ${uploadId} was removed while its body was received` },
      },
      this.jobs.announcing(announced),
      ...(request.callbackUrl ? [expecting(this.#database, uploadId, request.callbackUrl)] : []),
    ])
  }

  /** Undefined also where it is over for longer than statuses are kept. */
  async read(uploadId: string): Promise<Upload | undefined> {
    const [row] = await this.#select(`u.upload_id = $1 AND NOT (${this.#expired('$2')})`, [uploadId, this.#ttlSeconds])
    return row && this.#upload(row)
  }

  /** Newest first. @param query.after `next` of the page before */
  async list(query: {
    owner: string | null
    status?: UploadState | undefined
    table?: string | undefined
    limit: number
    after?: string | undefined
  }): Promise<{ uploads: Upload[]; next: string | null }> {
    const where = [`NOT (${this.#expired('$1')})`]
    const params: Value[] = [this.#ttlSeconds]
    const add = (condition: (place: string) => string, value: Value) => {
      params.push(value)
      where.push(condition(`$${params.length}`))
    }
    if (query.owner !== null) add((p) => `u.owner = ${p}`, query.owner)
    if (query.table !== undefined) add((p) => `j.target_table = ${p}`, query.table)
    if (query.status === 'receiving') where.push('j.job_id IS NULL')
    else if (query.status !== undefined) add((p) => `j.status = ${p}`, STATUSES.get(query.status)!)
    if (query.after !== undefined) {
      const [time, id] = cursor(query.after)
      add((p) => `(u.created_at < ${p} OR (u.created_at = ${p} AND u.upload_id < $${params.length + 1}))`, time)
      params.push(id)
    }
    params.push(query.limit + 1)
    const order = `ORDER BY u.created_at DESC, u.upload_id DESC LIMIT $${params.length}`
    const rows = await this.#select(`${where.join(' AND ')} ${order}`, params)
    const uploads = rows.slice(0, query.limit).map((row) => this.#upload(row))
    const last = rows.length > query.limit ? uploads.at(-1)! : undefined
    return { uploads, next: last ? Buffer.from(`${last.createdAt} ${last.uploadId}`).toString('base64url') : null }
  }

  /** How many there are in each state. */
  async states(): Promise<Record<UploadState, number>> {
    const rows = await this.#run(`SELECT j.status, count(*) AS n ${FROM} GROUP BY j.status`)
    const counts: Record<UploadState, number> = {
      receiving: 0,
      uploaded: 0,
      processing: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    }
    for (const { status, n } of rows)
      counts[status === null ? 'receiving' : STATES[status as Job['status']]] = Number(n)
    return counts
  }

  /** How far these uploads are, by their id. */
  async progress(uploadIds: string[]): Promise<Map<string, UploadProgress>> {
    const found = new Map<string, UploadProgress>()
    for (let at = 0; at < uploadIds.length; at += PAGE) {
      const page = uploadIds.slice(at, at + PAGE)
      const list = page.map((_, i) => `$${i + 2}`).join(', ')
      const rows = await this.#run(
        `SELECT u.upload_id, u.owner, u.bytes, ${this.#isPublishedAtOnce()} AS at_once, j.status, j.records_read, j.rejected,
           j.inserted, j.bytes_committed, j.bytes_total, j.started_at, j.updated_at
           ${FROM} WHERE u.upload_id IN (${list}) AND NOT (${this.#expired('$1')})`,
        [this.#ttlSeconds, ...page],
      )
      for (const row of rows) found.set(String(row['upload_id']), progressOf(row))
    }
    return found
  }

  /**
   * Marks an upload of which nothing is loaded COMPLETED, because `sameAs` had loaded its content.
   * @throws SluiceError SLUICE_JOB when it was cancelled meanwhile
   */
  async skip(uploadId: string, sameAs: string): Promise<void> {
    await this.#database.transact([
      this.jobs.skipping(uploadId),
      { text: 'UPDATE sluice_uploads SET same_as = $2 WHERE upload_id = $1', params: [uploadId, sameAs] },
    ])
  }

  /** Whether another job of the same content and table is under way, and was begun or came before this one. */
  async hasTwinUnderWay(uploadId: string, targetTable: string, sha256: string): Promise<boolean> {
    const rows = await this.#run(
      `SELECT 1 FROM ingestion_jobs o, ingestion_jobs j WHERE j.job_id = $1 AND o.job_id <> j.job_id AND o.target_table = $2
         AND o.sha256 = $3 AND o.status IN ('PENDING', 'PROCESSING') AND (o.settings_hash <> '' OR o.created_at < j.created_at
           OR (o.created_at = j.created_at AND o.job_id < j.job_id))`,
      [uploadId, targetTable, sha256],
    )
    return rows.length > 0
  }

  /**
   * Notes that a process begins to load an upload.
   * @param record up to which it is loaded
   * @returns how often that was begun at this record and not ended, this time included
   */
  async begun(uploadId: string, record: number): Promise<number> {
    const [row] = await this.#run(
      `UPDATE sluice_uploads SET attempts = CASE WHEN attempted_record = $2 THEN attempts + 1 ELSE 1 END, attempted_record = $2
         WHERE upload_id = $1 RETURNING attempts`,
      [uploadId, record],
    )
    return Number(row?.['attempts'] ?? 1)
  }

  /** Notes that the process lived to see the end of its attempt, and what that was. */
  async ended(uploadId: string, errorCode: ErrorCode | null): Promise<void> {
    await this.#run('UPDATE sluice_uploads SET attempts = 0, error_code = $2 WHERE upload_id = $1', [
      uploadId,
      errorCode,
    ])
  }

  /** Its object is deleted. */
  async released(uploadId: string): Promise<void> {
    await this.#run('UPDATE sluice_uploads SET object_key = NULL WHERE upload_id = $1', [uploadId])
  }

  /** Forgets an upload; its job stays. */
  async remove(uploadId: string): Promise<void> {
    await this.#run('DELETE FROM sluice_uploads WHERE upload_id = $1', [uploadId])
  }

  /**
   * Staged uploads in this storage that are to be loaded, with who holds a lease of theirs, if anyone does, and how many of their
   * segments nobody does; oldest first.
   */
  async unfinished(): Promise<{ uploadId: string; bytes: number | null; holder: string | null; free: number }[]> {
    const holder = `(SELECT max(c.lease_owner) FROM ingestion_checkpoints c
      WHERE c.job_id = u.upload_id AND c.lease_expires > ${this.#database.now})`
    const free = `(SELECT count(*) FROM ingestion_checkpoints c WHERE c.job_id = u.upload_id AND NOT c.done
      AND coalesce(c.lease_expires <= ${this.#database.now}, TRUE))`
    const rows = await this.#run(
      `SELECT u.upload_id, u.bytes, ${holder} AS holder, ${free} AS free ${FROM}
         WHERE u.mode = 'staged' AND j.status IN ('PENDING', 'PROCESSING') AND ${isHere('$1')} ORDER BY u.created_at LIMIT 10000`,
      [this.#storageId],
    )
    return rows.map((row) => ({
      uploadId: String(row['upload_id']),
      bytes: row['bytes'] === null ? null : Number(row['bytes']),
      holder: row['holder'] === null ? null : String(row['holder']),
      free: Number(row['free']),
    }))
  }

  /** How many staged uploads that are to be loaded wait in other storages, of which this process has none. */
  async elsewhere(): Promise<number> {
    const [row] = await this.#run(
      `SELECT count(*) AS n ${FROM} WHERE u.mode = 'staged' AND j.status = 'PENDING' AND NOT ${isHere('$1')}`,
      [this.#storageId],
    )
    return Number(row!['n'])
  }

  /** Uploads with something left in this storage to be cleared away: what is over too long, loaded with its object, or never became a job. */
  async leftovers(): Promise<(Upload & { expired: boolean })[]> {
    const rows = await this.#select(
      `((${this.#expired('$1')}) OR (j.status = 'COMPLETED' AND u.object_key IS NOT NULL) OR (j.job_id IS NULL AND u.receiver <> '')
         OR (u.mode = 'direct' AND j.status IN ('PENDING', 'PROCESSING'))) AND (u.object_key IS NULL OR ${isHere('$2')}) LIMIT 1000`,
      [this.#ttlSeconds, this.#storageId],
      `, CASE WHEN ${this.#expired('$1')} THEN 1 ELSE 0 END AS expired`,
    )
    return rows.map((row) => ({ ...this.#upload(row), expired: row['expired'] === 1 }))
  }

  /** Resumable uploads that are not known to be whole, of the last `ttlSeconds` or before; oldest first. */
  async inPieces(ttlSeconds: number): Promise<{ uploadId: string; expired: boolean }[]> {
    const expired = `CASE WHEN u.created_at < ${this.#ago('$1')} THEN 1 ELSE 0 END AS expired`
    const rows = await this.#run(
      `SELECT u.upload_id, ${expired} FROM sluice_uploads u WHERE u.receiver = '' AND u.received_at IS NULL AND ${isHere('$2')}
         ORDER BY u.created_at LIMIT 10000`,
      [ttlSeconds, this.#storageId],
    )
    return rows.map((row) => ({ uploadId: String(row['upload_id']), expired: row['expired'] === 1 }))
  }

  /** Which of these have no upload. */
  async unknown(uploadIds: string[]): Promise<string[]> {
    if (uploadIds.length === 0) return []
    const list = uploadIds.map((_, i) => `$${i + 1}`).join(', ')
    const rows = await this.#run(`SELECT upload_id FROM sluice_uploads WHERE upload_id IN (${list})`, uploadIds)
    const known = new Set(rows.map(({ upload_id }) => String(upload_id)))
    return uploadIds.filter((id) => !known.has(id))
  }

  #select(where: string, params: Value[], more = ''): Promise<Row[]> {
    return this.#run(`SELECT ${COLUMNS}${more} ${FROM} WHERE ${where}`, params)
  }

  #run(text: string, params: Value[] = []): Promise<Row[]> {
    return this.#database.query<Row>(text, params)
  }

  #upload(row: Row): Upload {
    const text = (name: string) => (row[name] === null ? null : String(row[name]))
    const uploadId = String(row['upload_id'])
    // Of the same row: what was read later could be over where the upload is not yet.
    const job = row['job_id'] === null ? null : toJob(row)
    const request = text('request')
    return {
      uploadId,
      owner: text('owner') || null,
      mode: row['mode'] as Upload['mode'],
      state: job ? STATES[job.status] : 'receiving',
      fileName: String(row['file_name']),
      bytes: row['upload_bytes'] === null ? null : Number(row['upload_bytes']),
      sha256: text('upload_sha256'),
      request: request === null ? null : JSON.parse(request),
      sameAs: text('same_as'),
      errorCode: text('error_code') as Upload['errorCode'],
      objectKey: text('object_key'),
      isElsewhere: (text('storage') ?? this.#storageId) !== this.#storageId,
      receiver: text('receiver') || null,
      createdAt: String(row['upload_created_at']),
      job,
    }
  }

  /** SQL: whether an upload is over for longer than the seconds in `place`, or its job was pruned. */
  #expired(place: string): string {
    return `(${OVER} AND j.updated_at < ${this.#ago(place)}) OR (u.received_at IS NOT NULL AND j.job_id IS NULL)`
  }

  /** SQL: whether the rows wait beside the table until all are there. */
  #isPublishedAtOnce(): string {
    const [atomic, mode] =
      this.#database.kind === 'postgres'
        ? [`u.request #>> '{options,atomic}' = 'true'`, `u.request #>> '{options,mode}'`]
        : [`u.request ->> '$.options.atomic'`, `u.request ->> '$.options.mode'`]
    return `CASE WHEN ${atomic} OR ${mode} = 'replace' THEN 1 ELSE 0 END`
  }

  /** SQL: the time that lies the seconds in `place` back. */
  #ago(place: string): string {
    return this.#database.kind === 'postgres'
      ? `now() - CAST(${place} AS double precision) * interval '1 second'`
      : `strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || ${place} || ' seconds')`
  }

  /** In whole milliseconds, as times travel: a page's last time must be found again. */
  #now(): string {
    return this.#database.kind === 'postgres' ? `date_trunc('milliseconds', now())` : this.#database.now
  }
}

/** SQL: whether the bytes of an upload are in the storage in `place`; rows of earlier versions say nothing. */
function isHere(place: string): string {
  return `COALESCE(u.storage, ${place}) = ${place}`
}

function progressOf(row: Row): UploadProgress {
  const count = (name: string) => Number(row[name] ?? 0)
  const time = (name: string) => (row[name] === null ? null : new Date(row[name] as string).getTime())
  const status = row['status'] === null ? 'receiving' : STATES[row['status'] as Job['status']]
  const total = row['bytes'] ?? row['bytes_total'] ?? null
  return {
    uploadId: String(row['upload_id']),
    owner: String(row['owner']) || null,
    status,
    rowsProcessed: count('records_read'),
    rowsFailed: count('rejected'),
    inserted: Number(row['at_once']) === 1 && status !== 'completed' ? 0 : count('inserted'),
    bytesCommitted: count('bytes_committed'),
    bytesTotal: total === null ? null : Number(total),
    elapsedMs: Math.max(0, (time('updated_at') ?? 0) - (time('started_at') ?? Number.POSITIVE_INFINITY)),
  }
}

/** The table of a request, as jobs have it: `T` or `schema.T`. */
export function tableOf({ options, fileName }: UploadRequest): string {
  return fullName(targetName(options.table, fileName))
}

/** Nobody else's source has this name, so that no other load goes on with its job. */
export function sourceName(uploadId: string, fileName: string): string {
  return `uploads/${uploadId}/${fileName}`
}

function cursor(text: string): [time: string, id: string] {
  const [, time, id] = /^(\S+) ([\da-f-]{36})$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (time === undefined || Number.isNaN(Date.parse(time))) {
    throw new SluiceError('SLUICE_USAGE', 'The list cannot go on there: "after" takes the "next" of the page before')
  }
  return [time, id!]
}
