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

// What two bytes in a row can be wrong about, as bits: three tables, by the halves of the first byte and the upper half of the second,
// agree on a bit where they are (Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte", 2020, section 6).
const BY_FIRST_HIGH: usize = memory.data<u8>([2, 2, 2, 2, 2, 2, 2, 2, 128, 128, 128, 128, 33, 1, 21, 73])
const BY_FIRST_LOW: usize = memory.data<u8>([
  231, 163, 131, 131, 139, 203, 203, 203, 203, 203, 203, 203, 203, 219, 203, 203,
])
const BY_SECOND_HIGH: usize = memory.data<u8>([1, 1, 1, 1, 1, 1, 1, 1, 230, 174, 186, 186, 1, 1, 1, 1])
/** From 16 - n on: n bytes to keep. */
const KEEP: usize = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
])

/** RFC 3629: no overlong form, no surrogate, nothing above U+10FFFF. */
function isUtf8(s: usize, t: usize): bool {
  const low = i8x16.splat(15)
  let before = i8x16.splat(0)
  let wrong = i8x16.splat(0)
  for (let p = s; p < t; p += 16) {
    let v = v128.load(p)
    // Zeros behind the end show what is cut off there.
    if (t - p < 16) v = v128.and(v, v128.load(KEEP + 16 - (t - p)))
    const first = i8x16.shuffle(before, v, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
    const pairs = v128.and(
      v128.and(
        v128.swizzle(v128.load(BY_FIRST_HIGH), i8x16.shr_u(first, 4)),
        v128.swizzle(v128.load(BY_FIRST_LOW), v128.and(first, low)),
      ),
      v128.swizzle(v128.load(BY_SECOND_HIGH), i8x16.shr_u(v, 4)),
    )
    // The third and fourth bytes of a form must be tails of tails, which is what the bit 128 of `pairs` says.
    const third = i8x16.shuffle(before, v, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29)
    const fourth = i8x16.shuffle(before, v, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28)
    const must = v128.or(i8x16.sub_sat_u(third, i8x16.splat(0x60)), i8x16.sub_sat_u(fourth, i8x16.splat(0x70)))
    wrong = v128.or(wrong, v128.xor(v128.and(must, i8x16.splat(-128)), pairs))
    before = v
  }
  // A form that the last, full block leaves open: 4 bytes begun at the last 3, 3 at the last 2, 2 at the last one.
  const most = i8x16(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -17, -33, -65)
  return !v128.any_true(v128.or(wrong, i8x16.sub_sat_u(before, most)))
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
