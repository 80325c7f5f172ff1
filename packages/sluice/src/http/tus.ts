import { randomUUID } from 'node:crypto'
import { SluiceError } from '@sluice/engine'
import { ERRORS, type Upload as Pieces, Server } from '@tus/server'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { objectKey } from '../jobs/sweep.ts'
import type { Upload } from '../jobs/upload.ts'
import { freeing } from '../spent-buffers.ts'
import { type Fields, nameOf, wholeBody } from './body.ts'
import { Problem } from './problem.ts'
import { type App, type Context, noteUpload, readUpload, signalOf, viewerOf } from './routes.ts'
import { problems, UploadParams } from './schemas.ts'
import { Settings, uploadRequest } from './settings.ts'
import { UploadLocks } from './tus-lock.ts'
import { settingsOf } from './uploads.ts'

const PATH = '/files'
/** The type of a piece (tus 1.0, "Core protocol", PATCH). */
const PIECE = 'application/offset+octet-stream'
/** What clients say of a file beside the settings: tus-js-client and Uppy send these. */
const OF_FILE = ['filename', 'name', 'filetype', 'type', 'relativePath']
/** Headers of requests and of answers, for pages of other origins. */
export const TUS_REQUEST_HEADERS = [
  'tus-resumable',
  'upload-length',
  'upload-defer-length',
  'upload-metadata',
  'upload-offset',
  'x-http-method-override',
]
export const TUS_ANSWER_HEADERS = [
  'tus-resumable',
  'tus-version',
  'tus-extension',
  'tus-max-size',
  'upload-offset',
  'upload-length',
  'upload-defer-length',
  'upload-expires',
]

/** What the library's hooks need of the request that they are called for. */
interface Call {
  uploadId: string
  create?: (pieces: Pieces) => Promise<void>
  /** What was wrong, as a hook, a store or the library said it. */
  error?: unknown
}

const VERSION = '1.0.0'
const Version = { 'tus-resumable': Type.Optional(Type.String({ description: `\`${VERSION}\`` })) }
const empty = (description: string) => ({ ...Type.Null(), description })

/**
 * Resumable uploads by tus 1.0 (https://tus.io/protocols/resumable-upload). The library speaks the protocol; whose an upload is, what
 * becomes of it and every error are as elsewhere. To be registered in a scope of its own: pieces are bodies here.
 */
export function tusRoutes(app: App, context: Context, done: () => void): void {
  const { config, service } = context
  const { resumable } = service
  const calls = new WeakMap<object, Call>()
  const tus = new Server({
    path: PATH,
    datastore: resumable.store,
    locker: new UploadLocks(resumable.claims),
    maxSize: config.maxUploadBytes,
    // Of other origins the server itself knows more.
    allowedOrigins: [],
    namingFunction: (request) => objectKey(calls.get(request)!.uploadId),
    getFileIdFromRequest: (request) => objectKey(calls.get(request)!.uploadId),
    generateUrl: (request) => `${PATH}/${calls.get(request)!.uploadId}`,
    onUploadCreate: async (request, pieces) => {
      await calls.get(request)!.create!(pieces)
      return {}
    },
    onUploadFinish: async (request) => {
      await resumable.adopt(calls.get(request)!.uploadId)
      return {}
    },
    onResponseError: (request, error) => {
      calls.get(request)!.error = error
      return undefined
    },
  })

  app.addContentTypeParser(PIECE, (_request, payload, parsed) => parsed(null, payload))
  app.addHook('onRequest', async ({ method, headers }, reply) => {
    reply.header('tus-resumable', VERSION)
    if (method !== 'OPTIONS' && headers['tus-resumable'] !== VERSION)
      throw new Problem(412, `The header Tus-Resumable must be ${VERSION}`, { headers: { 'tus-version': VERSION } })
  })

  app.options(
    PATH,
    {
      schema: {
        summary: 'What of tus is known',
        tags: ['uploads'],
        security: [],
        response: { 204: empty('In its headers'), ...problems() },
      },
      // What a page of another origin asks first has no key.
      config: { open: true, cors: { strictPreflight: false, preflightContinue: true } },
    },
    async (request, reply) => {
      await speak(request, reply, 'OPTIONS', { uploadId: '' })
      return sendEmpty(reply)
    },
  )

  app.post(
    PATH,
    {
      schema: {
        summary: 'Begin a resumable upload (tus 1.0)',
        tags: ['uploads'],
        headers: Type.Object({
          ...Version,
          'upload-length': Type.Optional(Type.String({ description: 'Bytes of the file' })),
          'upload-defer-length': Type.Optional(Type.String({ description: '`1`: told later' })),
          'upload-metadata': Type.Optional(
            Type.String({ description: 'The settings of the form, and `filename`; values in base64' }),
          ),
        }),
        response: { 201: empty('`Location` is where the pieces go'), ...problems(408, 409, 412, 413, 415, 422, 503) },
      },
    },
    async (request, reply) => {
      const uploadId = randomUUID()
      let begun = false
      const create = async (pieces: Pieces): Promise<void> => {
        if (pieces.size === 0) throw new SluiceError('SLUICE_SOURCE_EMPTY', 'The file is empty')
        const { fields, fileName } = told(pieces.metadata ?? {})
        const settings = settingsOf(request, {}, fields, 'Upload-Metadata')
        const asked = await uploadRequest(settings, fileName, request.apiKey, config)
        await resumable.begin({ uploadId, owner: viewerOf(request) }, asked)
        begun = true
        noteUpload(request, uploadId)
      }
      try {
        await speak(request, reply, 'POST', { uploadId, create })
        return sendEmpty(reply)
      } catch (error) {
        // The client does not know where it is.
        if (begun) await resumable.abandon(uploadId)
        throw error
      }
    },
  )

  const params = UploadParams
  app.head(
    `${PATH}/:uploadId`,
    {
      schema: {
        summary: 'How much of a resumable upload is there',
        tags: ['uploads'],
        params,
        headers: Type.Object(Version),
        response: { 200: empty('`Upload-Offset`'), ...problems(404, 410, 412, 423, 503) },
      },
      config: { swagger: { exposeHeadRoute: true } },
    },
    async (request, reply) => {
      await head(request.params.uploadId, request, reply)
      return sendEmpty(reply)
    },
  )
  app.patch(
    `${PATH}/:uploadId`,
    {
      schema: {
        summary: 'Send a piece of a resumable upload',
        tags: ['uploads'],
        params,
        headers: Type.Object({
          ...Version,
          'upload-offset': Type.Optional(Type.String({ description: 'Where the piece begins: the end of the last' })),
        }),
        response: {
          204: empty('`Upload-Offset` is where the next one begins; the last one starts the job'),
          ...problems(404, 408, 409, 410, 412, 413, 415, 423, 503),
        },
      },
    },
    async (request, reply) => {
      await patch(request.params.uploadId, request, reply)
      return sendEmpty(reply)
    },
  )
  app.delete(
    `${PATH}/:uploadId`,
    {
      schema: {
        summary: 'Give up a resumable upload that is not whole',
        tags: ['uploads'],
        params,
        headers: Type.Object(Version),
        response: { 204: empty('It is gone'), ...problems(404, 409, 410, 412, 423, 503) },
      },
    },
    async (request, reply) => {
      await terminate(request.params.uploadId, request, reply)
      return sendEmpty(reply)
    },
  )
  // For clients whose surroundings know only GET and POST (tus 1.0, "X-HTTP-Method-Override").
  app.post<{ Params: { uploadId: string } }>(`${PATH}/:uploadId`, async (request, reply) => {
    const meant = request.headers['x-http-method-override']
    const handle = { PATCH: patch, DELETE: terminate, HEAD: head }[String(meant)]
    if (!handle) throw new Problem(405, 'POST is not for this path', { headers: { allow: 'HEAD, PATCH, DELETE' } })
    await handle(request.params.uploadId, request, reply)
    return sendEmpty(reply)
  })
  done()

  async function head(id: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { uploadId, state, bytes } = await resumableOf(id, request)
    // Its pieces may be loaded and gone, but not so the client's question whether they came.
    if (state !== 'receiving') {
      reply.headers({ 'upload-offset': bytes!, 'upload-length': bytes! })
      return
    }
    await speak(request, reply, 'HEAD', { uploadId })
    if (reply.getHeader('upload-offset') === reply.getHeader('upload-length')) await resumable.adopt(uploadId)
  }

  async function patch(id: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { uploadId, state } = await resumableOf(id, request)
    if (state !== 'receiving') throw new Problem(409, 'The upload is whole; nothing can be added')
    await speak(request, reply, 'PATCH', { uploadId })
  }

  async function terminate(id: string, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { uploadId, state } = await resumableOf(id, request)
    if (state !== 'receiving') throw new Problem(409, 'The upload is whole; it can be cancelled')
    await speak(request, reply, 'DELETE', { uploadId })
    await resumable.abandon(uploadId)
  }

  /** @throws Problem 404, also where the upload came in another way */
  async function resumableOf(uploadId: string, request: FastifyRequest): Promise<Upload> {
    const upload = await readUpload(service, request, uploadId)
    if (upload.receiver !== null) throw new Problem(404, `There is no upload ${uploadId}`)
    return upload
  }

  /**
   * Lets the library answer. What comes of a body before it breaks off is stored, so the body ends there as far as the library is
   * concerned, and the client is told why.
   * @throws Problem and whatever the storage and the database throw
   */
  async function speak(request: FastifyRequest, reply: FastifyReply, method: string, call: Call): Promise<void> {
    const { raw, headers } = request
    const signal = signalOf(reply, context)
    let broken: unknown
    async function* untilBroken(): AsyncGenerator<Uint8Array, void, void> {
      try {
        yield* wholeBody(raw, config, signal)
      } catch (error) {
        broken = error
      }
    }
    const body = freeing(untilBroken())
    const asked = new Request(new URL(raw.url!, 'http://localhost'), {
      method,
      headers: Object.entries(headers).map(([name, value]): [string, string] => [name, String(value)]),
      ...(headers['content-type'] === PIECE && { body: ReadableStream.from(body), duplex: 'half' }),
    })
    calls.set(asked, call)
    const answer = await tus.handleWeb(asked)
    void body.return()
    if (call.error !== undefined) throw problemOf(call.error)
    if (answer.status >= 400) throw new Problem(answer.status, (await answer.text()).trim())
    if (broken !== undefined) throw broken
    for (const [name, value] of answer.headers) {
      if (/^(tus-|upload-|location$|cache-control$)/.test(name)) reply.header(name, value)
    }
    reply.code(answer.status)
  }
}

/** The settings and the name in Upload-Metadata. Where a setting may come several times, its value has a line for each. */
function told(metadata: Record<string, string | null>): { fields: Fields; fileName: string | null } {
  const fields: Fields = {}
  for (const [name, value] of Object.entries(metadata)) {
    if (OF_FILE.includes(name)) continue
    const { type } = (Settings.properties as Record<string, { type?: string }>)[name] ?? {}
    fields[name] = type === 'array' ? (value ?? '').split('\n') : (value ?? '')
  }
  return { fields, fileName: nameOf(metadata['filename'] ?? metadata['name'] ?? undefined) }
}

/** What the library calls an error is `{ status_code, body }`. */
function problemOf(error: unknown): unknown {
  if (error === ERRORS.ABORTED) return new Problem(423, 'Another request took over this upload')
  const { status_code, body } = error as { status_code?: number; body?: string }
  return status_code === undefined ? error : new Problem(status_code, (body ?? '').trim())
}

/** Answers with headers alone: `null`, as the schema has it, would become a body of JSON. */
function sendEmpty(reply: FastifyReply): FastifyReply {
  return reply.send()
}
