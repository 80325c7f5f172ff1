import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, leaseOwner, livesNoMore } from '@sluice/engine'
import type { Logger } from 'pino'

/** A server that was not heard of for so long, in seconds, holds nothing any more. */
const CLAIM_SECONDS = 10
/** Milliseconds between two looks of who holds an upload, and of who waits for it. */
const HOLD_MS = 1_000
const WAIT_MS = 100

/**
 * Which server takes in a piece of a resumable upload, where there are several: with a bucket two of them would each send a part of their
 * own under one number. A server that wants to asks the one that does to end, and waits for it, or for the end of its claim. In
 * PostgreSQL only: SQLite has one server.
 */
export class PieceClaims {
  readonly #database: Database
  readonly #log: Logger

  constructor(database: Database, log: Logger) {
    this.#database = database
    this.#log = log
  }

  /**
   * Claims an upload, and keeps it until the function that this returns is called.
   * @param signal ends the wait for another server; the error is its reason
   * @param release is called when another server wants the upload, or has it already
   * @throws what `Database.query` throws
   */
  async claim(uploadId: string, signal: AbortSignal, release: () => unknown): Promise<() => Promise<void>> {
    const holder = `${leaseOwner()}/${randomUUID().slice(0, 8)}`
    while (!(await this.#take(uploadId, holder))) {
      await delay(WAIT_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
    const timer = setInterval(() => {
      this.#hold(uploadId, holder).then(
        (isKept) => isKept || release(),
        (error: Error) => this.#log.debug({ uploadId, reason: error.message }, 'a claim is not renewed'),
      )
    }, HOLD_MS)
    return async () => {
      clearInterval(timer)
      try {
        await this.#database.query(
          'UPDATE sluice_uploads SET held_by = NULL, held_until = NULL WHERE upload_id = $1 AND held_by = $2',
          [uploadId, holder],
        )
      } catch (error) {
        this.#log.debug({ uploadId, reason: (error as Error).message }, 'a claim is left to run out')
      }
    }
  }

  async #take(uploadId: string, holder: string): Promise<boolean> {
    const until = `${this.#database.now} + interval '${CLAIM_SECONDS} seconds'`
    const taken = await this.#database.query(
      `UPDATE sluice_uploads SET held_by = $2, held_until = ${until}, is_wanted = false
         WHERE upload_id = $1 AND (held_by IS NULL OR held_until < ${this.#database.now}) RETURNING 1`,
      [uploadId, holder],
    )
    if (taken.length > 0) return true
    const [other] = await this.#database.query<{ held_by: string | null }>(
      'UPDATE sluice_uploads SET is_wanted = true WHERE upload_id = $1 RETURNING held_by',
      [uploadId],
    )
    // What was given up is nobody's; the store says that it is gone.
    if (!other) return true
    if (other.held_by === null || !livesNoMore(other.held_by)) return false
    await this.#database.query('UPDATE sluice_uploads SET held_by = NULL WHERE upload_id = $1 AND held_by = $2', [
      uploadId,
      other.held_by,
    ])
    return this.#take(uploadId, holder)
  }

  /** @returns false when another server wants the upload or has it */
  async #hold(uploadId: string, holder: string): Promise<boolean> {
    const [held] = await this.#database.query<{ is_wanted: boolean }>(
      `UPDATE sluice_uploads SET held_until = ${this.#database.now} + interval '${CLAIM_SECONDS} seconds'
         WHERE upload_id = $1 AND held_by = $2 RETURNING is_wanted`,
      [uploadId, holder],
    )
    return held !== undefined && !held.is_wanted
  }
}
