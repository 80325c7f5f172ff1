import { Type } from 'typebox'
import type { JobService } from '../jobs/service.ts'
import type { Upload } from '../jobs/upload.ts'
import { type App, type Context, readUpload, viewerOf } from './routes.ts'
import { problems, State, Status, StatusList, UploadParams } from './schemas.ts'
import { toReceipt } from './uploads.ts'

const ListQuery = Type.Object(
  {
    status: Type.Optional(State),
    table: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
    after: Type.Optional(Type.String({ description: '`next` of the page before' })),
  },
  { additionalProperties: false },
)

export function statusRoutes(app: App, { service }: Context): void {
  app.get(
    '/upload/:uploadId/status',
    {
      schema: {
        summary: 'How far an upload is',
        tags: ['uploads'],
        params: UploadParams,
        response: { 200: Status, ...problems(404, 503) },
      },
    },
    async (request) => statusOf(service, await readUpload(service, request, request.params.uploadId), true),
  )

  app.get(
    '/uploads',
    {
      schema: {
        summary: 'The uploads, newest first',
        tags: ['uploads'],
        querystring: ListQuery,
        response: { 200: StatusList, ...problems(503) },
      },
    },
    async (request) => {
      const { uploads, next } = await service.list({ viewer: viewerOf(request), ...request.query })
      return { uploads: await Promise.all(uploads.map((upload) => statusOf(service, upload, false))), next }
    },
  )

  app.post(
    '/upload/:uploadId/retry',
    {
      schema: {
        summary: 'Load the stored file again, from where it stopped',
        tags: ['uploads'],
        params: UploadParams,
        response: { 202: Status, ...problems(404, 409, 503) },
      },
    },
    async (request, reply) => {
      const { uploadId } = await readUpload(service, request, request.params.uploadId)
      const upload = await service.retry(uploadId, viewerOf(request))
      return reply
        .code(202)
        .header('location', `/upload/${uploadId}/status`)
        .send(await statusOf(service, upload, false))
    },
  )

  app.post(
    '/upload/:uploadId/cancel',
    {
      schema: {
        summary: 'Stop an upload at its next batch',
        tags: ['uploads'],
        params: UploadParams,
        response: { 202: Status, ...problems(404, 409, 503) },
      },
    },
    async (request, reply) => {
      const { uploadId } = await readUpload(service, request, request.params.uploadId)
      return reply.code(202).send(await statusOf(service, await service.cancel(uploadId, viewerOf(request)), false))
    },
  )
}

/** @param whole with the rejects by code, the receipt and the webhooks, where there are any: that may take looks of their own */
async function statusOf(service: JobService, upload: Upload, whole: boolean): Promise<Status> {
  const { job, state, request } = upload
  const bytesCommitted = job?.bytesCommitted ?? 0
  const bytesTotal = upload.bytes ?? job?.bytesTotal ?? null
  return {
    uploadId: upload.uploadId,
    status: state,
    mode: upload.mode,
    fileName: upload.fileName,
    table: job?.targetTable || request?.options.table || null,
    rowsProcessed: job?.recordsRead ?? 0,
    rowsFailed: job?.rejected ?? 0,
    ...(whole && job && { rejectsByCode: await service.rejectCounts(job) }),
    progress: state === 'completed' ? 1 : bytesTotal ? Math.min(1, bytesCommitted / bytesTotal) : 0,
    bytesCommitted,
    bytesTotal,
    ...(job?.error && { error: job.error }),
    createdAt: upload.createdAt,
    startedAt: job?.startedAt ?? null,
    completedAt: job?.completedAt ?? null,
    ...(upload.sameAs !== null && { sameAs: upload.sameAs }),
    ...(whole && request?.callbackUrl && { webhooks: await service.webhooks(upload.uploadId) }),
    ...(whole && state === 'completed' && { receipt: toReceipt(await service.receipt(upload)) }),
  }
}
