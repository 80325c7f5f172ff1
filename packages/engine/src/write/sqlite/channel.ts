import type { Batch } from '../../parse/batch.ts'
import type { Outcome, Replay } from '../database.ts'
import type { SentError } from './errors.ts'
import type { Session } from './session.ts'

/**
 * Batches of one transaction, at most, and of those on their way. A commit waits 4 to 5 ms for a good disk, a third of what a batch takes:
 * 1,000,000 records with a primary key took 2.07 s with one of 2 MiB, 1.88 s with two, 1.77 s with three, and 5 MB more with each; three of
 * 1.5 MiB took 1.73 s (medians of four).
 */
export const MOST_TOGETHER = 3

/** Where a batch stands in the source. */
export type Ends = Pick<Batch, 'from' | 'to'>

/** How a batch is to be committed. */
export interface Joining {
  /** Behind another one, which must be in before it. */
  isBehind?: boolean
  /** In a transaction of its own. */
  isAlone?: boolean
  replay?: Replay | undefined
}

/**
 * Instead of an outcome: the batch is not committed, because it was in one transaction with another one that failed, or came behind one
 * that is not in. It is to come again by itself, behind the one before it.
 */
export const UNDONE = 'undone'

export type Answer = Outcome | typeof UNDONE

/** What a session is opened with. */
export type Opening = [path: string, busyTimeout: number]

export type Method = 'query' | 'transact' | 'describe' | 'createTable' | 'prepare' | 'commit' | 'close'

/** A call of a method of one of the thread's sessions, or its opening. */
export type Call<M extends Method = Method> = { session: number } & (
  | { method: M; args: Parameters<Session[M]> }
  | { method: 'open'; args: Opening }
)

export type Result<M extends Method> = M extends 'commit' ? Answer : Awaited<ReturnType<Session[M]>>

/** One a call, in the order of the calls. */
export type Reply = { value: unknown } | { error: SentError }
