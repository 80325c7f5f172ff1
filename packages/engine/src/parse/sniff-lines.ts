import type { Dialect } from './dialect.ts'
import { type Position, START } from './position.ts'

/** Enough to see the shape of a file. */
const SAMPLE_BYTES = 32_768

const [CR, LF, QUOTE] = [0x0d, 0x0a, 0x22]
/** What stands before a field: a line end or a likely delimiter. */
const BEFORE_FIELD = new Set([...Buffer.from('\r\n,;\t|')])

/** Where the first line behind `lines` physical ones begins. The line end is told from the sample where it is not given. */
export function behindLines(
  sample: Uint8Array,
  lines: number,
  lineEnd: Dialect['lineEnd'] = lineEndOf(headOf(sample, true).bytes),
): Position {
  let at = 0
  let line = 1
  for (; line <= lines && at < sample.length; at++) {
    const [byte, next] = [sample[at], sample[at + 1]]
    if (lineEnd === 'cr' ? byte === CR : byte === LF || (lineEnd === 'any' && byte === CR && next !== LF)) line++
  }
  return { byte: at, line, record: 0 }
}

/** What ends the line that names the delimiter. */
const LINE_ENDS = { lf: '\\r*\\n', cr: '\\r', any: '\\r?\\n|\\r', unknown: '\\r*\\n|\\r' }

/** Excel's first line `sep=;`, which names the delimiter and is no record. */
export function separatorLine(
  sample: Uint8Array,
  lineEnd: Dialect['lineEnd'] | 'unknown' = 'unknown',
): { start: Position; separator?: string } {
  const opening = Buffer.from(sample.subarray(0, 16)).toString('latin1')
  const line = new RegExp(`^(?:\\xef\\xbb\\xbf)?sep=([^\\w"\\s]|\\t)(?:${LINE_ENDS[lineEnd]})`, 'i').exec(opening)
  return line ? { start: { byte: line[0].length, line: 2, record: 0 }, separator: line[1]! } : { start: START }
}

/** The part of the sample that is looked at: whole lines where there are any, and long enough for a record. */
export function headOf(sample: Uint8Array, complete: boolean): { bytes: Uint8Array; whole: boolean } {
  const end = sample.length <= SAMPLE_BYTES ? -1 : sample.subarray(0, SAMPLE_BYTES).lastIndexOf(LF)
  return end < 0 ? { bytes: sample, whole: complete } : { bytes: sample.subarray(0, end + 1), whole: false }
}

/** The dialect's line end, by what ends the first lines outside quotes. */
export function lineEndOf(bytes: Uint8Array): Dialect['lineEnd'] {
  let returns = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE && (at === 0 || BEFORE_FIELD.has(bytes[at - 1]!))) at = closingQuote(bytes, at)
    // One CR before the first LF is more likely text in a header than a line end.
    else if (byte === LF) return returns > 1 ? 'any' : 'lf'
    else if (byte === CR) {
      while (bytes[at + 1] === CR) at++
      if (bytes[at + 1] !== LF) returns++
    }
  }
  return returns > 0 ? 'cr' : 'lf'
}

/** Where the quote that closes the field opened at `open` stands, or the end. */
function closingQuote(bytes: Uint8Array, open: number): number {
  for (let at = bytes.indexOf(QUOTE, open + 1); at >= 0; at = bytes.indexOf(QUOTE, at + 2)) {
    if (bytes[at + 1] !== QUOTE) return at
  }
  return bytes.length
}
