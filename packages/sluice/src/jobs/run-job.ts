import { type Boundaries, type ByteSource, isAnnounced, type Job, load, SluiceError } from '@sluice/engine'
import type { Logger } from 'pino'
import { withoutPassword } from '../config.ts'
import type { ObjectStorage } from '../storage/storage.ts'
import type { Upload } from './upload.ts'
import { sourceName, type Uploads } from './uploads.ts'

/** What running a job takes. */
export interface Workplace {
  uploads: Uploads
  storage: ObjectStorage
  databaseUrl: string
  log: Logger
}

/** What lies beside an object that came in pieces, in a bucket or in a folder. */
export const BESIDE = ['.info', '.json']
/** The last that a Date can tell, since the clock of a store is not ours. */
const LAST_MOMENT = new Date(8_640_000_000_000_000)
/** Ends of a load that are no failure of its job: someone else has it, or it was told to stop. */
const NOT_FAILED = new Set(['SLUICE_INTERRUPTED', 'SLUICE_LEASE_LOST', 'SLUICE_JOB'])

/**
 * Times that a load is begun behind the same record by processes that do not live to see its end. What kills them each time must not
 * keep the other uploads from being loaded; and who ends processes for other reasons does not hit the same record so often.
 */
const MOST_ATTEMPTS = 5

/**
 * Loads a staged upload, from its checkpoint on, and deletes its object behind the last row. What it ends with stands in the row of
 * the job; so nothing is thrown but what keeps that row from being written.
 *
 * Uploads of the same content into the same table are loaded once: a later one waits for the earlier, and is complete without a row
 * when that is.
 * @param signal drains: what is in flight is committed, and the job can go on
 * @returns false where it waits for another one, and nothing has happened
 */
export async function runJob(work: Workplace, uploadId: string, signal: AbortSignal): Promise<boolean> {
  const { uploads, storage } = work
  const upload = await uploads.read(uploadId)
  const isReady = upload?.state === 'uploaded' || upload?.state === 'processing'
  if (!isReady || upload.mode !== 'staged' || upload.objectKey === null || upload.request === null) return true
  const log = work.log.child({ uploadId })
  if (upload.isElsewhere) {
    log.warn(`its file is not in ${storage.label} but in a storage that this process does not have`)
    return true
  }
  const twin = await twinOf(uploads, upload)
  if (twin === 'under way') return false
  if (twin) {
    await uploads.skip(uploadId, twin.jobId)
    log.info({ sameAs: twin.jobId }, 'the same content is loaded already')
    await clearObject(work, upload)
    return true
  }
  const { targetTable, recordsRead: record } = upload.job!
  const attempts = await uploads.begun(uploadId, record)
  if (attempts > MOST_ATTEMPTS) {
    const message =
      `The server ended ${MOST_ATTEMPTS} times while it loaded this upload, each time behind record ${record}: it is not tried again ` +
      'by itself. See what its log, or that of the system (out of memory?), says; the file is kept for a retry'
    log.error({ attempts, record }, 'given up')
    await uploads.ended(uploadId, 'SLUICE_INTERNAL')
    await uploads.jobs.refuse(uploadId, message)
    return true
  }
  log.info({ table: targetTable, bytes: upload.bytes, record, attempts }, 'loading')
  try {
    await loadUpload(work, upload, signal, log)
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
    const message = withoutPassword((error as Error).message)
    if (NOT_FAILED.has(code) || signal.aborted) {
      log.info({ code, reason: message }, 'stopped')
      await uploads.ended(uploadId, null)
      return true
    }
    log.error({ code, reason: message }, 'failed')
    // Where the load had begun, this is its own doing already.
    await uploads.jobs.refuse(uploadId, message)
    await uploads.ended(uploadId, code)
    return true
  }
  await clearObject(work, upload)
  return true
}

/**
 * Loads segments of an upload that another process has begun, for as long as there are any; if the other one is gone, to the end. Whatever
 * this ends with, it is the other one's upload: only a load that fails says so in the row of the job.
 * @param signal as of {@link runJob}
 */
export async function helpJob(work: Workplace, uploadId: string, signal: AbortSignal): Promise<void> {
  const upload = await work.uploads.read(uploadId)
  if (upload?.state !== 'processing' || isAnnounced(upload.job!) || upload.objectKey === null) return
  const log = work.log.child({ uploadId, helps: true })
  log.info('loading')
  try {
    await loadUpload(work, upload, signal, log)
  } catch (error) {
    const code = error instanceof SluiceError ? error.code : 'SLUICE_INTERNAL'
    log.info({ code, reason: withoutPassword((error as Error).message) }, 'stopped')
    if ((await work.uploads.read(uploadId))?.state === 'failed') await work.uploads.ended(uploadId, code)
    return
  }
  await clearObject(work, upload)
}

async function loadUpload(
  { storage, databaseUrl }: Workplace,
  upload: Upload,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  const { recordsRead, rejected, elapsedMs } = await load({
    ...upload.request!.options,
    source: sourceOf(upload, upload.objectKey!, storage, signal),
    table: upload.job!.targetTable,
    to: databaseUrl,
    jobId: upload.uploadId,
    signal,
    onNotice: (message) => log.debug(withoutPassword(message)),
  })
  log.info({ recordsRead, rejected, elapsedMs }, 'loaded')
}

/** Deletes the object of an upload that needs it no more. Where that fails the next sweep does it. */
export async function clearObject(
  { uploads, storage }: Workplace,
  { uploadId, objectKey, receiver }: Upload,
): Promise<void> {
  if (objectKey === null) return
  await deleteObject({ storage }, { objectKey, receiver })
  await uploads.released(uploadId)
}

/**
 * Deletes an object, what the stores of tus keep beside it, and multipart uploads of it: where the answer that one is begun gets lost,
 * it is begun once more, and the first one stays.
 */
export async function deleteObject(
  { storage }: Pick<Workplace, 'storage'>,
  { objectKey, receiver }: Pick<Upload, 'objectKey' | 'receiver'>,
): Promise<void> {
  if (objectKey === null) return
  await storage.delete(objectKey)
  await storage.sweep(objectKey, LAST_MOMENT)
  if (receiver === null) for (const suffix of BESIDE) await storage.delete(`${objectKey}${suffix}`)
}

function sourceOf(upload: Upload, key: string, storage: ObjectStorage, signal: AbortSignal): ByteSource {
  return {
    name: sourceName(upload.uploadId, upload.fileName),
    size: upload.bytes,
    fingerprint: { size: upload.bytes, sha256: upload.sha256 },
    read: (fromByte) => storage.read(key, fromByte, signal),
    boundaries: isAnnounced(upload.job!)
      ? (upload.job!.settings as { boundaries?: Boundaries | null }).boundaries
      : null,
  }
}

/** The job that has loaded the same content into the same table, or that one is about to. */
async function twinOf(
  uploads: Uploads,
  { uploadId, request, job, sha256 }: Upload,
): Promise<Pick<Job, 'jobId'> | 'under way' | undefined> {
  // What was begun goes on; `replace` is asked for because of what the table holds, and not of what it ever held.
  if (sha256 === null || !isAnnounced(job!) || request!.force || request!.options.mode === 'replace') return undefined
  // In this order: what is under way no more when it is looked for is complete when that is.
  if (await uploads.hasTwinUnderWay(uploadId, job!.targetTable, sha256)) return 'under way'
  const completed = await uploads.jobs.findCompleted(job!.targetTable, { sha256 })
  return completed.find((one) => !isAnnounced(one) && isWhole(one))
}

function isWhole({ settings }: Job): boolean {
  return (settings as { asked: { limit?: number } }).asked.limit === undefined
}
