import { basename } from 'node:path'
import type { Lock, Locker, RequestRelease } from '@tus/server'
import type { PieceClaims } from '../jobs/piece-claims.ts'
import { Problem } from './problem.ts'

/** Longest wait for who holds an upload, in ms: three seconds in which its request ends, and what it has is stored. */
const WAIT_MS = 30_000

interface Holder {
  requestRelease: RequestRelease
  released: Promise<void>
  release: () => void
  /** Lets the other servers have it. */
  unclaim: () => Promise<void>
}

/**
 * One request at a time works on an upload. Who comes next asks the one before to end, which may hang on a connection that nobody is
 * on any more, and waits for it, in this process and in others. (The locker of the library looks again in each turn of the event loop.)
 */
export class UploadLocks implements Locker {
  readonly #claims: PieceClaims | null
  readonly #holders = new Map<string, Holder>()

  /** @param claims among several servers; null where there is one */
  constructor(claims: PieceClaims | null) {
    this.#claims = claims
  }

  newLock(key: string): Lock {
    return {
      lock: async (signal, requestRelease) => {
        const ends = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)])
        for (let holder = this.#holders.get(key); holder; holder = this.#holders.get(key)) {
          await holder.requestRelease()
          await until(holder.released, ends)
        }
        const { promise: released, resolve: release } = Promise.withResolvers<void>()
        const holder: Holder = { requestRelease, released, release, unclaim: async () => undefined }
        this.#holders.set(key, holder)
        try {
          if (this.#claims) holder.unclaim = await this.#claims.claim(basename(key), ends, requestRelease)
        } catch (error) {
          this.#free(key)
          throw ends.aborted ? taken() : error
        }
      },
      unlock: async () => {
        await this.#holders.get(key)?.unclaim()
        this.#free(key)
      },
    }
  }

  #free(key: string): void {
    const holder = this.#holders.get(key)
    this.#holders.delete(key)
    holder?.release()
  }
}

function taken(): Problem {
  return new Problem(423, 'Another request is at work on this upload; try again')
}

/** @throws Problem 423 where the signal comes first */
async function until(released: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const refuse = () => reject(taken())
  if (signal.aborted) refuse()
  signal.addEventListener('abort', refuse, { once: true })
  try {
    await Promise.race([released, promise])
  } finally {
    signal.removeEventListener('abort', refuse)
  }
}
