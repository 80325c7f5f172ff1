import { Readable } from 'node:stream'
import { rejectsCsv } from '@sluice/engine'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import type { Upload } from '../jobs/upload.ts'
import { rejectJson, rejectLines } from '../reject-json.ts'
import { acceptFiles, FILE_TYPES, receive } from './body.ts'
import { Problem } from './problem.ts'
import { type App, type Context, readUpload, signalOf } from './routes.ts'
import { problems, RejectPage, ReplayReceipt, UploadParams } from './schemas.ts'

const PageQuery = Type.Object(
  {
    after: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: '`next` of the page before' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 256, default: 100 })),
  },
  { additionalProperties: false },
)

const Corrections = Type.Object({
  file: Type.Unsafe<unknown>({ type: 'string', format: 'binary', description: 'Rejects, corrected: CSV or NDJSON' }),
})

export function rejectRoutes(app: App, { service }: Context): void {
  app.get(
    '/upload/:uploadId/rejects',
    {
      schema: {
        summary: 'The records that were not loaded, with the reasons',
        tags: ['rejects'],
        params: UploadParams,
        querystring: PageQuery,
        response: { 200: RejectPage, ...problems(404, 503) },
      },
    },
    async (request) => {
      const { uploadId, job } = await readUpload(service, request, request.params.uploadId)
      const { after = 0, limit = 100 } = request.query
      const rejects = await service.rejects(uploadId, { after, limit })
      const next = rejects.length < limit ? null : rejects.at(-1)!.record
      return { rejects: rejects.map((reject) => rejectJson(job, reject)), next }
    },
  )

  const downloads = {
    csv: { type: 'text/csv; charset=utf-8; header=present', summary: 'as CSV, safe to open in a spreadsheet' },
    ndjson: { type: 'application/x-ndjson; charset=utf-8', summary: 'as NDJSON, without loss' },
  }
  for (const form of ['csv', 'ndjson'] as const) {
    const { type, summary } = downloads[form]
    const file = { description: 'The rejects that are still open', content: { [type]: { schema: Type.String() } } }
    app.get(
      `/upload/:uploadId/rejects.${form}`,
      {
        schema: {
          summary: `The rejects that are still open, ${summary}`,
          tags: ['rejects'],
          params: UploadParams,
          response: { 200: file, ...problems(404, 409, 503) },
        },
      },
      async (request, reply) => {
        const { uploadId } = request.params as { uploadId: string }
        const upload = await readUpload(service, request, uploadId)
        const lines = form === 'csv' ? csvOf(upload) : rejectLines(upload.job, service.allRejects(upload.uploadId))
        return download(reply, type, `rejects-${upload.uploadId}.${form}`, lines)
      },
    )
  }

  function csvOf({ uploadId, job }: Upload): AsyncIterable<Uint8Array> {
    if (job === null)
      throw new Problem(409, 'Nothing of this upload has been read yet, so it has no rejects', { uploadId })
    return rejectsCsv(job, service.allRejects(uploadId))
  }
}

/** To be registered in a scope of its own: files are bodies here. */
export function replayRoutes(app: App, context: Context, done: () => void): void {
  const { config, service } = context
  acceptFiles(app)
  app.post(
    '/upload/:uploadId/replay',
    {
      schema: {
        summary: 'Load corrected rejects',
        tags: ['rejects'],
        params: UploadParams,
        response: { 200: ReplayReceipt, ...problems(404, 408, 409, 413, 415, 422, 503) },
      },
      config: { form: Corrections, files: FILE_TYPES },
    },
    async (request, reply) => {
      const { uploadId } = await readUpload(service, request, request.params.uploadId)
      const signal = signalOf(reply, context)
      const { file } = await receive(request, config, signal)
      const receipt = await service.replay(uploadId, file, signal)
      return { uploadId: receipt.jobId, ...receipt }
    },
  )
  done()
}

function download(
  reply: FastifyReply,
  type: string,
  name: string,
  lines: AsyncIterable<Uint8Array | string>,
): FastifyReply {
  return reply
    .header('content-type', type)
    .header('content-disposition', `attachment; filename="${name}"`)
    .send(Readable.from(lines, { objectMode: false }))
}
