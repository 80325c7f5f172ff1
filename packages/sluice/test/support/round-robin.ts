import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** A load balancer: each request, also of one connection, goes to the next server, and each WebSocket. */
export class RoundRobin {
  readonly url: string
  /** What each server was asked, as `PATCH /files`, in the order of the servers. */
  readonly asked: string[][]
  readonly #server: Server
  readonly #targets: URL[]
  readonly #sockets = new Set<Socket>()
  #turn = 0

  static async start(targets: string[]): Promise<RoundRobin> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new RoundRobin(targets, server)
  }

  constructor(targets: string[], server: Server) {
    this.#targets = targets.map((url) => new URL(url))
    this.asked = targets.map(() => [])
    this.#server = server
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('request', (incoming, answer) => {
      const { hostname, port } = this.#next(incoming)
      const { method, url, headers } = incoming
      const outgoing = request({ hostname, port, method, path: url, headers }, (response) => {
        answer.writeHead(response.statusCode!, response.headers)
        response.pipe(answer)
        response.on('error', () => answer.destroy())
      })
      outgoing.on('error', () => answer.destroy())
      incoming.on('error', () => outgoing.destroy())
      incoming.pipe(outgoing)
    })
    server.on('upgrade', (incoming, client: Socket, head) => {
      const { hostname, port } = this.#next(incoming)
      const server = connect(Number(port), hostname)
      const lines = [`${incoming.method} ${incoming.url} HTTP/1.1`]
      for (let i = 0; i < incoming.rawHeaders.length; i += 2)
        lines.push(`${incoming.rawHeaders[i]}: ${incoming.rawHeaders[i + 1]}`)
      server.write(`${lines.join('\r\n')}\r\n\r\n`)
      server.write(head)
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(from)
        from.on('error', () => undefined)
        from.on('close', () => [this.#sockets.delete(from), to.destroy()])
        from.pipe(to)
      }
    })
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #next({ method, url = '' }: IncomingMessage): URL {
    const turn = this.#turn++ % this.#targets.length
    this.asked[turn]!.push(`${method} /${url.split(/[/?]/)[1]}`)
    return this.#targets[turn]!
  }
}
