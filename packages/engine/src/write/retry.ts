import { setTimeout as delay } from 'node:timers/promises'
import type { Cause } from './database.ts'

/**
 * Waits between tries, in ms: a restart of PostgreSQL takes seconds, a failover up to a minute; after about two minutes
 * someone has to look.
 */
const FIRST_WAIT_MS = 200
const LONGEST_WAIT_MS = 15_000
const TRIES = 14

/** Who follows the tries, and may end them. */
export interface Told {
  notice?: (message: string) => void
  signal?: AbortSignal | undefined
}

export interface RetryOptions extends Told {
  classify: (error: unknown) => Cause
}

/**
 * Runs `work` until it succeeds, for as long as its errors are transient: exponential backoff with full jitter, at most
 * {@link TRIES} tries. Throws the last error, at once where it is not transient or the signal is aborted.
 */
export async function retry<T>(work: () => Promise<T>, { classify, notice, signal }: RetryOptions): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (tried === TRIES || signal?.aborted || classify(error) !== 'transient') throw error
      const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tried - 1))
      const waitMs = Math.round(most * (0.5 + Math.random() / 2))
      notice?.(`${(error as Error).message}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
      await delay(waitMs, undefined, { signal }).catch(() => undefined)
    }
  }
}
