import type { Batch } from '../../parse/batch.ts'
import type { Position } from '../../parse/position.ts'
import type { Outcome } from '../database.ts'
import { type Answer, type Ends, type Joining, MOST_TOGETHER, UNDONE } from './channel.ts'
import type { Load } from './load.ts'

/**
 * Commits batches, as many in one transaction as wait for it: a source that is faster than the database pays for one COMMIT, and a slow one
 * waits for nobody. What goes wrong with several in it is told by none of them: they are undone, and come again one by one.
 */
export class Group {
  readonly #load: Load
  readonly #mostRecords: number
  /** What the batches of the open transaction have come to. */
  #outcomes: Outcome[] = []
  /** Ordinal of the record before the first one of the transaction. */
  #begin = 0
  /** Byte of the source before which everything is in. */
  #end: number | undefined

  /** @param mostRecords of one transaction */
  constructor(load: Load, mostRecords = 0) {
    this.#load = load
    this.#mostRecords = mostRecords
  }

  /**
   * @param next the batch of the next call, if that is there already and may join this one
   * @returns the answers of the calls whose turn it is; none as long as the transaction is open
   */
  async commit(
    batch: Batch,
    to: Position,
    { isBehind, isAlone, replay }: Joining,
    next: () => Ends | undefined,
  ): Promise<Answer[]> {
    if (isBehind && batch.from.byte !== this.#end) return [UNDONE]
    const before = this.#outcomes
    this.#outcomes = []
    this.#end = undefined
    if (isAlone || replay || !this.#load.takesSeveral) {
      const outcome = await this.#load.commit(batch, to, replay)
      this.#end = to.byte
      return [outcome]
    }
    if (before.length === 0) this.#begin = batch.from.record
    try {
      const outcomes = [...before, await this.#load.bringIn(batch, to, before.length)]
      const isOpen = outcomes.length < MOST_TOGETHER && this.#takes(next(), to)
      if (isOpen) this.#outcomes = outcomes
      else this.#load.end()
      this.#end = to.byte
      return isOpen ? [] : outcomes
    } catch (error) {
      this.#load.undo()
      if (before.length === 0) throw error
      return [...before, undefined].map((): Answer => UNDONE)
    }
  }

  #takes(next: Ends | undefined, end: Position): boolean {
    return next?.from.byte === end.byte && next.to.record - this.#begin <= this.#mostRecords
  }
}
