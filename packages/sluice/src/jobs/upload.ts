import type { ErrorCode, Job, LoadOptions } from '@sluice/engine'

/**
 * What one upload goes through. From `uploaded` on this is the `status` of its row in `ingestion_jobs`, which is the truth.
 *
 * | from                    | to           | by                                                            |
 * | ----------------------- | ------------ | ------------------------------------------------------------- |
 * | –                       | `receiving`  | a request whose body is being staged, or loaded directly      |
 * | `receiving`             | (gone)       | the body broke off; nothing is left behind                    |
 * | `receiving`             | (gone)       | resumable: terminated, or not whole within `SLUICE_UPLOAD_TTL`|
 * | `receiving`             | `uploaded`   | the object is stored whole                                    |
 * | `receiving`             | `processing` | direct: the first bytes came                                  |
 * | `failed`                | `processing` | direct: the client sends the same again under the same id     |
 * | `uploaded`              | `processing` | a worker claimed the job                                      |
 * | `processing`            | `uploaded`   | its worker drained, or died: it goes on from the checkpoint   |
 * | `processing`            | `completed`  | everything is committed; the object is deleted                |
 * | `uploaded`, `processing`| `failed`     | the load failed; the object is kept                           |
 * | `uploaded`, `processing`| `cancelled`  | cancel; the object is kept                                    |
 * | `failed`, `cancelled`   | `uploaded`   | retry of a staged upload                                      |
 * | the last three          | (gone)       | `SLUICE_STATUS_TTL` after the last change, with the object    |
 */
export type UploadState = 'receiving' | 'uploaded' | 'processing' | 'completed' | 'failed' | 'cancelled'

/** Whether nothing happens to it any more unless somebody asks for it. */
export function isOver(state: UploadState): boolean {
  return state === 'completed' || state === 'failed' || state === 'cancelled'
}

/** How an upload is to be loaded: resolved when it is accepted, so that a profile that changes later changes no retry. JSON throughout. */
export type UploadOptions = Pick<
  LoadOptions,
  | 'table'
  | 'schema'
  | 'dialect'
  | 'key'
  | 'onConflict'
  | 'dedupe'
  | 'mode'
  | 'atomic'
  | 'write'
  | 'batchRows'
  | 'maxErrors'
  | 'rename'
  | 'skip'
  | 'set'
  | 'provenance'
  | 'unknownColumns'
  | 'maxRecordBytes'
  | 'maxDecodedBytes'
  | 'limit'
>

/** What a client asks for. */
export interface UploadRequest {
  /** For people to read, and for the table's name where none is given. Never a path. */
  fileName: string
  options: UploadOptions
  /** Load also what that table holds already. Default: false. */
  force?: boolean
  callbackUrl?: string | null
}

/** What is known of an upload before its body. */
export interface UploadStart {
  /** Default: a new one. */
  uploadId?: string | undefined
  /** Id of the key that the client showed; null where the server has no keys. */
  owner: string | null
  /** `Idempotency-Key`, and a hash of the request as far as it is known before its body. */
  idempotency?: { key: string; requestHash: string } | undefined
  /** What the body cannot be longer than, in bytes. Default: only what an upload can be. */
  mostBytes?: number | undefined
}

export interface Upload {
  uploadId: string
  owner: string | null
  mode: 'staged' | 'direct'
  state: UploadState
  fileName: string
  /** Size as stored, in bytes; null until it is known. */
  bytes: number | null
  /** Of the bytes as stored, in hex; null until it is known. */
  sha256: string | null
  /** Null while the body of a staged upload is being received. */
  request: UploadRequest | null
  /** The completed job that had loaded the same content into the same table already, so that nothing was loaded; else null. */
  sameAs: string | null
  /** Of the error that its last attempt ended with; null where it has none. */
  errorCode: ErrorCode | null
  /** Where its bytes wait; null when nothing was staged, or it is loaded and gone. */
  objectKey: string | null
  /** Its bytes wait in a storage that this process does not have. */
  isElsewhere: boolean
  /** The process that receives the body, or did; null for a resumable one, whose pieces any process takes. */
  receiver: string | null
  createdAt: string
  /** Its row of `ingestion_jobs`: counters, error, times. Null in the state `receiving`. */
  job: Job | null
}

/** How far an upload is: what is committed, as one statement saw it. */
export interface UploadProgress {
  uploadId: string
  owner: string | null
  status: UploadState
  rowsProcessed: number
  rowsFailed: number
  /** 0 until the end where all rows are published at once. */
  inserted: number
  bytesCommitted: number
  bytesTotal: number | null
  /** Between the first batch and the last change of the job, in ms by the clock of the database. */
  elapsedMs: number
}
