// UUIDs (RFC 9562): 8-4-4-4-12 hexadecimal digits in any case.
import { Cell, trimBlanks } from '../cell'
import { NOT_UUID, SOUND } from '../reasons'

/** Writes the 16 bytes to `to`. */
export function checkUuid(to: usize): u32 {
  trimBlanks()
  return readUuid(Cell.start, Cell.end - Cell.start, to) ? SOUND : NOT_UUID
}

/**
 * Whether the `n` bytes at `s` are a UUID, whose 16 bytes it writes to `to`. All 32 digits are looked at together: swizzles take
 * the hyphens out, and pairs of digits become bytes by arithmetic on 16-bit lanes.
 */
// @ts-ignore: decorator
@inline
export function readUuid(s: usize, n: usize, to: usize): bool {
  if (n != 36) return false
  if (load<u8>(s, 8) != 45 || load<u8>(s, 13) != 45 || load<u8>(s, 18) != 45 || load<u8>(s, 23) != 45) return false
  // Digits 0-15 stand at 0-7, 9-12 and 14-17; digits 16-31 at 19-22 and 24-35.
  const first = i8x16.shuffle(v128.load(s), v128.load(s, 2), 0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 30, 31)
  const second = i8x16.shuffle(v128.load(s, 19), v128.load(s, 20), 0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 31)
  const a = nibbles(first)
  const b = nibbles(second)
  if (v128.any_true(i8x16.gt_u(v128.or(a, b), i8x16.splat(15)))) return false
  v128.store(to, i8x16.narrow_i16x8_u(pairs(a), pairs(b)))
  return true
}

/** The value of each hexadecimal digit; above 15 where a byte is none. */
// @ts-ignore: decorator
@inline
function nibbles(text: v128): v128 {
  const digits = i8x16.sub(text, i8x16.splat(48))
  const letters = i8x16.sub(v128.or(text, i8x16.splat(32)), i8x16.splat(97))
  const isDigit = i8x16.le_u(digits, i8x16.splat(9))
  const isLetter = i8x16.le_u(letters, i8x16.splat(5))
  const value = v128.bitselect(digits, i8x16.add(letters, i8x16.splat(10)), isDigit)
  return v128.or(value, v128.andnot(i8x16.splat(-128), v128.or(isDigit, isLetter)))
}

/** High and low digit of each byte, in the low byte of a 16-bit lane. */
// @ts-ignore: decorator
@inline
function pairs(digits: v128): v128 {
  return v128.or(
    v128.and(i16x8.shl(digits, 4), i16x8.splat(0xf0)),
    i16x8.shr_u(digits, 8),
  )
}
