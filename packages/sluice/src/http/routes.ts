import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import { isJobId } from '@sluice/engine'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { JobService } from '../jobs/service.ts'
import type { Upload } from '../jobs/upload.ts'
import type { ServiceConfig } from '../service-config.ts'
import { Problem } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The upload that the request is about, once that is known. */
    uploadId?: string
  }
}

/** The server as the files of routes see it. */
export type App = FastifyInstance<Server, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider>

export interface Context {
  config: ServiceConfig
  service: JobService
  /** Aborted when the server closes. */
  closing: AbortSignal
}

/** Whose uploads the client may see: its own; without keys, all. */
export function viewerOf(request: FastifyRequest): string | null {
  return request.apiKey?.id ?? null
}

/** @throws Problem 404, also for an upload of another key: that it exists is nobody else's business */
export async function readUpload(service: JobService, request: FastifyRequest, uploadId: string): Promise<Upload> {
  const isId = isJobId(uploadId)
  const upload = isId ? await service.read(uploadId.toLowerCase(), viewerOf(request)) : undefined
  if (!upload) throw new Problem(404, `There is no upload ${uploadId}`)
  noteUpload(request, upload.uploadId)
  return upload
}

/** Every line of the log about this request names its upload. */
export function noteUpload(request: FastifyRequest, uploadId: string): void {
  request.uploadId = uploadId
  request.log = request.log.child({ uploadId })
}

/** Aborted when the client goes away before it has its answer, and when the server closes. */
export function signalOf(reply: FastifyReply, { closing }: Context): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort()
  })
  return AbortSignal.any([gone.signal, closing])
}
