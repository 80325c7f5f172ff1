import { type Job, type RejectError, rejectText, type StoredReject } from '@sluice/engine'

type OfJob = Pick<Job, 'settings'> | null

/** A reject without loss, as NDJSON and the HTTP API have it. */
export interface RejectJson {
  record: number
  line: number
  byteOffset: number
  errors: RejectError[]
  /** The record: as text, or where it is none in the encoding of its source, its bytes there in base 64. */
  raw?: string
  rawBase64?: string
  rawLength: number
  closedAt: string | null
  /** The file that it came from; null where a version kept it that did not tell. */
  source: string | null
}

/** @param job whose reject it is */
export function rejectJson(job: OfJob, reject: StoredReject): RejectJson {
  const { record, line, byteOffset, errors, raw, rawLength, closedAt, source } = reject
  return { record, line, byteOffset, errors, ...textOf(job, raw), rawLength, closedAt, source }
}

/** Rejects as NDJSON, a page of lines at a time. */
export async function* rejectLines(job: OfJob, pages: AsyncIterable<StoredReject[]>): AsyncGenerator<string> {
  for await (const page of pages) {
    yield page.map((reject) => `${JSON.stringify({ jobId: reject.jobId, ...rejectJson(job, reject) })}\n`).join('')
  }
}

function textOf(job: OfJob, raw: Uint8Array): { raw: string } | { rawBase64: string } {
  const text = rejectText(job, { raw })
  return text === null ? { rawBase64: Buffer.from(raw).toString('base64') } : { raw: text }
}
