// JSON (RFC 8259), checked without recursion. What PostgreSQL's jsonb cannot hold is refused for every database alike:
// \u0000 and surrogates that are not a pair.
import { isDigit } from '../bytes'
import { Cell } from '../cell'
import { AT_JSON_TOP } from '../program'
import { NOT_ARRAY, NOT_JSON, NOT_OBJECT, SOUND } from '../reasons'

const MAX_DEPTH: i32 = 512
/** One byte for each open bracket: `{` or `[`. */
const STACK: usize = memory.data(512)

export function checkJson(column: usize): u32 {
  const s = skipSpace(Cell.start)
  if (s >= Cell.end || !isJson(s, Cell.end)) return NOT_JSON
  const top = load<u8>(column, AT_JSON_TOP)
  if (top == 1 && load<u8>(s) != 123) return NOT_OBJECT
  if (top == 2 && load<u8>(s) != 91) return NOT_ARRAY
  return SOUND
}

function skipSpace(p: usize): usize {
  while (p < Cell.end) {
    const c = <u32>load<u8>(p)
    if (c != 32 && c != 9 && c != 10 && c != 13) break
    p++
  }
  return p
}

function isJson(p: usize, t: usize): bool {
  let depth = 0
  while (true) {
    // A value is expected at p.
    if (p >= t) return false
    const c = <u32>load<u8>(p)
    if (c == 123 || c == 91) {
      if (depth == MAX_DEPTH) return false
      store<u8>(STACK + depth++, <u8>c)
      p = skipSpace(p + 1)
      if (p >= t) return false
      if (load<u8>(p) == <u8>(c + 2)) {
        depth--
        p++
      } else {
        if (c == 123) {
          p = key(p, t)
          if (!p) return false
        }
        continue
      }
    } else {
      p = c == 34 ? string(p + 1, t) : c == 45 || isDigit(c) ? number(p, t) : literal(p, t)
      if (!p) return false
    }
    // A value has ended before p: go on in the bracket it is in, or end.
    while (true) {
      p = skipSpace(p)
      if (depth == 0) return p == t
      if (p >= t) return false
      const open = <u32>load<u8>(STACK + depth - 1)
      const d = <u32>load<u8>(p)
      if (d == open + 2) {
        depth--
        p++
        continue
      }
      if (d != 44) return false
      p = skipSpace(p + 1)
      if (open == 123) {
        p = key(p, t)
        if (!p) return false
      }
      break
    }
  }
}

/** A member's name, the colon and the space behind it; 0: not there. */
function key(p: usize, t: usize): usize {
  if (p >= t || load<u8>(p) != 34) return 0
  p = string(p + 1, t)
  if (!p) return 0
  p = skipSpace(p)
  return p < t && load<u8>(p) == 58 ? skipSpace(p + 1) : 0
}

/** Behind the closing quote of the string whose content begins at p; 0: not a string. */
function string(p: usize, t: usize): usize {
  while (p < t) {
    const c = <u32>load<u8>(p)
    if (c == 34) return p + 1
    if (c < 32) return 0
    if (c != 92) {
      p++
      continue
    }
    if (p + 1 >= t) return 0
    const e = <u32>load<u8>(p + 1)
    if (e != 117) {
      if (e != 34 && e != 92 && e != 47 && e != 98 && e != 102 && e != 110 && e != 114 && e != 116) return 0
      p += 2
      continue
    }
    const unit = hex4(p + 2, t)
    if (unit <= 0 || (unit >= 0xdc00 && unit <= 0xdfff)) return 0
    p += 6
    if (unit >= 0xd800 && unit <= 0xdbff) {
      if (p + 1 >= t || load<u8>(p) != 92 || load<u8>(p + 1) != 117) return 0
      const low = hex4(p + 2, t)
      if (low < 0xdc00 || low > 0xdfff) return 0
      p += 6
    }
  }
  return 0
}

/** Four hexadecimal digits, or -1. */
function hex4(p: usize, t: usize): i32 {
  if (p + 4 > t) return -1
  let value = 0
  for (let i = 0; i < 4; i++) {
    const c = <u32>load<u8>(p + i)
    const letter = (c | 32) - 97
    if (isDigit(c)) value = value * 16 + (c - 48)
    else if (letter < 6) value = value * 16 + letter + 10
    else return -1
  }
  return value
}

function number(p: usize, t: usize): usize {
  if (load<u8>(p) == 45) p++
  if (p >= t) return 0
  if (load<u8>(p) == 48) {
    p++
  } else {
    const first = p
    while (p < t && isDigit(load<u8>(p))) p++
    if (p == first) return 0
  }
  if (p < t && load<u8>(p) == 46) {
    const first = ++p
    while (p < t && isDigit(load<u8>(p))) p++
    if (p == first) return 0
  }
  if (p < t && (load<u8>(p) | 32) == 101) {
    p++
    if (p < t && (load<u8>(p) == 43 || load<u8>(p) == 45)) p++
    const first = p
    while (p < t && isDigit(load<u8>(p))) p++
    if (p == first) return 0
  }
  return p
}

function literal(p: usize, t: usize): usize {
  if (t - p >= 4) {
    const word = load<u32>(p)
    if (word == 0x65757274 || word == 0x6c6c756e) return p + 4
    if (t - p >= 5 && word == 0x736c6166 && load<u8>(p + 4) == 101) return p + 5
  }
  return 0
}
