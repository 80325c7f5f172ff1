import { request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { SluiceError } from '@sluice/engine'
import { Webhook } from 'standardwebhooks'
import type { AddressGuard } from './address-guard.ts'

/** How long one try may take, with everything: name, connection, answer. */
export const TRY_MS = 15_000
/** Of an answer no more is read, in bytes: its status says all. */
const ANSWER_BYTES = 64 * 1024

/** What is told, the same on every try. */
export interface Message {
  /** The same on every try; receivers know by it what they have had. */
  webhookId: string
  url: string
  /** JSON. */
  payload: string
}

/** How one try ended. */
export interface Try {
  /** ISO 8601. */
  at: string
  ms: number
  /** Of the answer, where there was one. */
  status?: number
  /** Why there was none. */
  error?: string
}

/** What is told beside it. `retryAfterMs`: how long the receiver wants to be left alone. */
export type Outcome = Try & { retryAfterMs?: number }

interface Sender {
  guard: AddressGuard
  /** Of Standard Webhooks; each signs. Empty: not signed. */
  secrets: string[]
  signal: AbortSignal
  /** Milliseconds. Default: 15 s. */
  tryMs?: number
}

/**
 * Posts a message once, signed as Standard Webhooks 1.0 says: `webhook-id`, `webhook-timestamp`, `webhook-signature`. Redirects are not
 * followed, no proxy is used, and the connection goes to an address that was checked. Never throws.
 */
export async function deliver(message: Message, { guard, secrets, signal, tryMs = TRY_MS }: Sender): Promise<Outcome> {
  const begun = Date.now()
  const timeout = AbortSignal.timeout(tryMs)
  const at = new Date(begun).toISOString()
  try {
    const ended = await orAborted(post(message, guard, secrets, AbortSignal.any([signal, timeout])), timeout)
    return { at, ms: Date.now() - begun, ...ended }
  } catch (error) {
    const why = timeout.aborted ? `no answer within ${tryMs / 1000} s` : reasonOf(error)
    return { at, ms: Date.now() - begun, error: why }
  }
}

/** `v1,…` for each secret, separated by blanks. @throws Error for what is no secret */
function sign({ webhookId, payload }: Message, at: Date, secrets: string[]): string {
  return secrets.map((secret) => new Webhook(secret).sign(webhookId, at, payload)).join(' ')
}

async function post(
  message: Message,
  guard: AddressGuard,
  secrets: string[],
  signal: AbortSignal,
): Promise<{ status: number; retryAfterMs?: number }> {
  const url = new URL(message.url)
  const addresses = await guard.addresses(url)
  const at = new Date()
  const body = Buffer.from(message.payload)
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; retryAfterMs?: number }>()
  const request = (url.protocol === 'https:' ? secureRequest : plainRequest)(url, {
    method: 'POST',
    agent: false,
    signal,
    // Whatever the name says by now: these were checked.
    lookup: (_host, options, done) => {
      const first = addresses[0]!
      if (options.all) done(null, addresses)
      else done(null, first.address, first.family)
    },
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      'user-agent': 'sluice',
      'webhook-id': message.webhookId,
      'webhook-timestamp': Math.floor(at.getTime() / 1000),
      ...(secrets.length > 0 && { 'webhook-signature': sign(message, at, secrets) }),
    },
  })
  request.on('error', reject)
  request.on('response', async (response) => {
    let read = 0
    try {
      // Who answers wants to be heard to the end, but not for ever.
      for await (const chunk of response) {
        read += (chunk as Buffer).length
        if (read >= ANSWER_BYTES) break
      }
    } catch {
      // The status is what counts, and that came.
    }
    request.destroy()
    const wait = retryAfter(response.headers['retry-after'])
    resolve({ status: response.statusCode!, ...(wait !== undefined && { retryAfterMs: wait }) })
  })
  request.end(body)
  return promise
}

/** RFC 9110, section 10.2.3: seconds, or a date. */
function retryAfter(header: string | undefined): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

/** A name that is being resolved cannot be given up; who waits for it can. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return Promise.race([work, promise])
}

/** For clients to read: what happened, and nothing of what this server can reach. */
function reasonOf(error: unknown): string {
  if (error instanceof SluiceError) return error.message
  const { code, name } = error as NodeJS.ErrnoException
  return code ?? name
}
