import { useSyncExternalStore } from 'react'
import { type PreviousUpload, Upload } from 'tus-js-client'
import { apiKey } from '../api.ts'
import { texts } from '../texts.ts'

export interface LogEntry {
  at: number
  text: string
}

/** A file on its way from this tab. */
export interface Transfer {
  uploadId: string
  state: 'sending' | 'paused' | 'retrying' | 'sent' | 'failed'
  sent: number
  total: number
  error: string
  log: LogEntry[]
}

/** Waits between tries: a server that is started anew is back within some seconds, a train leaves its tunnel within minutes. */
const RETRY_DELAYS_MS = [0, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000, 30_000, 60_000, 60_000, 120_000]
/** A cut connection costs at most what of a piece is not stored yet. */
const PIECE_BYTES = 64 * 1024 * 1024

const transfers = new Map<string, Transfer>()
const uploads = new Map<string, Upload>()
const listeners = new Set<() => void>()

function change(uploadId: string, part: Partial<Transfer>, event?: string): void {
  const old = transfers.get(uploadId)
  if (!old) return
  const log = event === undefined ? old.log : [...old.log, { at: Date.now(), text: event }]
  transfers.set(uploadId, { ...old, ...part, log })
  for (const listen of listeners) listen()
}

const subscribe = (listen: () => void): (() => void) => {
  listeners.add(listen)
  return () => listeners.delete(listen)
}

export function useTransfer(uploadId: string): Transfer | undefined {
  return useSyncExternalStore(subscribe, () => transfers.get(uploadId))
}

/** What of this file arrived in an earlier try that was broken off. */
export function previousUploads(file: File): Promise<PreviousUpload[]> {
  return new Upload(file, { endpoint: '/files' }).findPreviousUploads()
}

/**
 * Sends a file by tus. Settles when the server knows it, long before it is there.
 * @param previous goes on with this one instead; its settings are what they were then
 * @throws Error with what the server has against it
 */
export function send(file: File, settings: Record<string, string[]>, previous?: PreviousUpload): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const metadata = Object.fromEntries(Object.entries(settings).map(([name, values]) => [name, values.join('\n')]))
  let uploadId = ''
  const upload: Upload = new Upload(file, {
    endpoint: '/files',
    headers: apiKey.headers(),
    metadata: { ...metadata, filename: file.name },
    retryDelays: RETRY_DELAYS_MS,
    chunkSize: PIECE_BYTES,
    removeFingerprintOnSuccess: true,
    onUploadUrlAvailable: () => {
      uploadId = upload.url!.split('/').at(-1)!
      const known = transfers.has(uploadId)
      uploads.set(uploadId, upload)
      if (!known) {
        transfers.set(uploadId, { uploadId, state: 'sending', sent: 0, total: file.size, error: '', log: [] })
        change(uploadId, {}, previous ? texts.watch.events.resumed : texts.watch.events.begun)
      }
      resolve(uploadId)
    },
    onProgress: (sent) => {
      const resumed = transfers.get(uploadId)?.state === 'retrying'
      change(uploadId, { sent, state: 'sending' }, resumed ? texts.watch.events.resumed : undefined)
    },
    onShouldRetry: (error) => {
      const status = error.originalResponse?.getStatus() ?? 0
      const passes = status < 400 || status >= 500 || status === 409 || status === 423 || status === 429
      const state = transfers.get(uploadId)?.state
      if (passes && state === 'sending') change(uploadId, { state: 'retrying' }, texts.watch.events.retrying)
      return passes
    },
    onSuccess: () => {
      change(uploadId, { state: 'sent', sent: file.size }, texts.watch.events.sent(file.size))
      uploads.delete(uploadId)
    },
    onError: (error) => {
      const body = 'originalResponse' in error ? (error.originalResponse?.getBody() ?? '') : ''
      const message = detailOf(body) ?? error.message
      change(uploadId, { state: 'failed', error: message }, texts.watch.events.refused)
      reject(new Error(message))
    },
  })
  if (previous) upload.resumeFromPreviousUpload(previous)
  upload.start()
  return promise
}

function detailOf(problem: string): string | undefined {
  try {
    return (JSON.parse(problem) as { detail?: string }).detail
  } catch {
    return undefined
  }
}

export async function pause(uploadId: string): Promise<void> {
  change(uploadId, { state: 'paused' }, texts.watch.events.paused)
  await uploads.get(uploadId)?.abort()
}

export function resume(uploadId: string): void {
  change(uploadId, { state: 'sending' }, texts.watch.events.resumed)
  uploads.get(uploadId)?.start()
}

/** Gives up a file that is on its way, here and on the server. */
export async function giveUp(uploadId: string): Promise<void> {
  await uploads.get(uploadId)?.abort(true)
  uploads.delete(uploadId)
  transfers.delete(uploadId)
  for (const listen of listeners) listen()
}

addEventListener('beforeunload', (event) => {
  if ([...transfers.values()].some(({ state }) => state === 'sending' || state === 'retrying')) event.preventDefault()
})
