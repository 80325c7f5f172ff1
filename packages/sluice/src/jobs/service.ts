import type { Progress, Receipt, ReplayReceipt, StoredReject } from '@sluice/engine'
import type { Upload, UploadRequest, UploadStart, UploadState } from './upload.ts'

/** Whose uploads are looked at: those of a key, or with null all of them (a server without keys). */
export type Viewer = string | null

export interface ListQuery {
  viewer: Viewer
  status?: UploadState | undefined
  table?: string | undefined
  /** 1 to 500. Default: 50. */
  limit?: number | undefined
  /** `next` of the page before. */
  after?: string | undefined
}

/** What the HTTP server asks for. Errors are SluiceErrors; an upload that is not there or not the viewer's is undefined, or SLUICE_JOB. */
export interface JobService {
  /** Looks for unfinished uploads and begins to work. */
  start(): Promise<void>
  /** Takes no more, lets running loads commit what is in flight; they go on with the next start. */
  stop(): Promise<void>
  /** Whether the database and the storage answer. @throws what they throw */
  check(): Promise<void>

  /**
   * Stores a body and queues its load.
   * @param request asked for when the body is stored whole, because fields of a form may come behind the file; what it throws undoes all
   * @param signal aborts the receiving; nothing is left behind
   * @throws SluiceError SLUICE_IDEMPOTENCY when the key was used for another request, SLUICE_JOB when the first one is still being
   *   received or the uploadId is taken, SLUICE_STORAGE; and what the body and `request` throw
   * @returns the upload; `replayed` when the Idempotency-Key was known and the body was not touched
   */
  stage(
    start: UploadStart,
    body: AsyncIterable<Uint8Array>,
    request: () => Promise<UploadRequest>,
    signal?: AbortSignal,
  ): Promise<{ upload: Upload; replayed: boolean }>
  /** Loads a body as it comes; nothing is staged. @throws what `load` throws, and as `stage` */
  direct(
    start: UploadStart,
    request: UploadRequest,
    body: AsyncIterable<Uint8Array>,
    options?: { signal?: AbortSignal; onProgress?: (progress: Progress) => void },
  ): Promise<{ receipt: Receipt; replayed: boolean }>
  /** Queues the load of an object that is stored already (tus); its key must be `uploads/<uploadId>`. */
  adopt(start: UploadStart & { uploadId: string }, request: UploadRequest): Promise<Upload>

  /** Undefined where there is none, it is someone else's, or it is older than `SLUICE_STATUS_TTL`. */
  read(uploadId: string, viewer: Viewer): Promise<Upload | undefined>
  /** Newest first. */
  list(query: ListQuery): Promise<{ uploads: Upload[]; next: string | null }>
  /** Of a completed upload. @throws SluiceError SLUICE_JOB */
  receipt(upload: Upload): Promise<Receipt>
  /** Resolves when the upload is completed, failed or cancelled. */
  settled(uploadId: string, signal?: AbortSignal): Promise<Upload>
  /** @throws SluiceError SLUICE_JOB while it runs, when it is complete, or when nothing was staged */
  retry(uploadId: string, viewer: Viewer): Promise<Upload>
  /** Asks the load to stop at its next batch. @throws SluiceError SLUICE_JOB when it is over already */
  cancel(uploadId: string, viewer: Viewer): Promise<Upload>

  /** Rejects in the order of their records. `after`: the record of the last one seen. */
  rejects(uploadId: string, page: { after?: number; limit?: number }): Promise<StoredReject[]>
  /** All of them, page by page, and what `rejectsCsv` needs. */
  allRejects(uploadId: string): AsyncGenerator<StoredReject[], void, void>
  /** Corrected rejects back in, CSV or NDJSON. @throws what the engine's `replay` throws */
  replay(uploadId: string, body: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<ReplayReceipt>
}
