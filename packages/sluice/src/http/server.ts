import { randomUUID } from 'node:crypto'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import cors from '@fastify/cors'
import rateLimit from '@fastify/rate-limit'
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import fastify, { type FastifyError, type FastifyReply, type FastifyRequest, LogController } from 'fastify'
import { withoutPassword } from '../config.ts'
import { serveLive } from '../live/live.ts'
import { createRegistry } from '../telemetry/metrics.ts'
import { guard } from './auth.ts'
import { wholeBody } from './body.ts'
import { checkRoutes } from './check.ts'
import { docsRoutes } from './docs.ts'
import { countRequests } from './metrics.ts'
import { describeRoutes } from './openapi.ts'
import { operationRoutes } from './operations.ts'
import { pageRoutes } from './page.ts'
import { answerTo, Problem, sentenceOf } from './problem.ts'
import { profileRoutes } from './profiles.ts'
import { rejectRoutes, replayRoutes } from './rejects.ts'
import type { App, Context } from './routes.ts'
import { statusRoutes } from './status.ts'
import { TUS_ANSWER_HEADERS, TUS_REQUEST_HEADERS, tusRoutes } from './tus.ts'
import { uploadRoutes } from './uploads.ts'

/** A head that is not whole by then is given up; the default of a minute is long for who opens thousands of them. */
const HEAD_TIMEOUT_MS = 15_000
/** Bytes of a head. */
const HEAD_BYTES = 16 * 1024
/** How long clients may take to read their last answer when the server closes. */
const CLOSE_WITHIN_MS = 10_000
/** How long a client that was refused may go on to send, so that it finds the time to read why. */
const LINGER_MS = 2_000

/**
 * The HTTP server, ready to listen. Closing it ends what comes in and what waits, each with an answer; loads are the service's.
 * @throws what Fastify throws for routes that cannot be made
 */
export async function createServer({ config, service }: Omit<Context, 'closing'>): Promise<App> {
  const closing = new AbortController()
  const context: Context = { config, service, closing: closing.signal }
  const app: App = fastify({
    logger: {
      level: config.logLevel,
      // Addresses and queries may hold what is a secret; so of a request only its route is told, by the line below.
      serializers: { err: errorForLog, req: ({ method }: { method: string }) => ({ method }) },
    },
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    // What is not in a schema is refused, not taken away in silence.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: 'array', allErrors: false } },
    http: {
      maxHeaderSize: HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      // Refused by guard(), with a document.
      requireHostHeader: false,
      // Only Socket.io speaks another protocol. Java's client and `curl --http2` ask for h2c each time, and take a plain answer instead.
      shouldUpgradeCallback: ({ url, headers }) =>
        url!.startsWith('/socket.io/') && /^websocket$/i.test(headers.upgrade!),
    },
    forceCloseConnections: 'idle',
    schemaErrorFormatter: ([error], part) => new Problem(400, `${part}: ${sentenceOf(error)}`),
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply),
    clientErrorHandler: refuseConnection,
  }).withTypeProvider<TypeBoxTypeProvider>()

  app.setErrorHandler<FastifyError>((error, request, reply) => sendProblem(error, request, reply))
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers({
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
    })
  })
  app.addHook('preClose', async () => {
    closing.abort()
    setTimeout(() => app.server.closeAllConnections(), CLOSE_WITHIN_MS).unref()
  })
  const registry = createRegistry(service)
  countRequests(app, registry)
  logRequests(app)
  endRefused(app)
  if (config.corsOrigins.length > 0) {
    await app.register(cors, {
      origin: config.corsOrigins,
      methods: ['GET', 'POST', 'HEAD', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type', 'content-encoding', 'idempotency-key', ...TUS_REQUEST_HEADERS],
      exposedHeaders: ['location', 'retry-after', ...TUS_ANSWER_HEADERS],
    })
  }
  guard(app, config)
  await app.register(rateLimit, {
    max: config.rateLimit,
    timeWindow: 60_000,
    keyGenerator: ({ apiKey, ip }) => apiKey?.id ?? ip,
    errorResponseBuilder: (_request, { ttl }) =>
      new Problem(429, `More than ${config.rateLimit} requests in a minute; try again in ${Math.ceil(ttl / 1000)} s`),
  })
  ignoreBodies(app, context)
  await describeRoutes(app)
  const methodsOf = allowedMethods(app)
  app.register(uploadRoutes, context)
  app.register(replayRoutes, context)
  app.register(tusRoutes, context)
  app.register(checkRoutes, context)
  statusRoutes(app, context)
  rejectRoutes(app, context)
  profileRoutes(app, context)
  operationRoutes(app, context, registry)
  docsRoutes(app)
  pageRoutes(app)
  serveLive(app, { config, service })
  app.setNotFoundHandler((request, reply) => {
    const allowed = methodsOf(request.url)
    const error =
      allowed.length === 0
        ? new Problem(404, 'There is nothing here; /docs lists what is')
        : new Problem(405, `${request.method} is not for this path`, { headers: { allow: allowed.join(', ') } })
    return sendProblem(error, request, reply)
  })
  return app
}

function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, document } = answerTo(error, request.id)
  // A client that went away is its own doing, and nobody's alarm.
  if (reply.raw.destroyed)
    request.log.info({ reason: withoutPassword((error as Error).message) }, 'the client went away')
  else if (status >= 500) request.log.error({ err: error }, 'failed')
  return reply.code(status).headers(headers).type('application/problem+json').send(document)
}

/** One line a request, with the route instead of the URL, and the upload that it was about. */
function logRequests(app: App): void {
  app.addHook('onResponse', async (request, reply) => {
    const { method, routeOptions, apiKey, log } = request
    const { statusCode: status, elapsedTime } = reply
    log.info({ method, route: routeOptions.url, status, ms: Math.round(elapsedTime), key: apiKey?.id }, 'answered')
  })
}

/** Messages of the surroundings and stacks, no values: those of the engine's own errors name none of the data. */
function errorForLog(error: Error & { code?: string }) {
  const { name, code, stack = '' } = error
  const message = withoutPassword(error.message)
  return { type: name, message, code, stack: withoutPassword(stack) }
}

/**
 * Takes in the rest of a body whose answer is out already. Who was refused gets a moment to notice; a connection that was cut
 * off at once would be reset, and the answer lost with it.
 */
function endRefused(app: App): void {
  app.addHook('onResponse', async ({ raw }, reply) => {
    if (raw.complete || raw.destroyed) return
    raw.unpipe()
    raw.resume()
    if (reply.statusCode < 400) return
    const timer = setTimeout(() => raw.socket.destroy(), LINGER_MS)
    raw.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer))
  })
}

/** What is no HTTP: garbage, too long a head, a head that does not come to its end. */
function refuseConnection(error: NodeJS.ErrnoException, socket: Socket): void {
  const statuses: Record<string, number> = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }
  const status = statuses[error.code ?? ''] ?? 400
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const { document } = answerTo(new Problem(status, 'This is no HTTP request that can be read'), randomUUID())
  const body = JSON.stringify(document)
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroy(),
  )
}

/** Calls that take no file take nothing at all; what clients send along, as an empty JSON document, does no harm. */
function ignoreBodies(app: App, { config, closing }: Context): void {
  const limits = { ...config, maxUploadBytes: HEAD_BYTES }
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', async (_request: FastifyRequest, payload: IncomingMessage) => {
    for await (const _ of wholeBody(payload, limits, closing));
  })
}

/** Which methods a path has, for telling 405 from 404. */
function allowedMethods(app: App): (url: string) => string[] {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`)
    routes.push({ pattern, methods: [method].flat() })
  })
  return (url) => {
    const path = url.replace(/\?.*$/s, '')
    return [...new Set(routes.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods))]
  }
}
