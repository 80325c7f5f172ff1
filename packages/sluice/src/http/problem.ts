import { STATUS_CODES } from 'node:http'
import { ERRORS, type ErrorCode, SluiceError } from '@sluice/engine'
import type { ProblemDocument } from './schemas.ts'

interface ProblemOptions {
  headers?: Record<string, string>
  /** The upload that it is of. */
  uploadId?: string
  cause?: unknown
}

/** An answer that is an error: what a client did wrong with HTTP itself. What is wrong with a load is a SluiceError. */
export class Problem extends Error {
  readonly status: number
  readonly headers: Record<string, string>
  readonly uploadId: string | undefined

  /** @param detail a sentence: what happened, and what to do */
  constructor(status: number, detail: string, { headers = {}, uploadId, cause }: ProblemOptions = {}) {
    super(detail, { cause })
    this.name = 'Problem'
    this.status = status
    this.headers = headers
    this.uploadId = uploadId
  }
}

/**
 * The status that each error is answered with: 400 a wrong request, 409 the state of the upload, 422 the file or its schema cannot be
 * loaded, 503 it can be tried again unchanged.
 */
const STATUS: Record<ErrorCode, number> = {
  SLUICE_USAGE: 400,
  SLUICE_CONFIG: 500,
  SLUICE_SCHEMA: 422,
  SLUICE_COLUMNS: 422,
  SLUICE_DIALECT: 422,
  SLUICE_SOURCE_NOT_FOUND: 503,
  SLUICE_SOURCE_EMPTY: 422,
  SLUICE_SOURCE_CHANGED: 409,
  SLUICE_SOURCE_READ: 503,
  SLUICE_CORRUPT: 422,
  SLUICE_DECODED_SIZE: 422,
  SLUICE_CONNECT: 503,
  SLUICE_DATABASE: 503,
  SLUICE_LEASE_LOST: 409,
  SLUICE_JOB: 409,
  SLUICE_ALL_REJECTED: 422,
  SLUICE_ERROR_BUDGET: 422,
  SLUICE_MAP: 500,
  SLUICE_STORAGE: 503,
  SLUICE_IDEMPOTENCY: 422,
  SLUICE_INTERRUPTED: 503,
  SLUICE_INTERNAL: 500,
}

export const statusOf = (code: ErrorCode): number => STATUS[code]

export interface Answer {
  status: number
  headers: Record<string, string>
  document: ProblemDocument
}

/** The answer to an error. What is nobody's business outside, as the message of a defect, is not in it. */
export function answerTo(error: unknown, requestId: string): Answer {
  const { status, detail, code, headers, uploadId } = describe(error)
  return {
    status,
    headers,
    document: {
      type: code === undefined ? 'about:blank' : `/docs#${code}`,
      title: code === undefined ? (STATUS_CODES[status] ?? 'Error') : ERRORS[code].what,
      status,
      detail,
      ...(code !== undefined && { code }),
      instance: `urn:uuid:${requestId}`,
      ...(uploadId !== undefined && { uploadId }),
    },
  }
}

const UNKNOWN_TYPE =
  'This type of body is not taken: send multipart/form-data with a part "file", or the file itself with a type such as text/csv'

interface Described {
  status: number
  detail: string
  code?: ErrorCode
  uploadId?: string | undefined
  headers: Record<string, string>
}

function describe(thrown: unknown): Described {
  // Who reads the body wraps what the client did to it.
  const error = thrown instanceof SluiceError && thrown.cause instanceof Problem ? thrown.cause : thrown
  if (error instanceof Problem) {
    const { status, message, headers, uploadId } = error
    return { status, detail: message, headers, uploadId }
  }
  if (error instanceof SluiceError) {
    const status = STATUS[error.code]
    const headers: Record<string, string> = status === 503 ? { 'retry-after': '5' } : {}
    return { status, code: error.code, detail: detailOf(error), headers }
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { status: 503, detail: 'The server is closing; try again', headers: { 'retry-after': '5' } }
  }
  // What Fastify and its plugins throw has a status; only their words for 4xx are meant for clients.
  const { statusCode, message, code } = error as { statusCode?: number; message?: string; code?: string }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return { status: 415, detail: UNKNOWN_TYPE, headers: {} }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return { status: statusCode, detail: message ?? 'The request cannot be answered', headers: {} }
  }
  return {
    status: 500,
    code: 'SLUICE_INTERNAL',
    detail: 'Something went wrong in the server; its log has the details under this instance',
    headers: {},
  }
}

/** Errors of the surroundings name hosts, paths and users of the operator's; these stay in the log. */
function detailOf({ code, message }: SluiceError): string {
  if (code === 'SLUICE_CONFIG') return 'The server is configured wrong; its log says how'
  if (code === 'SLUICE_STORAGE') return 'The storage of uploads does not answer; try again later'
  if (code === 'SLUICE_DATABASE') return 'The database failed; the log of the server says why under this instance'
  if (code === 'SLUICE_CONNECT') return 'The database cannot be reached; try again later'
  return message
}

/** What a schema has against a value, for people. */
export function sentenceOf(error: { instancePath: string; message?: string; params: object } | undefined): string {
  const { additionalProperty } = (error?.params ?? {}) as { additionalProperty?: string }
  if (additionalProperty !== undefined) return `"${additionalProperty}" is unknown`
  return `${error?.instancePath.slice(1)} ${error?.message}`.trim()
}
