// Finds the ends of fields and records in delimited text (docs/reference/csv.md). The result is an index: one u32 for
// each field, `offset << 2 | kind`, where the offset is that of the byte behind the one that ends the field.
//
// Two scanners share the work. The fast one looks at 64 bytes at once and knows quotes by their parity (as simdjson
// does); it stops where parity does not tell the truth: at a quote inside an unquoted field, or at something after a
// closing quote. The careful one then reads that one record byte by byte, and the fast one goes on behind it.
import { count, find, matches } from '../bytes'
import { QUOTE, RECORD_TOO_LARGE, SOUND, UNCLOSED_QUOTE } from '../reasons'

/** The field ends at a delimiter. */
export const FIELD_END: u32 = 0
/** The field and its record end at a line end. */
export const RECORD_END: u32 = 1
/** The record is faulty: it has this one entry, and the next entry of the fault list says why. */
export const FAULT: u32 = 2
/** A comment: one entry, no record. */
export const COMMENT: u32 = 3

/** Bytes of an entry in the fault list: reason, ordinal of the cell, end of the record's bytes. */
export const FAULT_BYTES: usize = 12

const NONE: i32 = -1
const CR: u32 = 13
const LF: u32 = 10

/** `lineEnd` of the dialect. */
const LINE_LF: i32 = 0
const LINE_CR: i32 = 1
const LINE_ANY: i32 = 2

/** CRs beyond the size limit that are waited for: a run without end must not be. */
const MOST_RETURNS: usize = 16384

// What scanRecord found.
const COMPLETE: i32 = 0
const NEED_MORE: i32 = 1
/** The record passed the size limit and its line end is not in the buffer. */
const ENDLESS: i32 = 2

export class Scan {
  /** Its first byte; how many it has, up to 8; and all of them, with a mask of so many. */
  static delimiter: u32 = 44
  static delimiterLength: usize = 1
  static delimiterBytes: u64 = 44
  static delimiterMask: u64 = 255
  /** Whether empty unquoted cells behind the last column are no cells. */
  static trailingDelimiter: bool = false
  static quote: i32 = 34
  static escape: i32 = NONE
  static comment: i32 = NONE
  static lineEnd: i32 = LINE_LF
  static maxRecord: usize = 0
  /** Whether the source ends where the input does. */
  static final: bool = false

  static input: usize = 0
  static index: usize = 0
  static indexLimit: usize = 0
  static faults: usize = 0
  static faultLimit: usize = 0

  /** First entry behind the last one written. */
  static indexEnd: usize = 0
  static faultEnd: usize = 0
  /** Where the records in the index end and reading goes on. */
  static next: usize = 0
  /** Of a line that the buffer cannot hold: what is wrong with its record (SOUND: it is a comment), and in which cell. */
  static endlessReason: u32 = SOUND
  static endlessCell: u32 = 0
}

/** What {@link scan} returns. */
export const SCAN_RECORDS: i32 = 0
export const SCAN_NEED_MORE: i32 = 1
export const SCAN_ENDLESS: i32 = 2

/**
 * Indexes the whole records in [from, end). `final`: nothing comes after `end`, so that the last record needs no line end.
 * Returns SCAN_RECORDS when the index has something, SCAN_NEED_MORE when no whole record is there, and SCAN_ENDLESS when the
 * first record is over the size limit and its line has not ended yet. `careful`: index one record only, with the careful scanner.
 */
export function scan(from: usize, end: usize, final: bool, careful: bool): i32 {
  Scan.indexEnd = Scan.index
  Scan.faultEnd = Scan.faults
  Scan.next = from
  Scan.final = final
  const fast =
    !careful &&
    Scan.escape == NONE &&
    Scan.comment == NONE &&
    Scan.lineEnd != LINE_ANY &&
    Scan.delimiterLength == 1
  while (Scan.next < end) {
    // Room for one record of the careful scanner.
    if (Scan.indexEnd + 64 * 4 > Scan.indexLimit || Scan.faultEnd + FAULT_BYTES > Scan.faultLimit) break
    if (fast && scanClean(Scan.next, end)) {
      if (!final && end - Scan.next <= Scan.maxRecord) break
      if (Scan.next >= end) break
    }
    const found = scanRecord(Scan.next, end, final)
    if (found == COMPLETE) {
      if (careful) break
      continue
    }
    if (Scan.indexEnd == Scan.index) return found == ENDLESS ? SCAN_ENDLESS : SCAN_NEED_MORE
    break
  }
  return Scan.indexEnd == Scan.index ? SCAN_NEED_MORE : SCAN_RECORDS
}

/** Bit i: whether an odd number of bits up to and including i are set. */
// @ts-ignore: decorator
@inline
function prefixXor(bits: u64): u64 {
  bits ^= bits << 1
  bits ^= bits << 2
  bits ^= bits << 4
  bits ^= bits << 8
  bits ^= bits << 16
  bits ^= bits << 32
  return bits
}

// @ts-ignore: decorator
@inline
function mask64(a: v128, b: v128, c: v128, d: v128, wanted: v128): u64 {
  return (
    <u64>matches(a, wanted) |
    (<u64>matches(b, wanted) << 16) |
    (<u64>matches(c, wanted) << 32) |
    (<u64>matches(d, wanted) << 48)
  )
}

/**
 * The fast scanner: appends whole records to the index until the input ends (true) or something needs care, or the index
 * is full (false); `Scan.next` is behind the last whole record.
 */
function scanClean(from: usize, end: usize): bool {
  const delimiter = i8x16.splat(<i8>Scan.delimiter)
  const quote = i8x16.splat(<i8>Scan.quote)
  const newline = i8x16.splat(Scan.lineEnd == LINE_CR ? 13 : 10)
  const hasQuote = Scan.quote != NONE
  const input = Scan.input
  const limit = Scan.indexLimit - 64 * 4
  let o = Scan.indexEnd
  let lastEnd: usize = 0
  // Carried from block to block: inside quotes (all bits or none), the byte before was a separator or a quote, it was a closing quote.
  let inside: u64 = 0
  let afterSeparator: u64 = 1
  let afterClose: u64 = 0
  let clean = true
  for (let p = from; p < end; p += 64) {
    if (o > limit) {
      clean = false
      break
    }
    const a = v128.load(p)
    const b = v128.load(p, 16)
    const c = v128.load(p, 32)
    const d = v128.load(p, 48)
    const valid: u64 = end - p < 64 ? (<u64>1 << (<u64>(end - p))) - 1 : ~(<u64>0)
    const quotes = hasQuote ? mask64(a, b, c, d, quote) & valid : 0
    let lines = mask64(a, b, c, d, newline)
    let quoted = inside
    if (quotes) {
      quoted ^= prefixXor(quotes)
      inside = <u64>((<i64>quoted) >> 63)
    }
    let ends = (mask64(a, b, c, d, delimiter) | lines) & ~quoted & valid
    const marks = ends | quotes
    if (quotes | afterClose) {
      const closing = quotes & ~quoted
      let wrong = quotes & quoted & ~((marks << 1) | afterSeparator)
      let stray = ((closing << 1) | afterClose) & ~marks & valid
      if (stray) stray = withoutCarriageReturns(stray, p, end)
      wrong |= stray
      afterClose = closing >> 63
      if (wrong) {
        ends &= (wrong & (0 - wrong)) - 1
        clean = false
      }
    }
    afterSeparator = marks >> 63
    lines &= ends
    const behind = <u32>(p - input) + 1
    // Four at a time, the last ones of which may be none: a branch for each would be guessed wrong too often.
    const next = o + (<usize>popcnt(ends) << 2)
    while (ends) {
      ends = mark(o, behind, ends, lines)
      ends = mark(o + 4, behind, ends, lines)
      ends = mark(o + 8, behind, ends, lines)
      ends = mark(o + 12, behind, ends, lines)
      o += 16
    }
    o = next
    if (lines) lastEnd = p + 64 - <usize>clz(lines)
    if (!clean) break
  }
  if (lastEnd) {
    // Entries behind the last record end belong to a record that is not whole yet.
    while ((load<u32>(o - 4) & 3) == FIELD_END) o -= 4
    Scan.indexEnd = o
    Scan.next = lastEnd
  }
  return clean
}

/** Writes the entry of the first of the bits in `ends` and returns the others. */
// @ts-ignore: decorator
@inline
function mark(entry: usize, behind: u32, ends: u64, lines: u64): u64 {
  const k = ctz(ends)
  store<u32>(entry, ((behind + <u32>k) << 2) | <u32>((lines >> k) & 1))
  return ends & (ends - 1)
}

/** Takes out of `stray` the carriage returns that belong to a LF: they are part of the line end. */
function withoutCarriageReturns(stray: u64, p: usize, end: usize): u64 {
  if (Scan.lineEnd == LINE_CR) return stray
  let left = stray
  while (left) {
    const k = ctz(left)
    let at = p + <usize>k
    left &= left - 1
    if (load<u8>(at) != CR) continue
    while (at < end && load<u8>(at) == CR) at++
    if (at < end && load<u8>(at) == LF) stray &= ~(<u64>1 << k)
  }
  return stray
}

// @ts-ignore: decorator
@inline
function isDelimiter(p: usize, end: usize): bool {
  if (<u32>load<u8>(p) != Scan.delimiter) return false
  const length = Scan.delimiterLength
  if (length == 1) return true
  return p + length <= end && (load<u64>(p) & Scan.delimiterMask) == Scan.delimiterBytes
}

/** Whether the input ends within what may become a delimiter. */
function isHalfDelimiter(p: usize, end: usize): bool {
  const have = end - p
  if (have >= Scan.delimiterLength) return false
  const mask = (<u64>1 << (<u64>have * 8)) - 1
  return (load<u64>(p) & mask) == (Scan.delimiterBytes & mask)
}

// @ts-ignore: decorator
@inline
function isLineEnd(c: u32): bool {
  return Scan.lineEnd == LINE_LF ? c == LF : Scan.lineEnd == LINE_CR ? c == CR : c == LF || c == CR
}

// @ts-ignore: decorator
@inline
export function behindLineEnd(p: usize, end: usize): usize {
  if (Scan.lineEnd == LINE_ANY && load<u8>(p) == CR && p + 1 < end && load<u8>(p + 1) == LF) return p + 2
  return p + 1
}

/** Line ends in [from, to), in quotes or not. */
export function lines(from: usize, to: usize): u32 {
  if (Scan.lineEnd != LINE_ANY) return count(from, to, Scan.lineEnd == LINE_CR ? 13 : 10)
  let n: u32 = 0
  while (from < to) {
    from = lineEndFrom(from, to)
    if (from == to) break
    from = behindLineEnd(from, to)
    n++
  }
  return n
}

// @ts-ignore: decorator
@inline
function entry(behind: usize, kind: u32): void {
  store<u32>(Scan.indexEnd, (<u32>(behind - Scan.input) << 2) | kind)
  Scan.indexEnd += 4
}

/**
 * Ends the record that begins at `start` with a fault: it goes up to the end of the physical line on which `at` stands, and
 * reading goes on behind that.
 */
function fault(reason: u32, cell: u32, start: usize, at: usize, end: usize, final: bool): i32 {
  let recordEnd = lineEndFrom(at, end)
  if (isCut(recordEnd, end, final)) {
    if (end - start <= Scan.maxRecord) return NEED_MORE
    Scan.endlessReason = reason
    Scan.endlessCell = cell
    return ENDLESS
  }
  const next = recordEnd < end ? behindLineEnd(recordEnd, end) : end
  recordEnd = withoutTrailingReturns(start, recordEnd, end)
  store<u32>(Scan.faultEnd, reason)
  store<u32>(Scan.faultEnd, cell, 4)
  store<u32>(Scan.faultEnd, <u32>(recordEnd - Scan.input), 8)
  Scan.faultEnd += FAULT_BYTES
  entry(next, FAULT)
  Scan.next = next
  return COMPLETE
}

/** The line end at or after `p`, or `end`. */
function lineEndFrom(p: usize, end: usize): usize {
  if (Scan.lineEnd == LINE_LF) return find(p, end, <u8>LF)
  while (p < end && !isLineEnd(load<u8>(p))) p++
  return p
}

/** Whether what `p` found is not certain before more of the source is there. */
// @ts-ignore: decorator
@inline
function isCut(p: usize, end: usize, final: bool): bool {
  if (final) return false
  // A CR may be the first half of a CRLF.
  return p >= end || (Scan.lineEnd == LINE_ANY && p + 1 == end && load<u8>(p) == CR)
}

/**
 * The careful scanner: appends the one record that begins at `start`. When it is not whole, the index is left as it was.
 */
function scanRecord(start: usize, end: usize, final: bool): i32 {
  const saved = Scan.indexEnd
  const limit = start + Scan.maxRecord
  const fieldLimit = Scan.indexLimit - 8
  let cell: u32 = 0
  let p = start

  if (Scan.comment != NONE && load<u8>(p) == <u8>Scan.comment) {
    p = lineEndFrom(p, end)
    if (isCut(p, end, final)) {
      if (end - start <= Scan.maxRecord) return NEED_MORE
      Scan.endlessReason = SOUND
      return ENDLESS
    }
    Scan.next = p < end ? behindLineEnd(p, end) : end
    entry(Scan.next, COMMENT)
    return COMPLETE
  }

  while (true) {
    if (p < end && Scan.quote != NONE && load<u8>(p) == <u8>Scan.quote) {
      const open = p
      p = closingQuote(p + 1, end)
      if (p < end ? p >= limit : end > limit) {
        Scan.indexEnd = saved
        return fault(RECORD_TOO_LARGE, cell, start, open, end, final)
      }
      if (p >= end) {
        Scan.indexEnd = saved
        return final ? fault(UNCLOSED_QUOTE, cell, start, open, end, final) : NEED_MORE
      }
      // p is at the closing quote
      p++
      if (!final && (p >= end || isHalfDelimiter(p, end))) {
        Scan.indexEnd = saved
        return NEED_MORE
      }
      if (p < end && !isDelimiter(p, end)) {
        let q = p
        if (Scan.lineEnd == LINE_LF) while (q < end && load<u8>(q) == CR) q++
        if (q == end && !final) {
          Scan.indexEnd = saved
          return NEED_MORE
        }
        if (q < end && !isLineEnd(load<u8>(q))) {
          Scan.indexEnd = saved
          return p < limit ? fault(QUOTE, cell, start, open, end, final) : fault(RECORD_TOO_LARGE, cell, start, p, end, final)
        }
        p = q
      }
    } else {
      while (p < end) {
        const c = <u32>load<u8>(p)
        if (isLineEnd(c) || (c == Scan.delimiter && isDelimiter(p, end))) break
        p++
      }
    }
    // p is at a delimiter, at a line end or at the end of the input
    // The CRs at the end of what is there may still turn out to belong to a line end.
    const open = p == end && !final && Scan.lineEnd == LINE_LF && end - limit < MOST_RETURNS
    const content = open ? withoutReturns(start, p) : withoutTrailingReturns(start, p, end)
    if (content > limit) {
      Scan.indexEnd = saved
      return fault(RECORD_TOO_LARGE, cell, start, p, end, final)
    }
    if (isCut(p, end, final)) {
      Scan.indexEnd = saved
      return NEED_MORE
    }
    if (p == end || !isDelimiter(p, end)) break
    if (Scan.indexEnd < fieldLimit) {
      entry(p + Scan.delimiterLength, FIELD_END)
    } else if (saved > Scan.index) {
      // No room behind the records that are there; after them it has the whole index.
      Scan.indexEnd = saved
      return NEED_MORE
    }
    // else more fields than the index holds, which is more than any table has: it only matters that they are too many.
    cell++
    p += Scan.delimiterLength
  }
  entry(p + 1, RECORD_END)
  Scan.next = p < end ? behindLineEnd(p, end) : end
  return COMPLETE
}

/** The end of a record's bytes at `p`, where a line end or the source's end stands: without the CRs that belong to that. */
// @ts-ignore: decorator
@inline
export function withoutTrailingReturns(start: usize, p: usize, end: usize): usize {
  if (Scan.lineEnd != LINE_LF) return p
  return (p < end ? load<u8>(p) == LF : Scan.final) ? withoutReturns(start, p) : p
}

// @ts-ignore: decorator
@inline
function withoutReturns(start: usize, p: usize): usize {
  while (p > start && load<u8>(p - 1) == CR) p--
  return p
}

/** Position of the quote that closes a field whose content begins at `p`; `end` when it is not in the input. */
function closingQuote(p: usize, end: usize): usize {
  const quote = <u8>Scan.quote
  if (Scan.escape == NONE) {
    while (true) {
      p = find(p, end, quote)
      if (p + 1 >= end || load<u8>(p + 1) != quote) return p
      p += 2
    }
  }
  const escape = <u8>Scan.escape
  while (p < end) {
    const c = load<u8>(p)
    if (c == escape && p + 1 < end && (load<u8>(p + 1) == quote || load<u8>(p + 1) == escape)) p += 2
    else if (c == quote) return p
    else p++
  }
  return end
}

/** Where a cell of the record at `index` begins. */
// @ts-ignore: decorator
@inline
export function cellStart(input: usize, index: usize, cell: u32): usize {
  return input + (load<u32>(index + <usize>cell * 4 - 4) >> 2)
}
/** Behind the delimiter that ends the cell. */
// @ts-ignore: decorator
@inline
export function behindCell(input: usize, index: usize, cell: u32): usize {
  return input + (load<u32>(index + <usize>cell * 4) >> 2)
}
