import { mkdir, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { leaseOwner, livesNoMore, SluiceError } from '@sluice/engine'
import { S3Store } from '@tus/s3-store'
import { type DataStore, ERRORS, type Upload } from '@tus/server'
import { clientOf, type S3Options } from './s3.ts'

/**
 * Parts that may lie in the folder for temporary files at once, of all requests together, each of 8 MiB or a ten-thousandth of the upload.
 * One that is slowly received takes one of them all the time, so there is room for more slow lines than anybody has.
 */
const PARTS_ON_DISK = 64
/** Folders of processes, each named by its process. */
const FOLDERS = 'sluice-pieces'

interface PiecesOptions extends S3Options {
  ttlSeconds: number
  /** Null: the system's folder for temporary files. */
  tmpFolder: string | null
}

/**
 * Pieces of resumable uploads as parts of a multipart upload of the object itself.
 * @throws SluiceError SLUICE_STORAGE when the folder for parts cannot be made
 */
export async function openS3Pieces(options: PiecesOptions): Promise<DataStore> {
  const place = join(options.tmpFolder ?? tmpdir(), FOLDERS)
  const own = join(place, encodeURIComponent(leaseOwner()))
  try {
    await mkdir(own, { recursive: true })
    for (const name of await readdir(place)) {
      if (livesNoMore(decodeURIComponent(name))) await rm(join(place, name), { recursive: true, force: true })
    }
  } catch (cause) {
    throw new SluiceError('SLUICE_STORAGE', `The folder ${place} cannot be made: ${(cause as Error).message}`, {
      cause,
    })
  }
  // The store asks the system where parts may lie, and the system asks these (`os.tmpdir`).
  Object.assign(process.env, { TMPDIR: own, TEMP: own })
  return new S3Pieces(options)
}

class S3Pieces extends S3Store {
  constructor({ largestBytes, ttlSeconds, ...place }: PiecesOptions) {
    super({
      s3ClientConfig: { bucket: place.bucket, ...clientOf(place) },
      expirationPeriodInMilliseconds: ttlSeconds * 1000,
      maxConcurrentPartUploads: PARTS_ON_DISK,
      useTags: false,
    })
    // The size of parts follows from it where the length of an upload is told late; for the 5 TiB of S3 they would be of 550 MB.
    if (largestBytes !== undefined) Object.assign(this, { maxUploadSize: largestBytes })
  }

  override create(upload: Upload): Promise<Upload> {
    return told(super.create(upload))
  }

  override write(body: Readable, key: string, offset: number): Promise<number> {
    return told(super.write(body, key, offset))
  }

  /** Tells an upload that is not there from a store that does not answer. */
  override async getUpload(key: string): Promise<Upload> {
    // Another server may have been told its length.
    await this.clearCache(key)
    await told(this.getMetadata(key))
    return told(super.getUpload(key))
  }

  /** One by one, as the request for many needs a checksum that most other stores do not know; and with what is smaller than a part. */
  override async remove(key: string): Promise<void> {
    const Bucket = this.bucket
    const { 'upload-id': UploadId } = await told(this.getMetadata(key))
    await told(this.client.abortMultipartUpload({ Bucket, Key: key, UploadId })).catch(refuseOthersThanMissing)
    for (const Key of [this.partKey(key, true), key, this.infoKey(key)])
      await told(this.client.deleteObject({ Bucket, Key }))
    await this.clearCache(key)
  }
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    const { name, message, status_code } = cause as Error & { status_code?: number }
    if (status_code !== undefined) throw cause
    if (['NotFound', 'NoSuchKey', 'NoSuchUpload'].includes(name)) throw ERRORS.FILE_NOT_FOUND
    throw new SluiceError('SLUICE_STORAGE', `The bucket of uploads failed: ${message || name}`, { cause })
  }
}

function refuseOthersThanMissing(error: unknown): void {
  if (error !== ERRORS.FILE_NOT_FOUND) throw error
}
