import { createServer, type Server } from 'node:http'
import { SluiceError } from '@sluice/engine'
import type { Registry } from 'prom-client'
import { VERSION } from '../version.ts'

/**
 * What `sluice worker` listens with, where it is told to: `GET /metrics` and `GET /health`, and nothing else.
 * @throws SluiceError SLUICE_CONFIG when the port cannot be had
 */
export async function listenForMetrics(registry: Registry, host: string, port: number): Promise<AsyncDisposable> {
  const server = createServer({ headersTimeout: 10_000, requestTimeout: 10_000 }, (request, response) => {
    const path = request.url?.replace(/\?.*$/s, '')
    if (request.method !== 'GET' || (path !== '/metrics' && path !== '/health')) {
      response.writeHead(404).end()
      return
    }
    if (path === '/health') {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ status: 'ok', version: VERSION }))
      return
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      // The database is away; Prometheus notes that the look failed.
      () => response.writeHead(503).end(),
    )
  })
  await listening(server, host, port)
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new SluiceError(
          'SLUICE_CONFIG',
          `Cannot listen on ${host}, port ${port} of SLUICE_METRICS_PORT: ${error.message}`,
        ),
      ),
    )
    server.listen({ host, port }, resolve)
  })
}
