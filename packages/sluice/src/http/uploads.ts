import { createHash } from 'node:crypto'
import type { Receipt as JobReceipt } from '@sluice/engine'
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Upload, UploadRequest, UploadStart } from '../jobs/upload.ts'
import { acceptFiles, FILE_TYPES, type Fields, type Incoming, receive } from './body.ts'
import { Problem, sentenceOf, statusOf } from './problem.ts'
import { type App, type Context, noteUpload, signalOf, viewerOf } from './routes.ts'
import { Accepted, problems, Receipt, UploadId } from './schemas.ts'
import { Settings, uploadRequest } from './settings.ts'

const Query = Type.Object(
  {
    mode: Type.Optional(
      Type.Unsafe<'staged' | 'direct'>({
        type: 'string',
        enum: ['staged', 'direct'],
        description: '`staged` (default): stored, loaded later. `direct`: loaded as it comes',
      }),
    ),
    wait: Type.Optional(Type.Boolean({ description: 'Staged: answer when every row is in' })),
    uploadId: Type.Optional(UploadId),
    ...Settings.properties,
  },
  { additionalProperties: false },
)

const Headers = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: '^[\\u0021-\\u007e]+$',
      description: 'The same upload sent again is answered as the first time, and not loaded again',
    }),
  ),
})

/** What of an upload comes in its body; `file` is last where the mode is `direct`. */
const Form = Type.Object({
  ...Settings.properties,
  file: Type.Unsafe<unknown>({
    type: 'string',
    format: 'binary',
    description: 'CSV, NDJSON or JSON; gzip and zstd as they are',
  }),
})

/** To be registered in a scope of its own: files are bodies here. */
export function uploadRoutes(app: App, context: Context, done: () => void): void {
  const { config, service } = context
  acceptFiles(app)
  app.post(
    '/upload',
    {
      schema: {
        summary: 'Upload a file and load it into a table',
        tags: ['uploads'],
        querystring: Query,
        headers: Headers,
        response: {
          200: { ...Receipt, description: 'Every row is in: `mode=direct`, or `wait=true`' },
          202: { ...Accepted, description: 'The file is stored; loading goes on in the background' },
          ...problems(408, 409, 413, 415, 422, 503),
        },
      },
      config: { form: Form, files: FILE_TYPES },
    },
    async (request, reply) => {
      const { mode = 'staged', wait, uploadId, ...given } = request.query
      const signal = signalOf(reply, context)
      const incoming = await receive(request, config, signal)
      const start = startOf(request, incoming, uploadId?.toLowerCase())
      const decide = (fields: Fields): Promise<UploadRequest> =>
        uploadRequest(settingsOf(request, given, fields), incoming.fileName, request.apiKey, config)

      if (mode === 'direct') {
        const asked = await decide(incoming.fields)
        const { receipt } = await service.bodies.direct(start, asked, endingWithFile(incoming), { signal })
        noteUpload(request, receipt.jobId)
        return reply.send(toReceipt(receipt))
      }
      // What is decided already is refused before the file is sent; fields behind it may decide the rest.
      const known = { ...given, ...incoming.fields }
      if ('table' in known || 'profile' in known) await decide(incoming.fields)
      const { upload } = await service.bodies.stage(
        start,
        incoming.file,
        async () => decide(joined(incoming.fields, await incoming.rest())),
        signal,
      )
      noteUpload(request, upload.uploadId)
      if (wait) {
        const settled = await service.settled(upload.uploadId, signal)
        return reply.send(toReceipt(await receiptOf(settled)))
      }
      const status = upload.state === 'receiving' ? 'uploaded' : upload.state
      return reply
        .code(202)
        .header('location', `/upload/${upload.uploadId}/status`)
        .send({ uploadId: upload.uploadId, status })
    },
  )

  async function receiptOf(upload: Upload): Promise<JobReceipt> {
    if (upload.state === 'completed') return service.receipt(upload)
    const why = upload.job?.error ?? `The upload was ${upload.state}`
    const { uploadId, errorCode } = upload
    throw new Problem(errorCode === null ? 422 : statusOf(errorCode), why, { uploadId })
  }
  done()
}

export function toReceipt(receipt: JobReceipt): Receipt {
  return { uploadId: receipt.jobId, ...receipt }
}

function startOf(request: FastifyRequest, incoming: Incoming, uploadId: string | undefined): UploadStart {
  const key = request.headers['idempotency-key'] as string | undefined
  return {
    uploadId,
    owner: viewerOf(request),
    mostBytes: incoming.mostBytes,
    idempotency: key === undefined ? undefined : { key, requestHash: hashOf(request, incoming) },
  }
}

/** Of a request as far as it is known before its file; the length of the whole stands for the rest of it. */
function hashOf({ headers, query }: FastifyRequest, { fields, fileName }: Incoming): string {
  const type = headers['content-type']?.replace(/;.*$/s, '')
  const sorted = (one: object) => Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))
  const known = [type, headers['content-length'], sorted(query as object), sorted(fields), fileName]
  return createHash('sha256').update(JSON.stringify(known)).digest('hex')
}

/** Fields of the form and parameters of the URL, checked by the same schema. */
export function settingsOf(request: FastifyRequest, given: Settings, fields: Fields, where = 'form'): Settings {
  const twice = Object.keys(fields).find((name) => name in given)
  if (twice !== undefined) throw new Problem(400, `"${twice}" is given both in the URL and in the form`)
  const read = structuredClone(fields)
  const validate = request.compileValidationSchema(Settings)
  if (!validate(read)) {
    throw new Problem(400, `${where}: ${sentenceOf(validate.errors?.[0])}`)
  }
  return { ...given, ...(read as Settings) }
}

function joined(before: Fields, behind: Fields): Fields {
  const twice = Object.keys(behind).find((name) => name in before)
  if (twice !== undefined) throw new Problem(400, `"${twice}" stands both before and behind the file`)
  return { ...before, ...behind }
}

/** What comes behind the file of a direct upload comes too late: its rows are in the table. */
async function* endingWithFile({ file, rest }: Incoming): AsyncGenerator<Uint8Array> {
  yield* file
  const [late] = Object.keys(await rest())
  if (late !== undefined) {
    throw new Problem(400, `"${late}" stands behind the file; with mode=direct the fields of a form come before it`)
  }
}
