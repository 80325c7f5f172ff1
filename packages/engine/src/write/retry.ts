import { setTimeout as delay } from 'node:timers/promises'
import { tellRetry } from '../diagnostics.ts'
import { SluiceError } from '../errors.ts'
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
 * {@link TRIES} tries. Throws the last error, at once where it is not transient.
 * @throws SluiceError SLUICE_INTERRUPTED when the signal is aborted: nobody who wants to end waits for a database that is away
 */
export async function retry<T>(work: () => Promise<T>, { classify, notice, signal }: RetryOptions): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await work()
    } catch (error) {
      if (tried === TRIES || classify(error) !== 'transient') throw error
      const { message } = error as Error
      const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (tried - 1))
      const waitMs = Math.round(most * (0.5 + Math.random() / 2))
      if (!signal?.aborted) {
        tellRetry({ reason: message, waitMs })
        notice?.(`${message}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
        await delay(waitMs, undefined, { signal }).catch(() => undefined)
      }
      if (signal?.aborted) {
        throw new SluiceError(
          'SLUICE_INTERRUPTED',
          `Interrupted while the database could not be used: ${message}. Run the same command again to go on.`,
        )
      }
    }
  }
}
