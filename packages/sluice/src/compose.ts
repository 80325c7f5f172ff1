/**
 * The only file that names a concrete storage or queue. Each is imported when it is chosen, so that nothing is loaded, and nothing
 * need be installed, that is not configured.
 */
import { openDatabase } from '@sluice/engine'
import type { DataStore } from '@tus/server'
import type { Logger } from 'pino'
import type { S3Place } from './config.ts'
import { patient } from './jobs/patient-database.ts'
import { JobService } from './jobs/service.ts'
import type { Queue } from './queue/queue.ts'
import type { ServiceConfig, StoragePlace } from './service-config.ts'
import type { ObjectStorage } from './storage/storage.ts'
import { AddressGuard } from './webhook/address-guard.ts'
import { Courier } from './webhook/courier.ts'

/** @throws SluiceError SLUICE_STORAGE */
async function openStorage(place: StoragePlace, largestBytes?: number): Promise<ObjectStorage> {
  if (place.kind === 'local') return (await import('./storage/local.ts')).openLocalStorage(place.folder)
  const { bucket, endpoint, region } = place
  const { openS3Storage } = await import('./storage/s3.ts')
  return openS3Storage({ bucket, endpoint, region, ...(largestBytes && { largestBytes }) })
}

/** Where the pieces of resumable uploads are kept: where their objects will be. @throws SluiceError SLUICE_STORAGE */
async function openPieces({ storage, maxUploadBytes, uploadTtlSeconds, tmpFolder }: ServiceConfig): Promise<DataStore> {
  if (storage.kind === 'local') {
    return (await import('./storage/pieces-local.ts')).openLocalPieces(storage.folder, uploadTtlSeconds)
  }
  const { openS3Pieces } = await import('./storage/pieces-s3.ts')
  const { bucket, endpoint, region } = storage
  return openS3Pieces({
    bucket,
    endpoint,
    region,
    largestBytes: maxUploadBytes,
    ttlSeconds: uploadTtlSeconds,
    tmpFolder,
  })
}

/** A bucket that objects are read from, wherever uploads are stored. */
export function openBucket(bucket: string, place: S3Place): Promise<ObjectStorage> {
  return openStorage({ kind: 's3', bucket, ...place })
}

/** What the HTTP server works with. */
export interface Service extends AsyncDisposable {
  jobs: JobService
}

/** In this process where no Redis is configured. @throws SluiceError SLUICE_CONFIG for a Redis that cannot be used */
async function openQueue(redisUrl: string | null, log: Logger): Promise<Queue> {
  if (redisUrl === null) return new (await import('./queue/in-process.ts')).InProcessQueue()
  return (await import('./queue/bullmq.ts')).BullMqQueue.open({ url: redisUrl, log })
}

/**
 * Opens the database, the storage and the queue and begins to work on what is unfinished.
 * @param loads whether this process loads what is staged. Default: when no other one can
 * @throws SluiceError SLUICE_CONNECT, SLUICE_DATABASE, SLUICE_STORAGE, SLUICE_CONFIG
 */
export async function startService(
  config: ServiceConfig,
  log: Logger,
  loads = config.redisUrl === null || config.serveLoads,
): Promise<Service> {
  await using opened = new AsyncDisposableStack()
  const { databaseUrl, statusTtlSeconds, uploadTtlSeconds, concurrency } = config
  const notice = (message: string) => log.warn(message)
  const database = opened.adopt(patient(await openDatabase(databaseUrl, { notice })), (one) => one.close())
  const storage = opened.adopt(await openStorage(config.storage, config.maxUploadBytes), (one) => one.close())
  const queue = opened.adopt(await openQueue(config.redisUrl, log), (one) => one.close())
  const pieces = await openPieces(config)
  const guard = new AddressGuard(config.webhookAllow)
  const courier = new Courier({ database, guard, secrets: config.webhookSecrets, log })
  const jobs = new JobService({
    database,
    databaseUrl,
    storage,
    queue,
    courier,
    pieces,
    log,
    statusTtlSeconds,
    uploadTtlSeconds,
    concurrency: loads ? concurrency : 0,
  })
  opened.adopt(jobs, (one) => one.stop())
  await jobs.start()
  log.info({ database: database.label, storage: storage.label }, 'ready to load')
  const kept = opened.move()
  return { jobs, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
