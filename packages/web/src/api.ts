/** The calls of the HTTP API that the page makes, as docs/reference/http.md has them. */

export type State = 'receiving' | 'uploaded' | 'processing' | 'completed' | 'failed' | 'cancelled'

interface Counts {
  recordsRead: number
  inserted: number
  updated: number
  unchanged: number
  duplicates: number
  rejected: number
}

interface Receipt extends Counts {
  elapsedMs: number
  rowsPerSecond: number
  rejectsByCode: Record<string, number>
}

export interface Status {
  uploadId: string
  status: State
  mode: 'staged' | 'direct'
  fileName: string
  table: string | null
  rowsProcessed: number
  rowsFailed: number
  /** Open rejects; the list goes without. */
  rejectsByCode?: Record<string, number>
  progress: number
  bytesCommitted: number
  bytesTotal: number | null
  error?: string
  createdAt: string
  startedAt: string | null
  completedAt: string | null
  sameAs?: string
  receipt?: Receipt
}

interface RejectError {
  column: string | null
  code: string
  message: string
  value: string | null
}

export interface ReplayReceipt extends Counts {
  replay: { records: number; loaded: number; refused: number; skipped: number }
}

export interface DryRun {
  columns: { source: string | null; column: string; type: string }[]
  recordsRead: number
  rejected: number
  rejects: { record: number; line: number; errors: RejectError[] }[]
}

/** What the server has against a request; `status` 0: it was not reached. */
export class ApiError extends Error {
  readonly status: number

  constructor(status: number, detail: string) {
    super(detail)
    this.name = 'ApiError'
    this.status = status
  }
}

export const isActive = (state: State): boolean => ['receiving', 'uploaded', 'processing'].includes(state)

const KEY = 'sluice-key'

/** The key lives as long as the tab. */
export const apiKey = {
  get: (): string => sessionStorage.getItem(KEY) ?? '',
  set: (key: string): void => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY)),
  headers: (): Record<string, string> => (apiKey.get() ? { authorization: `Bearer ${apiKey.get()}` } : {}),
}

/** Hears of every answer: whether the server was reached, and whether it asked for a key. */
export const contact = new EventTarget()

/** @throws ApiError for what is no success, and when the server is not reached */
export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(path, { ...init, headers: { ...apiKey.headers(), ...(init.headers as object) } })
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    contact.dispatchEvent(new Event('lost'))
    throw new ApiError(0, (error as Error).message)
  }
  contact.dispatchEvent(new Event('reached'))
  if (answer.ok) return answer
  if (answer.status === 401) contact.dispatchEvent(new Event('locked'))
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; title?: string }
  throw new ApiError(answer.status, problem.detail ?? problem.title ?? answer.statusText)
}

const json = async <T>(answer: Promise<Response>): Promise<T> => (await answer).json() as Promise<T>
const of = (uploadId: string): string => `/upload/${encodeURIComponent(uploadId)}`

export const readStatus = (id: string, signal?: AbortSignal): Promise<Status> =>
  json(call(`${of(id)}/status`, { signal: signal ?? null }))

export const cancelUpload = (id: string): Promise<Status> => json(call(`${of(id)}/cancel`, { method: 'POST' }))
export const retryUpload = (id: string): Promise<Status> => json(call(`${of(id)}/retry`, { method: 'POST' }))

export const rejectsPath = (id: string, form: 'csv' | 'ndjson'): string => `${of(id)}/rejects.${form}`

export const replayRejects = (id: string, csv: string): Promise<ReplayReceipt> =>
  json(call(`${of(id)}/replay`, { method: 'POST', headers: { 'content-type': 'text/csv' }, body: csv }))

export function listUploads(
  options: { status?: string; after?: string; limit?: number },
  signal?: AbortSignal,
): Promise<{ uploads: Status[]; next: string | null }> {
  const query = new URLSearchParams(Object.entries(options).filter(([, value]) => value) as [string, string][])
  return json(call(`/uploads?${query}`, { signal: signal ?? null }))
}

export const listProfiles = (): Promise<{ profiles: string[]; default: string | null }> => json(call('/profiles'))

/** Loads a sample as `settings` say, into nothing. */
export function dryRun(sample: string, settings: Record<string, string[]>, signal: AbortSignal): Promise<DryRun> {
  const query = new URLSearchParams(Object.entries(settings).flatMap(([key, all]) => all.map((one) => [key, one])))
  return json(
    call(`/check?${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: sample,
      signal,
    }),
  )
}

/** Saves a file of the API; a link alone could not show the key. */
export async function download(path: string, name: string): Promise<void> {
  save(await (await call(path)).blob(), name)
}

export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
