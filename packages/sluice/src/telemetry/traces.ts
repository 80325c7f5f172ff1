import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Link,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from '@opentelemetry/resources'
import { BatchSpanProcessor, RandomIdGenerator, TracerProvider } from '@opentelemetry/sdk-trace'
import type { BatchTrace, JobTrace } from '@sluice/engine'
import { withoutPassword } from '../config.ts'
import { VERSION } from '../version.ts'
import { listen } from './listen.ts'

/** How long an end waits for a collector that does not answer, in ms. */
const SHUTDOWN_MS = 2_000

/** A request that changed an upload, when its answer is out. Told on the channel `sluice:request`. */
export interface RequestReport {
  uploadId: string
  method: string
  route: string
  status: number
  ms: number
  /** The header, as the client sent it. */
  traceparent?: string | undefined
}

/**
 * Sends traces of what this process does to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, by OTLP over HTTP; the other variables of
 * OpenTelemetry count, too. The id of an upload without its dashes is the id of its trace, so that the request, its loads, on
 * whichever machine, and their commits stand together, and a trace is found by the id that the client has:
 *
 * `POST /upload` · `load` → `batch` (reading and checking, then waiting) → `commit`
 *
 * @param service `sluice serve` or `sluice worker`, for `service.name` where `OTEL_SERVICE_NAME` is not set
 * @returns to be disposed of at the end: what is not sent yet is sent then
 */
export function startTracing(service: string): AsyncDisposable {
  const ids = new UploadIds()
  const resource = defaultResource()
    .merge(resourceFromAttributes({ 'service.name': service, 'service.version': VERSION }))
    .merge(detectResources({ detectors: [envDetector] }))
  const provider = new TracerProvider({
    resource,
    idGenerator: ids,
    spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })],
  })
  const tracer = provider.getTracer('sluice', VERSION)
  traceRequests(tracer, ids)
  traceLoads(tracer, ids)
  return {
    async [Symbol.asyncDispose]() {
      await Promise.race([provider.shutdown(), delay(SHUTDOWN_MS, undefined, { ref: false })])
    },
  }
}

/** Ids of spans are random, those of traces are what they belong to. */
class UploadIds extends RandomIdGenerator {
  #upload = ''

  /** The next trace is that of this upload. */
  next(uploadId: string): void {
    this.#upload = uploadId
  }

  override readonly generateTraceId = (): string => this.#upload.replaceAll('-', '').toLowerCase()
}

function traceRequests(tracer: Tracer, ids: UploadIds): void {
  channel('sluice:request').subscribe((message) => {
    const { uploadId, method, route, status, ms, traceparent } = message as RequestReport
    ids.next(uploadId)
    const end = Date.now()
    const attributes = { 'http.request.method': method, 'http.route': route, 'http.response.status_code': status }
    const links = linkTo(traceparent)
    const options = { root: true, kind: SpanKind.SERVER, startTime: end - ms, attributes, links }
    const span = tracer.startSpan(`${method} ${route}`, options)
    if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
    span.end(end)
  })
}

/** https://www.w3.org/TR/trace-context/#traceparent-header */
function linkTo(traceparent: string | undefined): Link[] {
  const [, traceId, spanId] = /^00-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}$/.exec(traceparent ?? '') ?? []
  if (traceId === undefined || spanId === undefined) return []
  return [{ context: { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } }]
}

function traceLoads(tracer: Tracer, ids: UploadIds): void {
  const loads = new Map<string, Span>()
  const commits = new WeakMap<BatchTrace, { batch: Span; commit: Span }>()
  listen<JobTrace & { error?: unknown }>('sluice:job', {
    start({ jobId, table, database, record }) {
      ids.next(jobId)
      const attributes = {
        'sluice.upload': jobId,
        'db.system.name': database === 'postgres' ? 'postgresql' : 'sqlite',
        'db.collection.name': table,
        'sluice.resumed_at_record': record,
      }
      loads.set(jobId, tracer.startSpan('load', { root: true, kind: SpanKind.CONSUMER, attributes }))
    },
    asyncEnd({ jobId, error }) {
      const span = loads.get(jobId)
      if (span) end(span, error)
      loads.delete(jobId)
    },
  })
  listen<BatchTrace & { error?: unknown }>('sluice:batch', {
    start(message) {
      const { jobId, segment, records, bytes, filledForMs } = message
      const load = loads.get(jobId)
      const parent = load ? trace.setSpan(ROOT_CONTEXT, load) : ROOT_CONTEXT
      ids.next(jobId)
      const attributes = { 'sluice.segment': segment, 'sluice.records': records, 'sluice.bytes': bytes }
      const batch = tracer.startSpan('batch', { startTime: Date.now() - filledForMs, attributes }, parent)
      const commit = tracer.startSpan('commit', { kind: SpanKind.CLIENT }, trace.setSpan(parent, batch))
      commits.set(message, { batch, commit })
    },
    asyncEnd(message) {
      const { batch, commit } = commits.get(message)!
      const { result, error } = message
      if (result) batch.setAttribute('sluice.rejects', result.rejects.length)
      end(commit, error)
      end(batch, error)
    },
  })
}

function end(span: Span, error: unknown): void {
  if (error instanceof Error) span.setStatus({ code: SpanStatusCode.ERROR, message: withoutPassword(error.message) })
  span.end()
}
