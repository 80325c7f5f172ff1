import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** A TCP proxy that cuts connections, as networks do. */
export class CuttingProxy {
  /** Cuts the next connections, each after so many bytes of the server; then lets the others be. */
  cutAfter: number[] = []
  /** The same, after so many bytes of the client. */
  cutAfterSent: number[] = []
  /** Bytes of clients that were passed on. */
  sent = 0
  cuts = 0
  /** Where connections go to; another one may have taken its place. */
  target: URL
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async start(url: string): Promise<CuttingProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new CuttingProxy(new URL(url), server)
  }

  constructor(target: URL, server: Server) {
    this.#server = server
    this.target = target
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    server.on('connection', (client) => this.#serve(client, connect(Number(this.target.port), this.target.hostname)))
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #serve(client: Socket, server: Socket): void {
    let passed = 0
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    let sent = 0
    client.on('data', (bytes) => {
      sent += bytes.length
      this.sent += bytes.length
      const [limit] = this.cutAfterSent
      if (limit !== undefined && sent >= limit) {
        this.cutAfterSent.shift()
        this.cuts++
        client.resetAndDestroy()
        return
      }
      if (!server.write(bytes)) {
        client.pause()
        server.once('drain', () => client.resume())
      }
    })
    client.on('end', () => server.end())
    server.on('data', (bytes) => {
      passed += bytes.length
      const [limit] = this.cutAfter
      if (limit !== undefined && passed >= limit) {
        this.cutAfter.shift()
        this.cuts++
        client.resetAndDestroy()
        return
      }
      if (!client.write(bytes)) {
        server.pause()
        client.once('drain', () => server.resume())
      }
    })
  }
}
