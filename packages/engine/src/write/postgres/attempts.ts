import type { Batch } from '../../parse/batch.ts'
import type { LoadPlan } from '../database.ts'
import { type GuiltyRow, isolate, leftOut, type Refusal } from '../isolate.ts'
import type { Merged } from '../merged.ts'
import { refusedForTarget, type TakenRow } from '../taken.ts'
import type { Blame } from './blame.ts'
import { describeTable } from './describe.ts'
import type { Eagerness } from './eager.ts'
import { classify, isDatabaseError, isMalformed } from './errors.ts'
import { quoteTable } from './identifier.ts'
import type { LoadRows } from './load-rows.ts'
import type { Merge } from './merge.ts'
import type { Storable } from './server-encoding.ts'
import type { Session } from './session.ts'
import type { Shape } from './shape.ts'

/** What the batches of one load have in common. */
export interface Load {
  plan: LoadPlan
  /** Of the target's columns. */
  names: string[]
  loadRows: LoadRows
  blame: Blame
  shape: Shape
  storable: Storable
  /** Nothing that happens to a row depends on rows before it, but for constraints that make one wait for the other. */
  isIndependent: boolean
  eagerness: Eagerness
  /** Unique keys of the table for which rows are staged. */
  keys: string[][]
  /** Where a key may be taken without the row being refused. */
  merge: Merge | undefined
  /** The unique index of the key was not there when last looked for. */
  isLate: boolean
}

/** Whether the unique index on the key that rows are told apart by is missing, and will be until the end of the transaction. */
export async function lacksKey(session: Session, { table, conflict }: LoadPlan): Promise<boolean> {
  await session.run(`LOCK TABLE ${quoteTable(table)} IN ROW EXCLUSIVE MODE; RELEASE SAVEPOINT sluice; SAVEPOINT sluice`)
  const { uniqueKeys } = (await describeTable(session, table))!
  return !uniqueKeys.some((key) => key.join() === conflict!.key.join())
}

/** Each attempt ends with the savepoint behind everything that is in and nothing else. */
export function attempts(session: Session, batch: Batch, { loadRows, blame, shape }: Load) {
  let loaded = false
  let isVerified = false
  return async (from: number, to: number): Promise<Refusal | undefined> => {
    if (loaded) await session.run('RELEASE SAVEPOINT sluice; SAVEPOINT sluice')
    try {
      const left = leftOut(await loadRows(session, batch, from, to), to - from)
      if (left) await session.run('ROLLBACK TO SAVEPOINT sluice')
      loaded = left === undefined
      return left
    } catch (error) {
      const isData = isDatabaseError(error) && classify(error) === 'data'
      if (!(isData || isMalformed(error))) throw error
      await session.run('ROLLBACK TO SAVEPOINT sluice')
      // Before thousands of rows are refused for what is not their fault.
      if (!isVerified) await shape.verify(session)
      isVerified = true
      if (!isData) throw error
      loaded = false
      return blame.refusal(session, error, from)
    }
  }
}

/** Brings the rows of a batch in as if no key of theirs were taken, which is quicker; false, and nothing is done, where one is. */
export async function bringInStraight(session: Session, batch: Batch, load: Load): Promise<boolean> {
  if (!load.eagerness.mayBegin()) return false
  // Whatever it ends with, a deadlock too, the next batch is better merged.
  load.eagerness.learn(false)
  const refusal = await attempts(session, batch, load)(0, batch.rows)
  if (refusal === undefined) load.eagerness.learn(true)
  return refusal === undefined
}

/**
 * Brings the rows of a batch in where keys of theirs may be taken.
 * @param turn Resolves with true when the batch before it is committed. Until then rows only go to the session's own table.
 * @returns The rows that the database refused; undefined where it was not to have its turn, and is to be undone
 */
export async function mergeBatch(
  session: Session,
  batch: Batch,
  { blame, plan, keys }: Load,
  merge: Merge,
  merged: Merged,
  turn: () => Promise<boolean>,
): Promise<GuiltyRow[] | undefined> {
  const taken: TakenRow[] = []
  /** What is done where the database refuses a value of a row, or the row. */
  const orBlame = async (from: number, work: () => Promise<Refusal | undefined>): Promise<Refusal | undefined> => {
    try {
      const refusal = await work()
      if (refusal) await session.run('ROLLBACK TO SAVEPOINT sluice')
      return refusal
    } catch (error) {
      if (!isDatabaseError(error) || classify(error) !== 'data') throw error
      await session.run('ROLLBACK TO SAVEPOINT sluice')
      return blame.refusal(session, error, from)
    }
  }
  const stage = async (from: number, to: number): Promise<undefined> => {
    await merge.stage(session, batch, from, to)
  }
  await session.run('RELEASE SAVEPOINT sluice')
  await merge.open(session)
  await session.run('SAVEPOINT sluice')
  let stagedBefore = batch.rows > 0 && (await orBlame(0, () => stage(0, batch.rows))) === undefined
  if (!(await turn())) return undefined
  let holdsRows = stagedBefore
  const attempt = async (from: number, to: number): Promise<Refusal | undefined> => {
    const isStaged = stagedBefore && from === 0 && to === batch.rows
    if (holdsRows && !isStaged) await session.run(`RELEASE SAVEPOINT sluice; ${merge.clearing}; SAVEPOINT sluice`)
    stagedBefore = false
    const refusal = await orBlame(from, async () => {
      if (!isStaged) await stage(from, to)
      const done = await merge.merge(session, from, to)
      if ('refusal' in done) return done.refusal
      merged.add(done.tally)
      taken.push(...done.taken)
      return undefined
    })
    holdsRows = refusal === undefined
    return refusal
  }
  const guilty = await isolate(batch.rows, attempt)
  return refusedForTarget(guilty, taken, keys, plan)
}
