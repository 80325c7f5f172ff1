import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

interface Received {
  headers: IncomingHttpHeaders
  body: string
  at: number
}

/** A real server of webhooks on 127.0.0.1. */
export interface Receiver extends AsyncDisposable {
  url: string
  port: number
  received: Received[]
  /** Waits until so many came. */
  until(count: number): Promise<Received[]>
}

/** @param answer to the n-th request, from 1 */
export async function receive(
  answer: (response: ServerResponse, number: number) => void = (response) => response.end('thank you'),
): Promise<Receiver> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    received.push({ headers: request.headers, body, at: Date.now() })
    response.on('error', () => undefined)
    answer(response, received.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    port,
    received,
    async until(count) {
      for (let i = 0; received.length < count; i++) {
        if (i === 600) throw new Error(`${received.length} of ${count} webhooks came`)
        await delay(50)
      }
      return received
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
