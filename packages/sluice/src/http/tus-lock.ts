import type { Lock, Locker, RequestRelease } from '@tus/server'
import { Problem } from './problem.ts'

/** Longest wait for who holds an upload, in ms: three seconds in which its request ends, and what it has is stored. */
const WAIT_MS = 30_000

interface Holder {
  requestRelease: RequestRelease
  released: Promise<void>
  release: () => void
}

/**
 * One request at a time works on an upload. Who comes next asks the one before to end, which may hang on a connection that nobody is
 * on any more, and waits for it. (The locker of the library looks again in each turn of the event loop.)
 */
export class UploadLocks implements Locker {
  readonly #holders = new Map<string, Holder>()

  newLock(key: string): Lock {
    return {
      lock: async (signal, requestRelease) => {
        const ends = AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)])
        for (let holder = this.#holders.get(key); holder; holder = this.#holders.get(key)) {
          await holder.requestRelease()
          await until(holder.released, ends)
        }
        const { promise: released, resolve: release } = Promise.withResolvers<void>()
        this.#holders.set(key, { requestRelease, released, release })
      },
      unlock: async () => {
        const holder = this.#holders.get(key)
        this.#holders.delete(key)
        holder?.release()
      },
    }
  }
}

/** @throws Problem 423 where the signal comes first */
async function until(released: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const refuse = () => reject(new Problem(423, 'Another request is at work on this upload; try again'))
  if (signal.aborted) refuse()
  signal.addEventListener('abort', refuse, { once: true })
  try {
    await Promise.race([released, promise])
  } finally {
    signal.removeEventListener('abort', refuse)
  }
}
