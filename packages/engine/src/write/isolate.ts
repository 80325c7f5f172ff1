import type { RejectCode } from '../reject/reject.ts'

/** Why a database refused rows. */
export interface Refusal {
  code: RejectCode
  /** The database's own words. */
  message: string
  /** Name of the target column where the database tells it. */
  column: string | null
  /** Rank of the row that the database named, where it named one. It is only a hint. */
  row?: number
  /** Every row of the attempt was refused, each for this. */
  all?: boolean
  /** A row may refer to one behind it, and be welcome once that is in. */
  waits?: boolean
}

/** Of rows that went nowhere although no error was raised. `taken` of `sent` rows of an attempt are in the table. */
export function leftOut(taken: number, sent: number): Refusal | undefined {
  if (taken >= sent) return undefined
  return { code: 'database-error', message: 'a trigger of the table left the row out', column: null, all: taken === 0 }
}

/** A row that the database refused by itself. */
export interface GuiltyRow {
  rank: number
  refusal: Refusal
}

/**
 * Loads `rows` rows and finds exactly those that the database refuses, in ascending order: `attempt(from, to)` loads the
 * rows of rank `from` up to `to` or changes nothing and says why. For k guilty rows of n it makes O(k log n) attempts.
 *
 * Ranges are tried strictly from left to right and a row is guilty only when it fails alone, after everything before
 * it is in. So the earlier of two conflicting rows wins, however the rows were cut into batches. Only a range whose rows may
 * wait for one behind it is put off, and tried again behind the others; its rows are guilty when nothing that went in helps.
 *
 * A refused range is split at the row that the database names, else in the middle. The name is a hint because PostgreSQL's COPY
 * inserts through a buffer: a violation of a CHECK is reported before that of a unique key further up. Misleading
 * names cannot cost an attempt a row: one that proves wrong (the row loads alone) ends the trust in names, and what
 * stands before a named row is split by names only {@link NAMES_IN_A_ROW} times more.
 */
export async function isolate(
  rows: number,
  attempt: (from: number, to: number) => Promise<Refusal | undefined>,
): Promise<GuiltyRow[]> {
  const guilty: GuiltyRow[] = []
  // What is still to be loaded, the leftmost range on top.
  const ranges: Range[] = [{ from: 0, to: rows, names: NAMES_IN_A_ROW }]
  // Rows that an attempt takes of a `rest`: few where refusals are dense, so that not the whole rest is sent again for
  // each of them; doubled by each success, so that a clean rest costs log n attempts.
  let span = rows
  let trustNames = true
  let putOff: Range[] = []
  let helped = false
  /** What is tried when nothing else is left: ranges that may have found what they waited for, else their halves. */
  const again = (): Range | undefined => {
    const whole = helped || putOff.every(({ from, to }) => to - from === 1)
    if (!helped && whole) return undefined
    ranges.push(...(whole ? putOff : putOff.flatMap(halves)).sort((a, b) => a.from - b.from))
    putOff = []
    helped = false
    return ranges.pop()
  }
  for (let range = ranges.pop(); range !== undefined; range = ranges.pop() ?? again()) {
    const { from, names, is } = range
    const to = is === 'rest' ? Math.min(range.to, from + span) : range.to
    if (from === to) continue
    if (to < range.to) ranges.push({ ...range, from: to })
    const refusal = await attempt(from, to)
    if (refusal === undefined) {
      if (is === 'named') trustNames = false
      span = Math.min(rows, span * 2)
      helped = true
    } else if (refusal.waits) {
      putOff.push({ from, to, names, refusal })
    } else if (to - from === 1 || refusal.all) {
      for (let rank = from; rank < to; rank++) guilty.push({ rank, refusal })
    } else if (trustNames && names > 0 && refusal.row !== undefined && refusal.row >= from && refusal.row < to) {
      const { row } = refusal
      ranges.push({ from: row + 1, to, names, is: 'rest' })
      ranges.push({ from: row, to: row + 1, names, is: 'named' })
      ranges.push({ from, to: row, names: names - 1 })
      span = Math.max(1, 2 * (row - from))
    } else {
      ranges.push(...halves({ from, to, names }).reverse())
    }
  }
  for (const { from, refusal } of putOff) guilty.push({ rank: from, refusal: refusal! })
  return guilty.sort((a, b) => a.rank - b.rank)
}

function halves({ from, to, ...rest }: Range): Range[] {
  if (to - from === 1) return [{ from, to, ...rest }]
  const middle = (from + to) >>> 1
  return [
    { from, to: middle, ...rest },
    { from: middle, to, ...rest },
  ]
}

/** Rows that an honest server names one before the other: by CHECK, by unique key, by a trigger at the statement's end. */
const NAMES_IN_A_ROW = 3

interface Range {
  from: number
  to: number
  /** How often it may still be split at a name. */
  names: number
  /** `named`: the one row that the database blamed. `rest`: what stands behind one. */
  is?: 'named' | 'rest'
  /** Of the last attempt, where it is put off. */
  refusal?: Refusal
}
