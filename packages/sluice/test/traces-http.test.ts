import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { serve } from './serve.ts'

interface Sent {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: { key: string; value: Record<string, unknown> }[]
  links?: { traceId: string; spanId: string }[]
  status: { code?: number; message?: string }
}

/** A collector: what was sent to it by OTLP over HTTP. */
const spans: Sent[] = []
const services = new Set<unknown>()
const collector = createServer(async (request, response) => {
  const body = Buffer.concat(await request.toArray()).toString()
  assert.equal(`${request.method} ${request.url}`, 'POST /v1/traces')
  for (const { resource, scopeSpans } of JSON.parse(body).resourceSpans) {
    for (const { key, value } of resource.attributes) if (key === 'service.name') services.add(value.stringValue)
    for (const scope of scopeSpans) spans.push(...scope.spans)
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
}).listen(0, '127.0.0.1')
await new Promise((resolve) => collector.once('listening', resolve))
after(() => collector.close())
const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`

/** Tells on standard error which modules of OpenTelemetry are loaded; its API is what prom-client brings. */
const WATCH = `import { registerHooks } from 'node:module'
registerHooks({ resolve(name, context, next) {
  if (/^@opentelemetry.(sdk|exporter|resources)/.test(name)) process.stderr.write('loads ' + name + '\\n')
  return next(name, context)
} })`
const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(WATCH)}`

const CSV = `id,name\n${Array.from({ length: 3_000 }, (_, i) => `${i},name ${i}\n`).join('')}`

test('the request, the load, its batches and commits of an upload are one trace, whose id is that of the upload', async () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, NODE_OPTIONS }
  const server = await serve(temporaryFolder(), env)
  const api = new Api(server)
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const { json } = await api.upload(CSV, {
    query: '?wait=true',
    fields: { table: 'people', batchRows: '1000' },
    headers: { traceparent },
  })
  const failing = { table: 'others', schema: '{"fields":[{"name":"id","type":"date"},{"name":"name"}]}' }
  const failed = await api.upload(CSV, { query: '?wait=true', fields: { ...failing, force: 'true', maxErrors: '1' } })
  assert.equal(failed.status, 422)
  await api.get(`/upload/${json.jobId}/status`)
  await server.stop()
  assert.match(server.log(), /loads @opentelemetry\/sdk-trace/)
  assert.deepEqual([...services], ['sluice serve'])

  const own = spans.filter(({ traceId }) => traceId === json.jobId.replaceAll('-', ''))
  const named = (name: string) => own.filter((span) => span.name === name)
  const [request] = named('POST /upload')
  const [load] = named('load')
  const [batches, commits] = [named('batch'), named('commit')]
  assert.equal(own.length, 2 + batches.length + commits.length)
  assert.ok(batches.length >= 3)
  assert.equal(commits.length, batches.length)
  assert.deepEqual(
    request!.links?.map(({ traceId, spanId }) => `${traceId} ${spanId}`),
    ['4bf92f3577b34da6a3ce929d0e0e4736 00f067aa0ba902b7'],
  )
  for (const batch of batches) assert.equal(batch.parentSpanId, load!.spanId)
  assert.deepEqual(commits.map(({ parentSpanId }) => parentSpanId).sort(), batches.map(({ spanId }) => spanId).sort())
  const records = batches.map(
    (batch) => batch.attributes.find(({ key }) => key === 'sluice.records')!.value['intValue'],
  )
  assert.equal(
    records.reduce((sum: number, one) => sum + Number(one), 0),
    3_000,
  )
  for (const span of own) assert.ok(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano), span.name)

  const bad = spans.find(({ name, status }) => name === 'load' && status.code === 2)
  assert.match(bad!.status.message!, /--max-errors 1/)
  // No values of the data, no queries of requests.
  assert.ok(!JSON.stringify(spans).includes('name 7'))
  assert.ok(!JSON.stringify(spans).includes('wait=true'))
})

test('without a collector nothing of it is loaded, and one that is away holds nobody up', async () => {
  const silent = await serve(temporaryFolder(), { NODE_OPTIONS })
  assert.equal((await new Api(silent).upload(CSV, { query: '?wait=true', fields: { table: 'people' } })).status, 200)
  await silent.stop()
  assert.doesNotMatch(silent.log(), /loads @opentelemetry/)

  const away = await serve(temporaryFolder(), { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' })
  assert.equal((await new Api(away).upload(CSV, { query: '?wait=true', fields: { table: 'people' } })).status, 200)
  const before = performance.now()
  await away.stop()
  assert.ok(performance.now() - before < 10_000)
  assert.equal((await away.ended).code, 0)
})
