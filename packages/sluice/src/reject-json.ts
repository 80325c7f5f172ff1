import type { RejectError, StoredReject } from '@sluice/engine'

/** A reject without loss, as NDJSON and the HTTP API have it. */
export interface RejectJson {
  record: number
  line: number
  byteOffset: number
  errors: RejectError[]
  /** The record's bytes: as text, or where they are not UTF-8, in base 64. */
  raw?: string
  rawBase64?: string
  rawLength: number
  closedAt: string | null
  /** The file that it came from; null where a version kept it that did not tell. */
  source: string | null
}

export function rejectJson(reject: StoredReject): RejectJson {
  const { record, line, byteOffset, errors, raw, rawLength, closedAt, source } = reject
  return { record, line, byteOffset, errors, ...textOf(raw), rawLength, closedAt, source }
}

/** Rejects as NDJSON, a page of lines at a time. */
export async function* rejectLines(pages: AsyncIterable<StoredReject[]>): AsyncGenerator<string> {
  for await (const page of pages) {
    yield page.map((reject) => `${JSON.stringify({ jobId: reject.jobId, ...rejectJson(reject) })}\n`).join('')
  }
}

function textOf(raw: Uint8Array): { raw: string } | { rawBase64: string } {
  try {
    return { raw: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw) }
  } catch {
    return { rawBase64: Buffer.from(raw).toString('base64') }
  }
}
