// Finds records in JSON (docs/reference/json.md): lines of objects, or the elements of one array. Each record is checked
// against RFC 8259, and its members are laid out in the order of the source's columns as cells like those of delimited
// text, so that everything behind the scanner is the same for both. A cell is put into an area of its own, because a
// string without its escapes and members in another order stand nowhere in the input:
//
//   a string            its text; in a column of JSON: as it stands, with its quotes
//   number, true, [], {} as it stands
//   null, or no such key nothing, which is NULL
//   ""                  two bytes QUOTE, which is an empty text, not NULL
//
// The result is an index of u32: for each record RECORD_WORDS words, then one word for each cell, as scan/csv.ts has them.
import { copy, equal, find, isDigit, matches } from '../bytes'
import { JSON_DEPTH, JSON_KEY, JSON_RECORD, JSON_SYNTAX, RECORD_TOO_LARGE } from '../reasons'
import { SCAN_ENDLESS, SCAN_NEED_MORE, SCAN_RECORDS, Scan } from './csv'

/** A byte that no UTF-8 has: around a text that must not be taken for NULL, or for a text in such bytes. */
export const QUOTE: u8 = 0xff

// Words in front of a record's cells.
export const AT_KIND: usize = 0
export const AT_START: usize = 4
/** End of the record's bytes, and where reading goes on: offsets in the input. */
export const AT_END: usize = 8
export const AT_NEXT: usize = 12
/** A record: how many cells it has. A fault: its reason. */
export const AT_CELLS: usize = 16
/** A record: offset of its first cell, as an entry of the index. A fault: where it is, or the end where that is not known. */
export const AT_FIRST: usize = 20
/** A fault: ordinal of the column, or NO_COLUMN. */
export const AT_COLUMN: usize = 24
export const RECORD_BYTES: usize = 28

export const KIND_RECORD: u32 = 0
export const KIND_FAULT: u32 = 1
/** Blank lines, or white space between elements. */
export const KIND_GAP: u32 = 2

export const NO_COLUMN: u32 = 0xffffffff

// The form of the source.
export const NOT_JSON: u32 = 0
const LINES: u32 = 1

// What comes next in an array.
const FIRST: u32 = 0
/** A comma or the closing bracket. */
const SEPARATOR: u32 = 1
const ELEMENT: u32 = 2
/** As after an interruption, when it is not known whether the comma was passed: one of the three. */
const ANY: u32 = 3

/** What `scan` returns beyond the values of scan/csv.ts: the array's bracket, behind which `Scan.next` is; or the source ends within the array. */
export const SCAN_CLOSED: i32 = 3
export const SCAN_TRUNCATED: i32 = 4

// What one step found, beside those.
const FOUND: i32 = -1
/** No room in the index or the area of cells beside the records that are there. */
const FULL: i32 = -2

const MAX_DEPTH: i32 = 512
/** One byte for each open bracket within a cell. */
const STACK: usize = memory.data(512)
/** Unknown members that one record tells of, at most: start and end of each. */
const MOST_EXTRAS: u32 = 64
const EXTRAS: usize = memory.data(512)
/** White space behind a comma that is not kept with the element that follows it. */
const LONG_GAP: usize = 65536

const LF: u32 = 10
const CR: u32 = 13

// What a member's value is.
const NULL: u32 = 0
const AS_IT_STANDS: u32 = 1
const STRING: u32 = 2
const ESCAPED: u32 = 3

// What a column wants: nothing, a text, or JSON.
const WANTS_NOTHING: u8 = 0
const WANTS_JSON: u8 = 2

/** start, end, what it is, the record it is of */
const SLOT: usize = 16

export class Json {
  static form: u32 = NOT_JSON
  static state: u32 = FIRST
  static ignoresUnknown: bool = false
  static columns: u32 = 0
  /** For each column its name: a pointer and a length. */
  static names: usize = 0
  /** One byte for each column: what it wants. */
  static wants: usize = 0
  /** Open addressing: u32 ordinals from 1, 0 for none; the mask is the number of places less 1. */
  static places: usize = 0
  static mask: u32 = 0
  static slots: usize = 0
  static serial: u32 = 0
  static cells: usize = 0
  static cellsLimit: usize = 0
  static cellsEnd: usize = 0

  static extras: u32 = 0
  /** Of the value that was refused. */
  static reason: u32 = 0
  static failAt: usize = 0
  static failColumn: u32 = NO_COLUMN
  static noRoom: bool = false
  static escaped: bool = false
}

/** Takes the columns' names, whose lookup begins anew. */
export function setColumns(names: usize, wants: usize, count: u32, places: usize, mask: u32, slots: usize): void {
  Json.names = names
  Json.wants = wants
  Json.columns = count
  Json.places = places
  Json.mask = mask
  Json.slots = slots
  for (let ordinal: u32 = 0; ordinal < count; ordinal++) {
    let place = hash(nameOf(ordinal), lengthOf(ordinal)) & mask
    while (load<u32>(places + (<usize>place << 2))) place = (place + 1) & mask
    store<u32>(places + (<usize>place << 2), ordinal + 1)
  }
}

// @ts-ignore: decorator
@inline
function nameOf(ordinal: u32): usize {
  return load<u32>(Json.names + (<usize>ordinal << 3))
}
// @ts-ignore: decorator
@inline
function lengthOf(ordinal: u32): usize {
  return load<u32>(Json.names + (<usize>ordinal << 3), 4)
}

/** FNV-1a. */
function hash(s: usize, n: usize): u32 {
  let h: u32 = 0x811c9dc5
  const t = s + n
  while (s < t) h = (h ^ load<u8>(s++)) * 0x01000193
  return h
}

/** Ordinal of the column of that name, or NO_COLUMN; `expected` is tried first, as keys mostly come in one order. */
function columnOf(s: usize, n: usize, expected: u32): u32 {
  if (expected < Json.columns && lengthOf(expected) == n && equal(nameOf(expected), s, n)) return expected
  let place = hash(s, n) & Json.mask
  while (true) {
    const ordinal = load<u32>(Json.places + (<usize>place << 2))
    if (ordinal == 0) return NO_COLUMN
    if (lengthOf(ordinal - 1) == n && equal(nameOf(ordinal - 1), s, n)) return ordinal - 1
    place = (place + 1) & Json.mask
  }
}

/** As `scan` of scan/csv.ts, and SCAN_CLOSED, SCAN_TRUNCATED. */
export function scanJson(from: usize, end: usize, final: bool): i32 {
  Scan.indexEnd = Scan.index
  Scan.next = from
  Json.cellsEnd = Json.cells
  const room = RECORD_BYTES + (<usize>(Json.columns + MOST_EXTRAS) << 2)
  while (Scan.next < end) {
    if (Scan.indexEnd + room > Scan.indexLimit) break
    const found = Json.form == LINES ? scanLine(Scan.next, end, final) : scanElement(Scan.next, end, final)
    if (found == FOUND) continue
    if (Scan.indexEnd == Scan.index) return found
    break
  }
  return Scan.indexEnd == Scan.index ? SCAN_NEED_MORE : SCAN_RECORDS
}

function scanLine(start: usize, end: usize, final: bool): i32 {
  const lineEnd = find(start, end, <u8>LF)
  let contentEnd = lineEnd
  while (contentEnd > start && load<u8>(contentEnd - 1) == CR) contentEnd--
  if (lineEnd == end && !final) {
    if (contentEnd - start <= Scan.maxRecord) return SCAN_NEED_MORE
    Scan.endlessReason = RECORD_TOO_LARGE
    return SCAN_ENDLESS
  }
  const next = lineEnd < end ? lineEnd + 1 : end
  // CRs that no LF follows are white space like any other.
  if (lineEnd == end) contentEnd = end
  if (contentEnd - start > Scan.maxRecord) return fault(RECORD_TOO_LARGE, start, contentEnd, next, contentEnd)
  const content = skipSpace(start, contentEnd)
  if (content == contentEnd) return gap(next)
  const behind = object(content, contentEnd)
  if (behind) {
    const rest = skipSpace(behind, contentEnd)
    if (rest == contentEnd) return record(start, contentEnd, next)
    refuse(rest)
  }
  return Json.noRoom ? FULL : fault(Json.reason, start, contentEnd, next, Json.failAt)
}

function scanElement(from: usize, end: usize, final: bool): i32 {
  let start = skipSpace(from, end)
  if (start == end) return start > from ? gap(end) : more(final)
  if (Json.state != ELEMENT) {
    const c = load<u8>(start)
    if (c == 93) {
      Scan.next = start + 1
      return SCAN_CLOSED
    }
    if (c == 44 && Json.state != FIRST) {
      start = skipSpace(start + 1, end)
      if (start == end) {
        if (end - from < LONG_GAP) return more(final)
        Json.state = ELEMENT
        return gap(end)
      }
    }
  }
  const behind = object(start, end)
  if (behind) {
    const separator = skipSpace(behind, end)
    if (separator == end) {
      if (final) return SCAN_TRUNCATED
      return behind - start > Scan.maxRecord ? endless() : SCAN_NEED_MORE
    }
    const c = load<u8>(separator)
    if (c == 44 || c == 93) {
      if (behind - start > Scan.maxRecord) fault(RECORD_TOO_LARGE, start, behind, behind, behind)
      else if (record(start, behind, behind) == FULL) return FULL
      Json.state = SEPARATOR
      return FOUND
    }
    refuse(separator)
  }
  if (Json.noRoom) return FULL
  const reason = Json.reason
  const failAt = Json.failAt
  // More bytes may be all that is missing; without them its end is looked for, in case it is none of an element.
  const separator = failAt < end ? elementEnd(start, end) : end
  let contentEnd = separator
  while (contentEnd > start && isSpace(load<u8>(contentEnd - 1))) contentEnd--
  if (separator == end) {
    if (final) return SCAN_TRUNCATED
    return contentEnd - start > Scan.maxRecord ? endless() : SCAN_NEED_MORE
  }
  if (contentEnd - start > Scan.maxRecord) fault(RECORD_TOO_LARGE, start, contentEnd, contentEnd, contentEnd)
  else fault(reason, start, contentEnd, contentEnd, failAt)
  Json.state = SEPARATOR
  return FOUND
}

// @ts-ignore: decorator
@inline
function more(final: bool): i32 {
  return final ? SCAN_TRUNCATED : SCAN_NEED_MORE
}

function endless(): i32 {
  Scan.endlessReason = RECORD_TOO_LARGE
  return SCAN_ENDLESS
}

/**
 * Where the comma or the bracket stands that ends a broken element, or `end`. Strings end at a quote that no backslash
 * escapes, and brackets of both kinds are counted outside of them.
 */
function elementEnd(p: usize, end: usize): usize {
  let depth = 0
  while (p < end) {
    const c = <u32>load<u8>(p)
    if (c == 34) {
      p++
      while (p < end && load<u8>(p) != 34) p += load<u8>(p) == 92 ? 2 : 1
      if (p >= end) return end
    } else if (c == 123 || c == 91) {
      depth++
    } else if (c == 44) {
      if (depth == 0) return p
    } else if (c == 93) {
      if (depth == 0) return p
      depth--
    } else if (c == 125 && depth > 0) {
      depth--
    }
    p++
  }
  return end
}

// @ts-ignore: decorator
@inline
function head(kind: u32, start: usize, contentEnd: usize, next: usize): void {
  const at = Scan.indexEnd
  store<u32>(at, kind, AT_KIND)
  store<u32>(at, <u32>(start - Scan.input), AT_START)
  store<u32>(at, <u32>(contentEnd - Scan.input), AT_END)
  store<u32>(at, <u32>(next - Scan.input), AT_NEXT)
  Scan.indexEnd = at + RECORD_BYTES
  Scan.next = next
}

function gap(next: usize): i32 {
  head(KIND_GAP, next, next, next)
  return FOUND
}

function fault(reason: u32, start: usize, contentEnd: usize, next: usize, failAt: usize): i32 {
  const at = Scan.indexEnd
  head(KIND_FAULT, start, contentEnd, next)
  store<u32>(at, reason, AT_CELLS)
  store<u32>(at, <u32>(failAt - Scan.input), AT_FIRST)
  store<u32>(at, reason == JSON_KEY ? Json.failColumn : NO_COLUMN, AT_COLUMN)
  return FOUND
}

/** Lays out the cells of the object that was read last. */
function record(start: usize, contentEnd: usize, next: usize): i32 {
  const columns = Json.columns
  // Each cell is followed by one byte; `copy` writes up to 15 beyond its end.
  if (Json.cellsEnd + (contentEnd - start) + columns + MOST_EXTRAS + 16 > Json.cellsLimit) return FULL
  const at = Scan.indexEnd
  head(KIND_RECORD, start, contentEnd, next)
  store<u32>(at, columns + Json.extras, AT_CELLS)
  store<u32>(at, <u32>(Json.cellsEnd - Scan.input) << 2, RECORD_BYTES - 4)
  let o = Json.cellsEnd
  let slot = Json.slots
  let entry = Scan.indexEnd
  for (let column: u32 = 0; column < columns; column++) {
    if (load<u32>(slot, 12) == Json.serial) o = cell(o, slot, load<u8>(Json.wants + column))
    slot += SLOT
    o++
    store<u32>(entry, <u32>(o - Scan.input) << 2)
    entry += 4
  }
  for (let i: u32 = 0; i < Json.extras; i++) {
    const extra = EXTRAS + (<usize>i << 3)
    const s = load<u32>(extra)
    const n = load<u32>(extra, 4) - s
    copy(o, s, n)
    o += n + 1
    store<u32>(entry, <u32>(o - Scan.input) << 2)
    entry += 4
  }
  Scan.indexEnd = entry
  Json.cellsEnd = o
  return FOUND
}

/** Puts a member's value as a cell to `o`; returns its end. */
// @ts-ignore: decorator
@inline
function cell(o: usize, slot: usize, wants: u8): usize {
  const what = load<u32>(slot, 8)
  if (what == NULL || wants == WANTS_NOTHING) return o
  let s = <usize>load<u32>(slot)
  let t = <usize>load<u32>(slot, 4)
  if (what == AS_IT_STANDS || wants == WANTS_JSON) {
    copy(o, s, t - s)
    return o + (t - s)
  }
  s++
  t--
  const from = o
  if (what == ESCAPED) {
    o = unescape(o, s, t)
  } else {
    copy(o, s, t - s)
    o += t - s
  }
  if (o > from && load<u8>(from) != QUOTE) return o
  memory.copy(from + 1, from, o - from)
  store<u8>(from, QUOTE)
  store<u8>(o + 1, QUOTE)
  return o + 2
}

/** Writes the text of a string's content to `o`; returns its end. Half of a surrogate pair becomes bytes that are not UTF-8. */
function unescape(o: usize, s: usize, t: usize): usize {
  while (s < t) {
    const c = <u32>load<u8>(s)
    if (c != 92) {
      store<u8>(o++, <u8>c)
      s++
      continue
    }
    const e = <u32>load<u8>(s + 1)
    s += 2
    if (e != 117) {
      store<u8>(o++, <u8>(e == 98 ? 8 : e == 102 ? 12 : e == 110 ? 10 : e == 114 ? 13 : e == 116 ? 9 : e))
      continue
    }
    let unit = hex4(s)
    s += 4
    if (unit >> 10 == 0x36 && s + 6 <= t && load<u16>(s) == 0x755c) {
      const low = hex4(s + 2)
      if (low >> 10 == 0x37) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
        s += 6
      }
    }
    if (unit < 0x80) {
      store<u8>(o++, <u8>unit)
    } else if (unit < 0x800) {
      store<u8>(o++, <u8>(0xc0 | (unit >> 6)))
      store<u8>(o++, <u8>(0x80 | (unit & 63)))
    } else {
      if (unit < 0x10000) {
        store<u8>(o++, <u8>(0xe0 | (unit >> 12)))
      } else {
        store<u8>(o++, <u8>(0xf0 | (unit >> 18)))
        store<u8>(o++, <u8>(0x80 | ((unit >> 12) & 63)))
      }
      store<u8>(o++, <u8>(0x80 | ((unit >> 6) & 63)))
      store<u8>(o++, <u8>(0x80 | (unit & 63)))
    }
  }
  return o
}

// @ts-ignore: decorator
@inline
function isSpace(c: u32): bool {
  return c == 32 || c == LF || c == CR || c == 9
}

// @ts-ignore: decorator
@inline
function skipSpace(p: usize, t: usize): usize {
  while (p < t && isSpace(load<u8>(p))) p++
  return p
}

/** Always 0: the text is no JSON from `at` on. */
function refuse(at: usize, reason: u32 = JSON_SYNTAX): usize {
  Json.reason = reason
  Json.failAt = at
  return 0
}

/** Reads the object at `p` into the slots; returns where it ends, or 0. */
function object(p: usize, t: usize): usize {
  Json.noRoom = false
  Json.extras = 0
  Json.serial++
  if (p >= t) return refuse(t)
  if (load<u8>(p) != 123) return value(p, t) ? refuse(p, JSON_RECORD) : 0
  let expected: u32 = 0
  p = skipSpace(p + 1, t)
  if (p < t && load<u8>(p) == 125) return p + 1
  while (true) {
    const key = p
    if (p >= t || load<u8>(p) != 34) return refuse(p)
    p = string(p + 1, t)
    if (!p) return 0
    let name = key + 1
    let length = p - 1 - name
    if (Json.escaped) {
      if (Json.cellsEnd + length > Json.cellsLimit) {
        Json.noRoom = true
        return 0
      }
      length = unescape(Json.cellsEnd, name, name + length) - Json.cellsEnd
      name = Json.cellsEnd
    }
    const column = columnOf(name, length, expected)
    p = skipSpace(p, t)
    if (p >= t || load<u8>(p) != 58) return refuse(p)
    p = skipSpace(p + 1, t)
    const start = p
    const c = p < t ? <u32>load<u8>(p) : 0
    p = value(p, t)
    if (!p) return 0
    if (column != NO_COLUMN) {
      const slot = Json.slots + <usize>column * SLOT
      if (load<u32>(slot, 12) == Json.serial) {
        Json.failColumn = column
        return refuse(key, JSON_KEY)
      }
      store<u32>(slot, <u32>start)
      store<u32>(slot, <u32>p, 4)
      store<u32>(slot, c == 34 ? (Json.escaped ? ESCAPED : STRING) : c == 110 ? NULL : AS_IT_STANDS, 8)
      store<u32>(slot, Json.serial, 12)
      expected = column + 1
    } else if (!Json.ignoresUnknown && Json.extras < MOST_EXTRAS) {
      store<u32>(EXTRAS + (<usize>Json.extras << 3), <u32>key)
      store<u32>(EXTRAS + (<usize>Json.extras << 3), <u32>p, 4)
      Json.extras++
    }
    p = skipSpace(p, t)
    if (p >= t) return refuse(t)
    const d = load<u8>(p)
    if (d == 125) return p + 1
    if (d != 44) return refuse(p)
    p = skipSpace(p + 1, t)
  }
}

/** Where the value at `p` ends, or 0. After a string `Json.escaped` says whether it has escapes. */
// @ts-ignore: decorator
@inline
function value(p: usize, t: usize): usize {
  if (p >= t) return refuse(t)
  const c = <u32>load<u8>(p)
  if (c == 34) return string(p + 1, t)
  return c == 123 || c == 91 ? nested(p, t) : scalar(c, p, t)
}

// @ts-ignore: decorator
@inline
function scalar(c: u32, p: usize, t: usize): usize {
  return c == 45 || isDigit(c) ? number(p, t) : literal(p, t)
}

/** Where the object or array at `p` ends, or 0. */
function nested(p: usize, t: usize): usize {
  let depth = 0
  while (true) {
    // A value is expected at p.
    if (p >= t) return refuse(t)
    const c = <u32>load<u8>(p)
    if (c == 123 || c == 91) {
      if (depth == MAX_DEPTH) return refuse(p, JSON_DEPTH)
      store<u8>(STACK + depth++, <u8>c)
      p = skipSpace(p + 1, t)
      if (p >= t) return refuse(t)
      if (load<u8>(p) == <u8>(c + 2)) {
        depth--
        p++
      } else {
        if (c == 123) {
          p = key(p, t)
          if (!p) return 0
        }
        continue
      }
    } else {
      p = c == 34 ? string(p + 1, t) : scalar(c, p, t)
      if (!p) return 0
    }
    // A value has ended before p: go on in the bracket it is in, or end.
    while (true) {
      if (depth == 0) return p
      p = skipSpace(p, t)
      if (p >= t) return refuse(t)
      const open = <u32>load<u8>(STACK + depth - 1)
      const d = <u32>load<u8>(p)
      if (d == open + 2) {
        depth--
        p++
        continue
      }
      if (d != 44) return refuse(p)
      p = skipSpace(p + 1, t)
      if (open == 123) {
        p = key(p, t)
        if (!p) return 0
      }
      break
    }
  }
}

/** A member's name, the colon and the space behind it. */
function key(p: usize, t: usize): usize {
  if (p >= t || load<u8>(p) != 34) return refuse(p)
  p = string(p + 1, t)
  if (!p) return 0
  p = skipSpace(p, t)
  return p < t && load<u8>(p) == 58 ? skipSpace(p + 1, t) : refuse(p)
}

/** Behind the closing quote of the string whose content begins at p, or 0. */
function string(p: usize, t: usize): usize {
  const quote = i8x16.splat(34)
  const backslash = i8x16.splat(92)
  const space = i8x16.splat(32)
  Json.escaped = false
  while (p < t) {
    const v = v128.load(p)
    const marks =
      matches(v, quote) | matches(v, backslash) | <u32>i8x16.bitmask(i8x16.lt_u(v, space))
    if (!marks) {
      p += 16
      continue
    }
    p += <usize>ctz(marks)
    if (p >= t) break
    const c = <u32>load<u8>(p)
    if (c == 34) return p + 1
    if (c != 92) return refuse(p)
    Json.escaped = true
    if (p + 1 >= t) return refuse(t)
    const e = <u32>load<u8>(p + 1)
    if (e == 117) {
      const behind = digits16(p + 2, t)
      if (behind == t && behind < p + 6) return refuse(t)
      if (behind < p + 6) return refuse(p)
      p += 6
    } else {
      if (e != 34 && e != 92 && e != 47 && e != 98 && e != 102 && e != 110 && e != 114 && e != 116) return refuse(p)
      p += 2
    }
  }
  return refuse(t)
}

/** Behind the hexadecimal digits at `p`, at most four. */
function digits16(p: usize, t: usize): usize {
  const most = min(p + 4, t)
  while (p < most && (isDigit(load<u8>(p)) || <u32>(load<u8>(p) | 32) - 97 < 6)) p++
  return p
}

/** Four hexadecimal digits, which are there. */
function hex4(p: usize): u32 {
  let value: u32 = 0
  for (let i: usize = 0; i < 4; i++) {
    const c = <u32>load<u8>(p + i)
    value = value * 16 + (isDigit(c) ? c - 48 : (c | 32) - 87)
  }
  return value
}

function number(p: usize, t: usize): usize {
  if (load<u8>(p) == 45) p++
  if (p >= t) return refuse(t)
  if (load<u8>(p) == 48) {
    p++
  } else {
    const whole = digits(p, t)
    if (whole == p) return refuse(p)
    p = whole
  }
  if (p < t && load<u8>(p) == 46) {
    const fraction = digits(p + 1, t)
    if (fraction == p + 1) return refuse(fraction)
    p = fraction
  }
  if (p < t && (load<u8>(p) | 32) == 101) {
    p++
    if (p < t && (load<u8>(p) == 43 || load<u8>(p) == 45)) p++
    const exponent = digits(p, t)
    if (exponent == p) return refuse(p)
    p = exponent
  }
  return p
}

// @ts-ignore: decorator
@inline
function digits(p: usize, t: usize): usize {
  while (p < t && isDigit(load<u8>(p))) p++
  return p
}

function literal(p: usize, t: usize): usize {
  const left = t - p
  if (left >= 4) {
    const word = load<u32>(p)
    if (word == 0x65757274 || word == 0x6c6c756e) return p + 4
    if (word == 0x736c6166) {
      if (left < 5) return refuse(t)
      if (load<u8>(p + 4) == 101) return p + 5
    }
    return refuse(p)
  }
  // What is there may be the beginning of a word.
  const begun = equal(TRUE, p, left) || equal(FALSE, p, left) || equal(NULL_WORD, p, left)
  return refuse(begun ? t : p)
}

const TRUE: usize = memory.data<u8>([116, 114, 117, 101])
const FALSE: usize = memory.data<u8>([102, 97, 108, 115])
const NULL_WORD: usize = memory.data<u8>([110, 117, 108, 108])
