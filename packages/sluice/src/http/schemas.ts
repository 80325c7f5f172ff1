import { STATUS_CODES } from 'node:http'
import { type Static, Type } from 'typebox'

/** The answers, as the OpenAPI page shows them and as they are written: what is not here does not leave the server. */

const nullable = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) => Type.Union([type, Type.Null()])
const count = (description?: string) => Type.Integer({ minimum: 0, ...(description && { description }) })
const time = (description: string) => nullable(Type.String({ format: 'date-time', description }))
const codes = Type.Record(Type.String(), Type.Integer(), { description: 'Rejects by their code' })

export const UploadId = Type.String({
  pattern: '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$',
  description: 'A UUID',
})
/** What is no UUID is no upload either: a 404 rather than a 400. */
export const UploadParams = Type.Object({ uploadId: Type.String({ description: 'A UUID' }) })

const ProblemDocument = Type.Object(
  {
    type: Type.String({
      format: 'uri-reference',
      description: '`/docs#CODE`, where the code is described; `about:blank` where the status says it all',
    }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    code: Type.Optional(Type.String({ description: 'A code of sluice, as `SLUICE_COLUMNS`' })),
    instance: Type.String({ description: 'Id of the request, as in the log' }),
    uploadId: Type.Optional(Type.String({ description: 'The upload that the problem is of' })),
  },
  { title: 'Problem', description: 'RFC 9457' },
)

export type ProblemDocument = Static<typeof ProblemDocument>

const COUNTS = {
  recordsRead: count(),
  inserted: count(),
  updated: count(),
  unchanged: count(),
  duplicates: count(),
  rejected: count(),
}

export const Receipt = Type.Object(
  {
    uploadId: Type.String(),
    jobId: Type.String({ description: 'The same' }),
    status: Type.Literal('completed'),
    source: Type.String(),
    table: Type.String(),
    ...COUNTS,
    bytes: count('Of the source, as stored'),
    elapsedMs: Type.Number({ minimum: 0 }),
    rowsPerSecond: Type.Number({ minimum: 0 }),
    rejectsByCode: codes,
    resumedAtRecord: count(),
  },
  { title: 'Receipt', description: 'recordsRead = inserted + updated + unchanged + duplicates + rejected' },
)
export type Receipt = Static<typeof Receipt>

export const Accepted = Type.Object(
  {
    uploadId: Type.String(),
    status: Type.String({ description: '`uploaded`; later, when asked again, what it is then' }),
  },
  { title: 'Accepted' },
)

export const STATES = ['receiving', 'uploaded', 'processing', 'completed', 'failed', 'cancelled'] as const
export const State = Type.Unsafe<(typeof STATES)[number]>({ type: 'string', enum: [...STATES] })

const Webhook = Type.Object(
  {
    webhookId: Type.String({ description: 'The `webhook-id` of every try' }),
    state: Type.Unsafe<'waiting' | 'due' | 'delivered' | 'failed' | 'disabled'>({
      type: 'string',
      enum: ['waiting', 'due', 'delivered', 'failed', 'disabled'],
    }),
    nextTryAt: time('While it is due'),
    tries: Type.Array(
      Type.Object({
        at: Type.String({ format: 'date-time' }),
        ms: Type.Number({ minimum: 0, description: 'How long it took' }),
        status: Type.Optional(Type.Integer({ description: 'Of the answer' })),
        error: Type.Optional(Type.String({ description: 'Why there was no answer' })),
      }),
    ),
  },
  { title: 'Webhook' },
)

export const Status = Type.Object(
  {
    uploadId: Type.String(),
    status: State,
    mode: Type.Unsafe<'staged' | 'direct'>({ type: 'string', enum: ['staged', 'direct'] }),
    fileName: Type.String(),
    table: nullable(Type.String()),
    rowsProcessed: count('Records whose fate is committed'),
    rowsFailed: count('Those of them that were rejected'),
    rejectsByCode: Type.Optional(codes),
    progress: Type.Number({ minimum: 0, maximum: 1, description: 'In bytes of the source as stored' }),
    bytesCommitted: count(),
    bytesTotal: nullable(count()),
    error: Type.Optional(Type.String({ description: 'Why it failed' })),
    createdAt: Type.String({ format: 'date-time' }),
    startedAt: time('When the first batch was begun'),
    completedAt: time('When everything was committed'),
    sameAs: Type.Optional(
      Type.String({ description: 'The upload that had brought the same content, so that nothing was loaded' }),
    ),
    webhooks: Type.Optional(Type.Array(Webhook, { description: 'With a callbackUrl: one for each end of the upload' })),
    receipt: Type.Optional(Receipt),
  },
  { title: 'Status' },
)
export type Status = Static<typeof Status>

export const StatusList = Type.Object(
  { uploads: Type.Array(Status), next: nullable(Type.String({ description: '`after` of the next page' })) },
  { title: 'Uploads' },
)

const RejectError = Type.Object({
  column: nullable(Type.String()),
  code: Type.String(),
  message: Type.String(),
  value: nullable(Type.String({ description: 'As it stands in the source, cut at 1,000 characters' })),
})

const Reject = Type.Object(
  {
    record: Type.Integer({ minimum: 1 }),
    line: Type.Integer({ minimum: 1 }),
    byteOffset: count(),
    errors: Type.Array(RejectError),
    raw: Type.Optional(Type.String({ description: 'The record, cut at 64 KB' })),
    rawBase64: Type.Optional(Type.String({ description: 'Instead of raw, where it is not UTF-8' })),
    rawLength: count('In bytes, before it was cut'),
    closedAt: time('When a replay brought it in'),
    source: nullable(Type.String({ description: 'The file that it came from' })),
  },
  { title: 'Reject' },
)

export const RejectPage = Type.Object(
  { rejects: Type.Array(Reject), next: nullable(Type.Integer({ description: '`after` of the next page' })) },
  { title: 'Rejects' },
)

const Evidence = Type.Object(
  {
    values: count('Cells of the sample that are not NULL'),
    nulls: count(),
    samples: Type.Array(Type.String()),
    because: Type.String({ description: 'Why it is this type, and none narrower' }),
  },
  { title: 'Evidence' },
)

export const CheckReport = Type.Object(
  {
    table: nullable(Type.String({ description: 'Where there is such a table already' })),
    evidence: Type.String({ description: 'How the dialect was found out' }),
    sure: Type.Boolean(),
    columns: Type.Array(
      Type.Object({
        source: nullable(Type.String({ description: 'Name in the file' })),
        column: Type.String({ description: 'Name in the table' }),
        type: Type.String(),
        required: Type.Boolean(),
        inferred: nullable(Evidence),
      }),
    ),
    recordsRead: count(),
    sound: count('Constraints of the database itself are not tried'),
    rejected: count(),
    rejectsByCode: codes,
    rejects: Type.Array(
      Type.Object({
        record: Type.Integer({ minimum: 1 }),
        line: Type.Integer({ minimum: 1 }),
        byteOffset: count(),
        errors: Type.Array(RejectError),
      }),
      { description: 'The first 50' },
    ),
  },
  { title: 'Check', description: 'recordsRead = sound + rejected' },
)

export const ReplayReceipt = Type.Object(
  {
    uploadId: Type.String(),
    jobId: Type.String(),
    table: Type.String(),
    ...COUNTS,
    rejectsByCode: codes,
    replay: Type.Object({ records: count(), loaded: count(), refused: count(), skipped: count() }),
  },
  { title: 'ReplayReceipt' },
)

/** The problems that a call may be answered with, beside those that every call may be: 400, 401, 403, 429 and 500. */
export function problems(...statuses: number[]) {
  const every = [400, 401, 403, ...statuses, 429, 500]
  const answer = (status: number) => ({
    description: STATUS_CODES[status]!,
    content: { 'application/problem+json': { schema: ProblemDocument } },
  })
  return Object.fromEntries(every.map((status) => [status, answer(status)]))
}
