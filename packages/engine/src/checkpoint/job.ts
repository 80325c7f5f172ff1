import type { Position } from '../parse/position.ts'
import type { Reject } from '../reject/reject.ts'
import type { SqlValue } from '../write/database.ts'
import { type RejectCounts, toRejectCounts } from './reject-counts.ts'

/**
 * PENDING → PROCESSING → COMPLETED. A claim makes PENDING and FAILED jobs PROCESSING, and they go on from their checkpoints; a
 * CANCELLED one must be reopened first. A job whose process died stays PROCESSING until its lease runs out and another claims it.
 */
export type JobStatus = 'PENDING' | 'PROCESSING' | 'COMPLETED' | 'FAILED' | 'CANCELLED'

/** Whether a text can be a job's id: a UUID, of any version. */
export function isJobId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}

/** A row of `ingestion_jobs`. Times are ISO 8601. */
export interface Job {
  jobId: string
  status: JobStatus
  source: string
  targetTable: string
  /** What the meaning of the load depends on (dialect, schema, key, …): enough to resume it and to replay its rejects. */
  settings: unknown
  settingsHash: string
  /** Of the source: size, samples of its content. */
  fingerprint: unknown
  recordsRead: number
  inserted: number
  updated: number
  unchanged: number
  duplicates: number
  rejected: number
  /** Open rejects by code, duplicates that are kept among them; null where an earlier version did not count them. */
  rejectsByCode: RejectCounts | null
  /** Records that were rejected and came in by replay; `inserted` counts them too. */
  replayed: number
  /** Null where the size of the source is not known. */
  bytesTotal: number | null
  bytesCommitted: number
  /** Of the whole source, in hex; known when it was read to its end. */
  sha256: string | null
  /** Why the job failed; null in every other state. */
  error: string | null
  createdAt: string
  startedAt: string | null
  updatedAt: string
  completedAt: string | null
}

/** A row of `ingestion_checkpoints`: how far one segment of a job is committed, and who works on it. */
export interface Checkpoint {
  jobId: string
  segment: number
  /** Name of the file that this segment is a part of. */
  source: string
  startByte: number
  /** Null: to the end of the source. */
  endByte: number | null
  committed: Position
  /** SHA-256, in hex, of the bytes before `committed`; null for a file, and where nothing is committed. */
  committedSha256: string | null
  /** Bytes of the source as stored, of which it may be decompressed, that were taken for what is committed. */
  committedStored: number
  done: boolean
  /** Counts the claims; a commit under an older epoch is refused. */
  epoch: number
  leaseOwner: string | null
  leaseExpires: string | null
}

/** Where a batch ends, and the SHA-256, in hex, of all bytes of the source before it: of those sources that are verified by it. */
export interface Mark extends Position {
  sha256?: string | null
  /** Bytes of the source as stored that were taken for it. Default: `byte`. */
  stored?: number
}

/** What a worker holds: the right to commit to one segment, until someone else claims it. */
export type Lease = Pick<Checkpoint, 'jobId' | 'segment' | 'epoch'>

/** A row of `failed_imports`. `errors` is complete; the columns beside it name the first. */
export interface StoredReject extends Reject {
  id: number
  jobId: string
  segment: number
  /** Name of the file that it came from; null where a version stored it that did not tell. */
  source: string | null
  createdAt: string
  /** When a replay brought the record in; null: it is still missing. */
  closedAt: string | null
}

/** Stands for the settings of a job of which nothing is known but that it will come. */
export const ANNOUNCED = ''

/** Whether no load has begun the job yet. */
export function isAnnounced({ settingsHash }: Pick<Job, 'settingsHash'>): boolean {
  return settingsHash === ANNOUNCED
}

export type SqlRow = Record<string, SqlValue>

/** The job in a row that holds the columns of `ingestion_jobs`, as {@link JobStore} and `Database.query` read them. */
export function toJob(row: SqlRow): Job {
  return {
    jobId: String(row.job_id),
    status: row.status as JobStatus,
    source: String(row.source),
    targetTable: String(row.target_table),
    settings: JSON.parse(String(row.settings)),
    settingsHash: String(row.settings_hash),
    fingerprint: JSON.parse(String(row.fingerprint)),
    ...toCounts(row),
    rejectsByCode: toRejectCounts(row),
    replayed: Number(row.replayed),
    bytesTotal: numberOrNull(row.bytes_total),
    sha256: textOrNull(row.sha256),
    error: textOrNull(row.error),
    createdAt: String(row.created_at),
    startedAt: textOrNull(row.started_at),
    updatedAt: String(row.updated_at),
    completedAt: textOrNull(row.completed_at),
  }
}

/** The counters of the job in such a row. */
export function toCounts(row: SqlRow) {
  return {
    recordsRead: Number(row.records_read),
    inserted: Number(row.inserted),
    updated: Number(row.updated),
    unchanged: Number(row.unchanged),
    duplicates: Number(row.duplicates),
    rejected: Number(row.rejected),
    bytesCommitted: Number(row.bytes_committed),
  }
}

export function toCheckpoint(row: SqlRow): Checkpoint {
  return {
    jobId: String(row.job_id),
    segment: Number(row.segment),
    source: String(row.source),
    startByte: Number(row.start_byte),
    endByte: numberOrNull(row.end_byte),
    committed: {
      byte: Number(row.committed_byte),
      line: Number(row.committed_line),
      record: Number(row.committed_record),
    },
    committedSha256: textOrNull(row.committed_sha256),
    committedStored: Number(row.committed_stored ?? row.committed_byte),
    done: Boolean(row.done),
    epoch: Number(row.epoch),
    leaseOwner: textOrNull(row.lease_owner),
    leaseExpires: textOrNull(row.lease_expires),
  }
}

export function toStoredReject(row: SqlRow): StoredReject {
  return {
    id: Number(row.id),
    jobId: String(row.job_id),
    segment: Number(row.segment),
    source: textOrNull(row.source),
    record: Number(row.record),
    line: Number(row.line),
    byteOffset: Number(row.byte_offset),
    errors: JSON.parse(String(row.errors)),
    raw: row.raw as Uint8Array,
    rawLength: Number(row.raw_length),
    createdAt: String(row.created_at),
    closedAt: textOrNull(row.closed_at),
  }
}

const textOrNull = (value: SqlValue | undefined) => (value == null ? null : String(value))
const numberOrNull = (value: SqlValue | undefined) => (value == null ? null : Number(value))
