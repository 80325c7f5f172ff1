import { setTimeout as delay } from 'node:timers/promises'
import type { Batch } from '../../parse/batch.ts'
import { isDatabaseError } from './errors.ts'
import type { LoadRows } from './load-rows.ts'
import type { Session } from './session.ts'

/** How long a batch that is in waits for the one before it until it looks whether it stands in somebody's way. */
const LOOK_MS = 100
/**
 * How long the rows of an early batch may wait for a lock. It is most likely the batch before that has it, for the same key, and then they are
 * refused in the end; where both have what the other one needs, this one gives way before the server picks one of them after a second.
 */
const LOCK_TIMEOUT = "SET LOCAL lock_timeout = '100ms'"
/** Batches that begin late, at most, after one that began early in vain. */
const LONGEST_PATIENCE = 64

/**
 * Brings the rows of a batch in while the one before it is on its way, so that the server works on both at once, and waits for that one's
 * commit. Nothing that is decided here depends on the other batch: where a row is refused, where somebody waits for a lock of
 * ours while we wait (it may be that batch, which comes first), or where that batch has lost its transaction and may need ours to get another,
 * false is returned, and the batch must be undone and begin again behind the other.
 * @param after settles with the batch before it; what it rejects with is thrown
 * @param isAhead whether that batch has a transaction, or is committed
 */
export async function bringInEagerly(
  session: Session,
  batch: Batch,
  loadRows: LoadRows,
  after: Promise<unknown>,
  isAhead: () => boolean,
): Promise<boolean> {
  try {
    await session.run(LOCK_TIMEOUT)
    if ((await loadRows(session, batch, 0, batch.rows)) < batch.rows) return false
    await session.run('SET LOCAL lock_timeout TO DEFAULT')
  } catch (error) {
    if (!isDatabaseError(error)) throw error
    return false
  }
  for (;;) {
    if (await isSettled(after, LOOK_MS)) return true
    if (!isAhead()) return false
    // Not by pg_stat_activity, which a transaction sees as it was when it first looked.
    const [found] = await session.query<{ waits: boolean }>(
      `SELECT EXISTS (
         SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(pid))
       ) AS waits`,
    )
    if (found?.waits) return false
  }
}

/**
 * Waits for the batch before this one, in a transaction that has no lock that anybody could wait for. False where that one has lost its
 * transaction and may need ours to get another.
 * @param after settles with that batch; what it rejects with is thrown
 * @param isAhead whether that batch has a transaction, or is committed
 */
export async function awaitTurn(session: Session, after: Promise<unknown>, isAhead: () => boolean): Promise<boolean> {
  while (!(await isSettled(after, LOOK_MS))) {
    if (!isAhead()) return false
    // The server ends transactions in which nothing is done for long.
    await session.query('SELECT')
  }
  return true
}

/** Whether `after` resolves within so many ms. */
async function isSettled(after: Promise<unknown>, ms: number): Promise<boolean> {
  const done = new AbortController()
  const timeOut = delay(ms, false, { signal: done.signal }).catch(() => false)
  try {
    return await Promise.race([after.then(() => true), timeOut])
  } finally {
    done.abort()
  }
}

/**
 * Whether it is worth it: in a source where rows are refused, or collide with their neighbours, the eager attempts would be made in vain.
 * After each of those twice as many batches begin late.
 */
export class Eagerness {
  #patience = 0
  #late = 0

  mayBegin(): boolean {
    if (this.#late === 0) return true
    this.#late--
    return false
  }

  learn(wasWorthIt: boolean): void {
    this.#patience = wasWorthIt ? 0 : Math.min(LONGEST_PATIENCE, this.#patience * 2 || 1)
    this.#late = this.#patience
  }
}
