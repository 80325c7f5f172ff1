import { setTimeout as delay } from 'node:timers/promises'
import type { Batch } from '../../parse/batch.ts'
import { isDatabaseError } from './errors.ts'
import type { LoadRows } from './load-rows.ts'
import { rollback, type Session } from './session.ts'

/** How long a batch that is in waits for the one before it until it looks whether it stands in somebody's way. */
const LOOK_MS = 100
/** How long a batch that waits does nothing, in ms; the limit is a minute. */
const STIR_MS = 10_000
/** Batches that begin late, at most, after one that began early in vain. */
const LONGEST_PATIENCE = 64

/**
 * Brings the rows of a batch in while the one before it is on its way, so that the server works on both at once, and waits for that one's
 * commit. Nothing that is decided here depends on the other batch: where a row is refused, or where somebody waits for a lock of
 * ours while we wait (it may be that batch, which comes first), everything is undone and false returned, and the batch must begin
 * again behind the other.
 * @param after settles with the batch before it; what it rejects with is thrown
 */
export async function bringInEagerly(
  session: Session,
  batch: Batch,
  loadRows: LoadRows,
  after: Promise<unknown>,
): Promise<boolean> {
  try {
    if ((await loadRows(session, batch, 0, batch.rows)) < batch.rows) return undo(session)
  } catch (error) {
    if (!isDatabaseError(error) || session.broken) throw error
    return undo(session)
  }
  for (;;) {
    if (await isSettled(after, LOOK_MS)) return true
    // Not by pg_stat_activity, which a transaction sees as it was when it first looked.
    const [found] = await session.query<{ waits: boolean }>(
      `SELECT EXISTS (
         SELECT FROM pg_catalog.pg_locks WHERE NOT granted AND pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(pid))
       ) AS waits`,
    )
    if (found?.waits) return undo(session)
  }
}

/**
 * Waits for the batch before this one, in a transaction that has no lock that anybody could wait for.
 * @param after settles with that batch; what it rejects with is thrown
 */
export async function awaitTurn(session: Session, after: Promise<unknown>): Promise<void> {
  // The server ends transactions in which nothing is done for long.
  while (!(await isSettled(after, STIR_MS))) await session.query('SELECT')
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

async function undo(session: Session): Promise<false> {
  await rollback(session)
  return false
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
