import type { Batch } from '../parse/batch.ts'
import type { Dialect } from '../parse/dialect.ts'
import { RAW_LIMIT, type Reject, type RejectError } from '../reject/reject.ts'

const LF = 0x0a
const CR = 0x0d

/**
 * Makes rejects of rows that the database refused: finds record, line, offset and bytes of each in the batch's input.
 * `guilty` is in ascending order of rank. The input is walked once, and only as far as the last of them.
 */
export function rejectRows(
  batch: Pick<Batch, 'rows' | 'input' | 'rowStarts' | 'rejects' | 'from'>,
  guilty: { rank: number; error: RejectError }[],
  lineEnd: Dialect['lineEnd'] = 'lf',
): Reject[] {
  const { rows, input, rowStarts, rejects, from } = batch
  let counted = 0
  let line = from.line
  // Records that the checks refused before the row at hand: they have an ordinal but no rank.
  let refused = 0
  return guilty.map(({ rank, error }) => {
    const start = rowStarts[rank]!
    const byteOffset = from.byte + start
    line += countLineEnds(input.subarray(counted, start), lineEnd)
    counted = start
    while (refused < rejects.length && rejects[refused]!.byteOffset < byteOffset) refused++
    const nextRefused = refused < rejects.length ? rejects[refused]!.byteOffset - from.byte : input.length
    const nextRow = rank + 1 < rows ? rowStarts[rank + 1]! : input.length
    const next = Math.min(nextRow, nextRefused)
    const end = trimLineEnds(input, start, next)
    return {
      record: from.record + rank + refused + 1,
      line,
      byteOffset,
      errors: [error],
      raw: input.slice(start, Math.min(end, start + RAW_LIMIT)),
      rawLength: end - start,
    }
  })
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

/** The end of a record without its line end and the blank lines behind it. */
function trimLineEnds(bytes: Uint8Array, from: number, to: number): number {
  let end = to
  while (end > from && (bytes[end - 1] === LF || bytes[end - 1] === CR)) end--
  return end
}
