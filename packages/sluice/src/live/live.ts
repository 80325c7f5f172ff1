import { randomUUID } from 'node:crypto'
import { isJobId } from '@sluice/engine'
import { Server, type Socket } from 'socket.io'
import { keyOf, refuseForeignPages } from '../http/auth.ts'
import { answerTo, Problem } from '../http/problem.ts'
import type { App, Context } from '../http/routes.ts'
import type { Viewer } from '../jobs/service.ts'
import { tellProblem, Watcher } from './watcher.ts'

/** Sockets of one server; each takes some 30 KB. */
const MOST_SOCKETS = 2_000
/** Uploads that one socket watches. */
const MOST_UPLOADS = 100
/** Events that a socket may send in ten seconds: all its uploads again behind a broken connection, twice. */
const MOST_EVENTS = 200
const EVENTS_MS = 10_000
/** Longest message of a client, in bytes; a subscription has some 60. */
const MESSAGE_BYTES = 4_096
/** A client that is silent for so long, in ms, is gone. */
const PING_MS = 10_000

/**
 * Live progress by Socket.io, on the port of the HTTP server and with its keys. What may be sent to it is in docs/reference/http.md.
 */
export function serveLive(app: App, { config, service }: Omit<Context, 'closing'>): void {
  const io: Server = new Server(app.server, {
    serveClient: false,
    maxHttpBufferSize: MESSAGE_BYTES,
    pingInterval: PING_MS,
    pingTimeout: PING_MS,
    connectTimeout: PING_MS,
    ...(config.corsOrigins.length > 0 && { cors: { origin: config.corsOrigins } }),
    allowRequest: (request, answer) => {
      try {
        refuseForeignPages(request, config)
        if (io.engine.clientsCount >= MOST_SOCKETS) throw new Problem(503, 'The server has too many sockets')
        answer(null, true)
      } catch (error) {
        answer((error as Error).message, false)
      }
    },
  })
  // Closed by the client's library as a broken connection, so that it comes again to the next server.
  app.addHook('preClose', async () => void io.engine.close())

  const watcher = new Watcher(io, service, app.log)
  const viewers = new WeakMap<Socket, Viewer>()
  io.use((socket, next) => {
    try {
      viewers.set(socket, config.apiKeys.length === 0 ? null : keyOf(authorizationOf(socket), config.apiKeys).id)
      next()
    } catch (error) {
      next(Object.assign(error as Error, { data: answerTo(error, randomUUID()).document }))
    }
  })
  io.on('connection', (socket) => {
    const viewer = viewers.get(socket)!
    limitEvents(socket)
    socket.on('subscribe', (uploadId: unknown) => {
      if (typeof uploadId !== 'string' || !isJobId(uploadId)) {
        tellProblem(socket, new Problem(400, 'subscribe takes an uploadId, a UUID'))
      } else if (socket.rooms.size > MOST_UPLOADS) {
        tellProblem(socket, new Problem(429, `A socket watches ${MOST_UPLOADS} uploads at most; unsubscribe from some`))
      } else watcher.subscribe(socket, viewer, uploadId.toLowerCase())
    })
    socket.on('unsubscribe', (uploadId: unknown) => {
      if (typeof uploadId === 'string') watcher.unsubscribe(socket, viewer, uploadId.toLowerCase())
    })
  })
}

/** Browsers cannot set headers of a WebSocket, so the key comes in the first message. */
function authorizationOf({ handshake }: Socket): string | undefined {
  const token: unknown = handshake.auth['token']
  return typeof token === 'string' ? `Bearer ${token}` : handshake.headers.authorization
}

function limitEvents(socket: Socket): void {
  let since = 0
  let events = 0
  socket.use((_event, next) => {
    const now = performance.now()
    if (now - since > EVENTS_MS) [since, events] = [now, 0]
    if (++events > MOST_EVENTS) socket.disconnect(true)
    else next()
  })
}
