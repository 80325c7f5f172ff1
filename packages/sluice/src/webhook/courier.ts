import type { Database } from '@sluice/engine'
import type { Logger } from 'pino'
import type { AddressGuard } from './address-guard.ts'
import { deliver, TRY_MS } from './deliver.ts'
import { type DueWebhook, Outbox } from './outbox.ts'

/** Tries in all. */
const TRIES = 4
/** Before the second try, in seconds; each later one waits this many times as long: 1, 5 and 25 s, half a minute in all. */
const FIRST_WAIT = 1
const GROWTH = 5
/** What a receiver may ask for with Retry-After at most, in seconds. */
const LONGEST_WAIT = 3_600
/** Sent at once. */
const AT_ONCE = 32
/** Milliseconds between two looks: next tries come at most so much later than they are due. */
const LOOK_MS = 1_000

interface CourierOptions {
  database: Database
  guard: AddressGuard
  secrets: string[]
  log: Logger
  /** Of one try. Default: 15 s. */
  tryMs?: number | undefined
}

/** Sends what is due, in the background. Any number of processes may do so for one database. */
export class Courier {
  readonly outbox: Outbox
  readonly #options: CourierOptions
  readonly #stopping = new AbortController()
  readonly #sending = new Set<Promise<void>>()
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: CourierOptions) {
    this.#options = options
    this.outbox = new Outbox(options.database)
  }

  start(): void {
    this.#timer = setInterval(() => this.wake(), LOOK_MS)
  }

  /** What is under way is given up, and sent again by whoever comes next. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#stopping.abort()
    await this.#looking
    await Promise.all(this.#sending)
  }

  /** Looks for what is due now, unless that is being done. Never throws. */
  wake(): void {
    this.#looking ??= this.#look().finally(() => (this.#looking = undefined))
  }

  async #look(): Promise<void> {
    const { log } = this.#options
    try {
      if (this.#stopping.signal.aborted || this.#sending.size >= AT_ONCE) return
      if (!(await this.outbox.hasWork())) return
      await this.outbox.arm()
      for (const webhook of await this.outbox.claim(AT_ONCE - this.#sending.size)) {
        const sending = this.#send(webhook)
          .catch((error: Error) =>
            log.warn({ webhookId: webhook.webhookId, reason: error.message }, 'a webhook is not noted'),
          )
          .finally(() => this.#sending.delete(sending))
        this.#sending.add(sending)
      }
    } catch (error) {
      log.warn({ reason: (error as Error).message }, 'webhooks could not be looked for; the next look tries again')
    }
  }

  async #send(webhook: DueWebhook): Promise<void> {
    const { guard, secrets, log, tryMs = TRY_MS } = this.#options
    const { webhookId, uploadId, number, tries } = webhook
    // Every try was begun, and the last one's process did not live to see its end.
    if (number > TRIES) return this.outbox.settle(webhook, 'failed', tries)
    const { signal } = this.#stopping
    const { retryAfterMs = 0, ...made } = await deliver(webhook, { guard, secrets, signal, tryMs })
    if (signal.aborted && made.status === undefined) return this.outbox.release(webhook)
    const all = [...tries, made]
    const told = log.child({ uploadId, webhookId, status: made.status, reason: made.error })
    if (made.status !== undefined && made.status >= 200 && made.status < 300) {
      told.info('webhook delivered')
      return this.outbox.settle(webhook, 'delivered', all)
    }
    if (made.status === 410 || number === TRIES) {
      told.warn('webhook given up')
      return this.outbox.settle(webhook, made.status === 410 ? 'disabled' : 'failed', all)
    }
    const backoff = FIRST_WAIT * GROWTH ** (number - 1) * (0.75 + Math.random() / 2)
    const wait = Math.max(backoff, Math.min(LONGEST_WAIT, retryAfterMs / 1000))
    told.info({ retrySeconds: Math.round(wait) }, 'webhook not taken; it is tried again')
    await this.outbox.settle(webhook, 'due', all, wait)
  }
}
