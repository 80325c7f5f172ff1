import { charsetOf } from '../decode/encodings.ts'
import type { Batch } from '../parse/batch.ts'
import type { Dialect } from '../parse/dialect.ts'
import { readKept, type SourceRecord } from '../parse/records.ts'
import { cutValue } from '../reject/messages.ts'
import { RAW_LIMIT, type Reject, type RejectError } from '../reject/reject.ts'
import type { LoadPlan, Outcome } from './database.ts'
import type { GuiltyRow, Refusal } from './isolate.ts'
import type { Merged } from './merged.ts'

const LF = 0x0a
const CR = 0x0d

/** What the rows of a plan are called in the source. */
export interface Naming extends Pick<LoadPlan, 'origins' | 'dialect'> {
  /** Of the target's columns, in the order of the rows. */
  names: string[]
}

/**
 * Makes rejects of rows that the database refused: finds record, line, offset, bytes and value of each in the batch's input.
 * `guilty` is in ascending order of rank. The input is walked once, and only as far as the last of them.
 */
export function rejectRows(
  batch: Pick<Batch, 'rows' | 'input' | 'rowStarts' | 'rejects' | 'from'>,
  guilty: GuiltyRow[],
  naming: Naming,
): Reject[] {
  const { rows, input, rowStarts, rejects, from } = batch
  const sourceColumns = sourceColumnsOf(naming)
  const { lineEnd, encoding } = naming.dialect
  const charset = charsetOf(encoding)
  let counted = 0
  let byteOffset = from.byte
  let line = from.line
  // Records that the checks refused before the row at hand: they have an ordinal but no rank.
  let refused = 0
  return guilty.map(({ rank, refusal }) => {
    const start = rowStarts[rank]!
    const between = input.subarray(counted, start)
    line += countLineEnds(between, lineEnd)
    byteOffset += charset.sourceLength(between)
    counted = start
    while (refused < rejects.length && rejects[refused]!.byteOffset < byteOffset) refused++
    // Blank lines, comments and records that the checks refused may stand between this row and the next.
    const bytes = input.subarray(start, rank + 1 < rows ? rowStarts[rank + 1]! : input.length)
    const [record] = readKept(bytes, naming.dialect, sourceColumns)
    const length = record ? record.end - record.byteOffset : bytes.length
    return {
      record: from.record + rank + refused + 1,
      line,
      byteOffset,
      errors: [errorOf(refusal, record, naming)],
      // Out of Node's pool: a buffer of its own for each of 50,000 refused rows took hundreds of MB.
      raw: Buffer.from(charset.encode(bytes.subarray(0, Math.min(length, RAW_LIMIT))).subarray(0, RAW_LIMIT)),
      rawLength: charset.sourceLength(bytes.subarray(0, length)),
    }
  })
}

/** The columns of the source that are loaded, each in its place. */
function sourceColumnsOf({ origins }: Naming): string[] {
  const columns: string[] = []
  for (const { cell, header } of origins) if (cell !== null) columns[cell] = header
  return Array.from(columns, (name) => name ?? '')
}

function errorOf({ column, code, message }: Refusal, record: SourceRecord | undefined, naming: Naming): RejectError {
  const origin = column === null ? undefined : naming.origins[naming.names.indexOf(column)]
  const text = typeof origin?.cell === 'number' ? record?.cells[origin.cell]?.text : undefined
  return { column: origin?.header ?? column, code, message, value: text === undefined ? null : cutValue(text) }
}

/** Line ends in `bytes`, which end where a record begins and so never between CR and LF. */
function countLineEnds(bytes: Uint8Array, lineEnd: Dialect['lineEnd']): number {
  let count = 0
  const first = lineEnd === 'cr' ? CR : LF
  for (let at = bytes.indexOf(first); at !== -1; at = bytes.indexOf(first, at + 1)) count++
  if (lineEnd !== 'any') return count
  for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) count++
  }
  return count
}

/** What a transaction is to save beside the rows it holds. */
export interface Settled {
  outcome: Outcome
  /** Of the checks and of the database, in order. */
  rejects: Reject[]
  recordsRead: number
}

/** Accounts for a batch of whose rows the database refused the guilty ones and took the others. Of duplicates only those that are told become rejects. */
export function settle(batch: Batch, guilty: GuiltyRow[], merged: Merged, naming: Naming): Settled {
  const isDuplicate = ({ refusal }: GuiltyRow) => refusal.code === 'duplicate'
  const refused = rejectRows(batch, merged.told ? guilty : guilty.filter((row) => !isDuplicate(row)), naming)
  const { updated, unchanged } = merged
  const duplicates = merged.duplicates + guilty.filter(isDuplicate).length
  const inserted = batch.rows - guilty.length - merged.duplicates - updated - unchanged
  return {
    outcome: { inserted, updated, unchanged, duplicates, rejects: refused },
    rejects: [...batch.rejects, ...refused].sort((a, b) => a.record - b.record),
    recordsRead: batch.rows + batch.rejects.length,
  }
}
