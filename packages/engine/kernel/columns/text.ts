// Text: validity of UTF-8, length in code points, and the transforms.
import { Cell } from '../cell'
import { hostChangeCase } from '../host'
import {
  TRANSFORM_COLLAPSE,
  TRANSFORM_LOWERCASE,
  TRANSFORM_NULL_IF_EMPTY,
  TRANSFORM_TRIM,
  TRANSFORM_UPPERCASE,
} from '../program'
import { ENCODING, NUL, SOUND } from '../reasons'

/** SOUND, NUL or ENCODING for the bytes [s, t). */
export function checkText(s: usize, t: usize): u32 {
  const zero = i8x16.splat(0)
  let beyondAscii: u32 = 0
  let nul: u32 = 0
  let p = s
  while (p < t) {
    const v = v128.load(p)
    let high = <u32>i8x16.bitmask(v)
    let none = <u32>i8x16.bitmask(i8x16.eq(v, zero))
    if (t - p < 16) {
      const valid: u32 = (1 << <u32>(t - p)) - 1
      high &= valid
      none &= valid
    }
    beyondAscii |= high
    nul |= none
    p += 16
  }
  if (beyondAscii && !isUtf8(s, t)) return ENCODING
  return nul ? NUL : SOUND
}

/**
 * Copies [s, t) to `to` if it is text: checks and copies in one pass. False: it is not, and what was written does not count.
 * Writes up to 15 bytes more.
 */
// @ts-ignore: decorator
@inline
export function copyText(to: usize, s: usize, t: usize): bool {
  const zero = i8x16.splat(0)
  let beyondAscii: u32 = 0
  let nul: u32 = 0
  let o = to
  let p = s
  while (t - p > 16) {
    const v = v128.load(p)
    v128.store(o, v)
    beyondAscii |= <u32>i8x16.bitmask(v)
    nul |= <u32>i8x16.bitmask(i8x16.eq(v, zero))
    p += 16
    o += 16
  }
  const last = v128.load(p)
  v128.store(o, last)
  const valid: u32 = (1 << <u32>(t - p)) - 1
  beyondAscii |= <u32>i8x16.bitmask(last) & valid
  nul |= <u32>i8x16.bitmask(i8x16.eq(last, zero)) & valid
  return nul == 0 && (beyondAscii == 0 || isUtf8(s, t))
}

/** RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
function isUtf8(s: usize, t: usize): bool {
  while (s < t) {
    const c = <u32>load<u8>(s)
    if (c < 0x80) {
      s++
    } else if (c < 0xe0) {
      if (c < 0xc2 || s + 2 > t || !isTail(s + 1)) return false
      s += 2
    } else if (c < 0xf0) {
      if (s + 3 > t || !isTail(s + 1) || !isTail(s + 2)) return false
      const second = <u32>load<u8>(s + 1)
      if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f)) return false
      s += 3
    } else {
      if (c > 0xf4 || s + 4 > t || !isTail(s + 1) || !isTail(s + 2) || !isTail(s + 3)) return false
      const second = <u32>load<u8>(s + 1)
      if ((c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) return false
      s += 4
    }
  }
  return true
}

// @ts-ignore: decorator
@inline
function isTail(p: usize): bool {
  return (load<u8>(p) & 0xc0) == 0x80
}

/** Code points in valid UTF-8. */
export function codePoints(s: usize, t: usize): u32 {
  let n: u32 = 0
  while (s < t) {
    n += u32((load<u8>(s) & 0xc0) != 0x80)
    s++
  }
  return n
}

/** Bytes of the white space character (as JavaScript's trim() knows it) at `p`, or 0. */
function spaceAt(p: usize, t: usize): usize {
  const c = <u32>load<u8>(p)
  if (c == 32 || c - 9 < 5) return 1
  if (c < 0xc2) return 0
  const d = p + 1 < t ? <u32>load<u8>(p + 1) : 0
  if (c == 0xc2) return d == 0xa0 ? 2 : 0
  if (p + 2 >= t) return 0
  const three = (c << 16) | (d << 8) | <u32>load<u8>(p + 2)
  if (three >= 0xe28080 && three <= 0xe2808a) return 3
  if (three == 0xe19a80 || three == 0xe280a8 || three == 0xe280a9 || three == 0xe280af) return 3
  return three == 0xe2819f || three == 0xe38080 || three == 0xefbbbf ? 3 : 0
}

/** Bytes of the white space character that ends at `t`, or 0. */
function spaceBefore(s: usize, t: usize): usize {
  if (spaceAt(t - 1, t) == 1) return 1
  if (t - s >= 2 && spaceAt(t - 2, t) == 2) return 2
  return t - s >= 3 && spaceAt(t - 3, t) == 3 ? 3 : 0
}

function trim(): void {
  let s = Cell.start
  let t = Cell.end
  while (s < t) {
    const n = spaceAt(s, t)
    if (!n) break
    s += n
  }
  while (t > s) {
    const n = spaceBefore(s, t)
    if (!n) break
    t -= n
  }
  Cell.start = s
  Cell.end = t
}

function collapse(to: usize): void {
  let o = to
  let s = Cell.start
  const t = Cell.end
  while (s < t) {
    let n = spaceAt(s, t)
    if (!n) {
      store<u8>(o++, load<u8>(s++))
      continue
    }
    while (n) {
      s += n
      n = s < t ? spaceAt(s, t) : 0
    }
    store<u8>(o++, 32)
  }
  Cell.start = to
  Cell.end = o
}

function changeCase(to: usize, upper: bool): void {
  const first = i8x16.splat(upper ? 97 : 65)
  const last = i8x16.splat(upper ? 122 : 90)
  const bit = i8x16.splat(32)
  const s = Cell.start
  const t = Cell.end
  let o = to
  let beyondAscii: u32 = 0
  for (let p = s; p < t; p += 16) {
    const v = v128.load(p)
    let high = <u32>i8x16.bitmask(v)
    if (t - p < 16) high &= (1 << <u32>(t - p)) - 1
    beyondAscii |= high
    const letters = v128.and(i8x16.ge_s(v, first), i8x16.le_s(v, last))
    v128.store(o, v128.xor(v, v128.and(letters, bit)))
    o += 16
  }
  Cell.start = to
  Cell.end = beyondAscii ? to + <usize>hostChangeCase(s, t, to, i32(upper)) : to + (t - s)
}

/** Applies a column's transforms to the cell, in order; the text must be valid UTF-8. */
export function transform(list: usize): void {
  while (true) {
    const what = load<u8>(list++)
    if (what == 0) return
    if (what == TRANSFORM_TRIM) {
      trim()
      continue
    }
    if (what == TRANSFORM_NULL_IF_EMPTY) {
      // Judged after the whole list: the other transforms may still empty the cell.
      continue
    }
    const to = Cell.other
    if (what == TRANSFORM_COLLAPSE) collapse(to)
    else if (what == TRANSFORM_LOWERCASE) changeCase(to, false)
    else if (what == TRANSFORM_UPPERCASE) changeCase(to, true)
    Cell.other = Cell.scratch
    Cell.scratch = to
  }
}

/** Whether the list holds `nullIfEmpty`. */
export function nullsEmpty(list: usize): bool {
  while (load<u8>(list)) if (load<u8>(list++) == TRANSFORM_NULL_IF_EMPTY) return true
  return false
}
