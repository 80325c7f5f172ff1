import { channel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const REQUEST = channel('sluice:request')

/** Counts what the server is asked, and tells what changed an upload (`RequestReport` of the traces). */
export function countRequests(app: FastifyInstance, registry: Registry): void {
  const registers = [registry]
  const duration = new Histogram({
    name: 'sluice_http_request_duration_seconds',
    help: 'Time from the head of a request to the end of its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.025, 0.1, 0.5, 2, 10, 60, 600, 3600],
    registers,
  })
  const inFlight = new Gauge({ name: 'sluice_http_requests_in_flight', help: 'Requests without an answer', registers })
  const received = new Counter({
    name: 'sluice_http_received_bytes_total',
    help: 'Bytes of requests, heads and bodies',
    registers,
  })
  const seen = new WeakMap<object, number>()
  app.addHook('onRequest', async ({ raw }, reply) => {
    inFlight.inc()
    const before = seen.get(raw.socket) ?? 0
    reply.raw.once('close', () => {
      inFlight.dec()
      const { bytesRead } = raw.socket
      received.inc(Math.max(0, bytesRead - before))
      seen.set(raw.socket, bytesRead)
    })
  })
  app.addHook('onResponse', async ({ method, routeOptions, uploadId, headers }, reply) => {
    const route = routeOptions.url ?? 'none'
    const { statusCode: status, elapsedTime: ms } = reply
    duration.observe({ method, route, status }, ms / 1000)
    if (uploadId === undefined || method === 'GET' || method === 'HEAD') return
    REQUEST.publish({ uploadId, method, route, status, ms, traceparent: headers['traceparent'] })
  })
}
