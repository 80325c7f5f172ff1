import { leaseOwner, livesNoMore } from '@sluice/engine'
import type { ObjectStorage } from '../storage/storage.ts'
import { BESIDE, clearObject, deleteObject, type Workplace } from './run-job.ts'
import type { Upload } from './upload.ts'

/** Where the objects of uploads are. */
const PREFIX = 'uploads/'
/** A body of the largest size over a slow line: what another machine began to receive longer ago is dead. */
const RECEIVING_MS = 24 * 3_600_000

export function objectKey(uploadId: string): string {
  return `${PREFIX}${uploadId}`
}

/**
 * Ends what was left in the middle, and clears away what nobody needs: bodies that their process did not live to receive, or broke off
 * when nothing could be cleared away; objects that are loaded, uploads whose time is over.
 * @param isReceiving whether this process is storing the body of an upload
 */
export async function sweepUploads(work: Workplace, isReceiving: (uploadId: string) => boolean): Promise<void> {
  for (const upload of await work.uploads.leftovers()) {
    const { uploadId, mode, state, expired } = upload
    if (state === 'completed' && !expired) await clearObject(work, upload)
    else if (expired) await forget(work, upload)
    else if (!isAlive(upload)) {
      if (state === 'receiving') await forget(work, upload)
      else if (mode === 'direct') {
        const what = 'The server ended while it received this upload; send the same again with this uploadId to go on'
        if (await work.uploads.jobs.refuse(uploadId, what)) work.log.warn({ uploadId }, 'a direct upload was cut off')
      }
    } else if (state === 'receiving' && mode === 'staged' && upload.receiver === leaseOwner()) {
      // It may have become whole since it was looked for.
      if (!isReceiving(uploadId) && (await work.uploads.read(uploadId))?.state === 'receiving')
        await forget(work, upload)
    }
  }
}

/**
 * Clears away objects that no upload knows, such as those of a database that is gone, and parts of them. Only long after every
 * upload of such an age is over, for other services may use the same bucket.
 */
export async function sweepStorage(
  { uploads, storage, log }: Workplace,
  { statusTtlSeconds, uploadTtlSeconds }: { statusTtlSeconds: number; uploadTtlSeconds: number },
): Promise<void> {
  await storage.sweep(PREFIX, new Date(Date.now() - RECEIVING_MS - uploadTtlSeconds * 1000))
  const before = Date.now() - Math.max(statusTtlSeconds, uploadTtlSeconds) * 1000 - RECEIVING_MS
  for await (const page of pagesOf(storage, before)) {
    for (const uploadId of await uploads.unknown(page)) {
      for (const suffix of ['', '.part', ...BESIDE]) await storage.delete(`${objectKey(uploadId)}${suffix}`)
      log.info({ uploadId }, 'an object without an upload was deleted')
    }
  }
}

async function forget({ uploads, storage }: Workplace, upload: Upload): Promise<void> {
  // The object first: as long as there is a row it is found again.
  await deleteObject({ storage }, upload)
  await uploads.remove(upload.uploadId)
}

function isAlive({ receiver, createdAt }: Upload): boolean {
  if (receiver === null) return true
  if (receiver === leaseOwner()) return true
  return !livesNoMore(receiver) && Date.parse(createdAt) > Date.now() - RECEIVING_MS
}

async function* pagesOf(storage: ObjectStorage, before: number): AsyncGenerator<string[], void, void> {
  let page: string[] = []
  for await (const { key, modified } of storage.list(PREFIX)) {
    const [, uploadId] =
      /^uploads\/([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?:\.part|\.info|\.json)?$/.exec(key) ?? []
    if (uploadId === undefined || modified.getTime() > before) continue
    page.push(uploadId)
    if (page.length < 500) continue
    yield page
    page = []
  }
  yield page
}
