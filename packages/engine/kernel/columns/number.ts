// Integers, exact decimals and doubles: one grammar, `[+-]digits[.digits][e[+-]digits]`, kept as digits, never as a float.
import { isDigit } from '../bytes'
import { Cell, trimBlanks } from '../cell'
import { hostParseFloat } from '../host'
import { AT_DECIMAL_CHAR, AT_GROUP_CHAR, AT_PRECISION, AT_SCALE } from '../program'
import { FLOAT_RANGE, INTEGER_RANGE, NOT_INTEGER, NOT_NUMBER, NUMERIC_RANGE, SOUND } from '../reasons'

/** PostgreSQL's numeric: digits before and behind the point. */
const MAX_WHOLE: usize = 131072
const MAX_FRACTION: usize = 16383

export const FINITE: u32 = 0
export const NAN: u32 = 1
export const INFINITY: u32 = 2

/** The decimal of the cell that was checked last. */
export class Decimal {
  static special: u32 = FINITE
  static negative: bool = false
  /** Digits before the point, leading zeros left out. */
  static whole: usize = 0
  static wholeLength: usize = 0
  /** Digits behind it, as written. */
  static fraction: usize = 0
  static fractionLength: usize = 0
}

/** What the parser read before the exponent was applied. */
class Parts {
  static whole: usize = 0
  static wholeLength: usize = 0
  static fraction: usize = 0
  static fractionLength: usize = 0
  static exponent: i64 = 0
}

/** What the usual readers return for a text that needs the general one. */
export const UNUSUAL: i64 = i64.MIN_VALUE

/** Bits of the first 16 of the `n` bytes at `s` that are no digits. */
// @ts-ignore: decorator
@inline
function otherThanDigits(s: usize, n: usize): u32 {
  const digits = i8x16.sub(v128.load(s), i8x16.splat(48))
  return <u32>i8x16.bitmask(i8x16.gt_u(digits, i8x16.splat(9))) & ((1 << <u32>n) - 1)
}

/** The number that 0 to 8 digits are. Its bytes go to the upper end of a word, so that zeros stand before them. */
// @ts-ignore: decorator
@inline
function eightDigits(s: usize, n: usize): u64 {
  if (n == 0) return 0
  const digits = (load<u64>(s) - 0x3030303030303030) << (64 - 8 * <u64>n)
  const pairs = digits * 10 + (digits >> 8)
  return (
    (((pairs & 0x000000ff000000ff) * 0x000f424000000064) + (((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001)) >> 32
  )
}

/** An integer of at most 16 digits, with or without a minus: its value. */
// @ts-ignore: decorator
@inline
export function usualInteger(s: usize, n: usize): i64 {
  const negative = load<u8>(s) == 45
  if (negative) {
    s++
    n--
  }
  if (n - 1 > 15 || otherThanDigits(s, n)) return UNUSUAL
  const value = n <= 8 ? eightDigits(s, n) : eightDigits(s, n - 8) * 100000000 + eightDigits(s + n - 8, 8)
  return negative ? 0 - <i64>value : <i64>value
}

/** What `usualDecimal` returns of a text that needs the general reader. */
export const UNUSUAL_DECIMAL: u64 = u64.MAX_VALUE

/**
 * A decimal of at most 8 digits before the point and 7 behind it, with a minus or without, but not -0: from the lowest bit on, 4 bits for
 * how many digits stand behind the point, 28 for their number, 31 for that before it, 1 for the minus.
 */
// @ts-ignore: decorator
@inline
export function usualDecimal(s: usize, n: usize): u64 {
  const negative = load<u8>(s) == 45
  if (negative) {
    s++
    n--
  }
  if (n - 1 > 15) return UNUSUAL_DECIMAL
  const others = otherThanDigits(s, n)
  const before = others ? <usize>ctz(others) : n
  const scale = others ? n - before - 1 : 0
  if (before - 1 > 7 || scale > 7) return UNUSUAL_DECIMAL
  if (others && (others & (others - 1) || scale == 0 || load<u8>(s + before) != 46)) return UNUSUAL_DECIMAL
  const value = (eightDigits(s, before) << 32) | (eightDigits(s + before + 1, scale) << 4)
  if (negative && value == 0) return UNUSUAL_DECIMAL
  return (<u64>negative << 63) | value | <u64>scale
}

// @ts-ignore: decorator
@inline
export function isNegative(decimal: u64): bool {
  return <i64>decimal < 0
}
/** The number before the point. */
// @ts-ignore: decorator
@inline
export function wholeOf(decimal: u64): u32 {
  return <u32>(decimal >> 32) & 0x7fffffff
}
/** The number that the digits behind the point make. */
// @ts-ignore: decorator
@inline
export function fractionOf(decimal: u64): u32 {
  return <u32>decimal >> 4
}
/** How many they are. */
// @ts-ignore: decorator
@inline
export function scaleOf(decimal: u64): usize {
  return <usize>decimal & 15
}

/** Up to 10 to the seventh. */
// @ts-ignore: decorator
@inline
export function tenTo(n: usize): u32 {
  return load<u32>(TENS + (n << 2))
}

const TENS: usize = memory.data<u32>([1, 10, 100, 1000, 10000, 100000, 1000000, 10000000])

/** integer → Cell.int */
export function checkInteger(column: usize, min: i64, max: i64): u32 {
  trimNumber()
  if (load<u8>(column, AT_GROUP_CHAR)) plainNumber(column)
  let p = Cell.numberStart
  const t = Cell.numberEnd
  let negative = false
  if (p < t) {
    const c = load<u8>(p)
    negative = c == 45
    if (negative || c == 43) p++
  }
  if (p >= t) return NOT_INTEGER
  // Up to 18 digits cannot overflow; beyond them every step is checked.
  let value: u64 = 0
  let big = false
  const safe = p + 18
  while (p < t) {
    const digit = <u32>load<u8>(p) - 48
    if (digit > 9) return NOT_INTEGER
    if (p >= safe && value > 922337203685477580) big = true
    value = value * 10 + digit
    if (p >= safe && value > 9223372036854775808) big = true
    p++
  }
  if (big || (!negative && value > 9223372036854775807)) return INTEGER_RANGE
  const signed = negative ? <i64>(0 - value) : <i64>value
  if (signed < min || signed > max) return INTEGER_RANGE
  Cell.int = signed
  return SOUND
}

/** numeric → Decimal */
export function checkNumeric(column: usize): u32 {
  const reason = parseNumber(column)
  if (reason != SOUND) return reason
  const precision = load<i32>(column, AT_PRECISION)
  if (Decimal.special != FINITE) return precision < 0 ? SOUND : NOT_NUMBER
  if (!applyExponent()) return NUMERIC_RANGE
  if (precision >= 0) {
    const scale = load<i32>(column, AT_SCALE)
    if (<i32>Decimal.wholeLength > precision - scale || <i32>significantFraction() > scale) return NUMERIC_RANGE
  }
  return SOUND
}

/** float8 → Cell.float */
export function checkFloat(column: usize): u32 {
  const reason = parseNumber(column)
  return reason != SOUND ? reason : toFloat()
}

/** The number that was parsed last → Cell.float, the nearest double. */
export function toFloat(): u32 {
  if (Decimal.special == NAN) {
    Cell.float = NaN
    return SOUND
  }
  if (Decimal.special == INFINITY) {
    Cell.float = Decimal.negative ? -Infinity : Infinity
    return SOUND
  }
  const digits = Parts.wholeLength + Parts.fractionLength
  const scale = Parts.exponent - <i64>Parts.fractionLength
  // Clinger's fast path: both the digits and the power of ten are exact doubles, so that one operation rounds once.
  if (digits <= 15 && scale >= -22 && scale <= 22) {
    const whole = <f64>toInteger(Parts.whole, Parts.wholeLength, Parts.fraction, Parts.fractionLength)
    const value = scale < 0 ? whole / powerOfTen(-scale) : whole * powerOfTen(scale)
    Cell.float = Decimal.negative ? -value : value
    return SOUND
  }
  hostParseFloat(Cell.numberStart, Cell.numberEnd, Cell.digits + DIGITS_ROOM)
  const value = load<f64>(Cell.digits + DIGITS_ROOM)
  if (value == Infinity || value == -Infinity) return FLOAT_RANGE
  if (value == 0 && hasNonZero(Parts.whole, Parts.wholeLength, Parts.fraction, Parts.fractionLength)) return FLOAT_RANGE
  Cell.float = value
  return SOUND
}

/** Whether the decimal is a whole number of 64 bits; leaves it in Cell.int. */
export function decimalAsInteger(): bool {
  if (Decimal.special != FINITE || Decimal.wholeLength > 19 || significantFraction() != 0) return false
  let value: u64 = 0
  for (let i: usize = 0; i < Decimal.wholeLength; i++) value = value * 10 + (load<u8>(Decimal.whole + i) - 48)
  if (value > (Decimal.negative ? 9223372036854775808 : 9223372036854775807)) return false
  Cell.int = Decimal.negative ? <i64>(0 - value) : <i64>value
  return true
}

/**
 * Whether the decimal's digits survive as a double: at most 15 significant ones (DBL_DIG), within 1e-307 to 1e308. Leaves
 * the double in Cell.float.
 */
export function decimalAsDouble(): bool {
  if (Decimal.special != FINITE) return false
  let whole = Decimal.whole
  let wholeLength = Decimal.wholeLength
  let fraction = Decimal.fraction
  let fractionLength = significantFraction()
  // Leading zeros of a fraction and trailing zeros of a whole number carry no information.
  let exponent: i64 = 0
  if (wholeLength == 0) {
    while (fractionLength && load<u8>(fraction) == 48) {
      fraction++
      fractionLength--
      exponent--
    }
  } else if (fractionLength == 0) {
    while (wholeLength && load<u8>(whole + wholeLength - 1) == 48) {
      wholeLength--
      exponent++
    }
  }
  const digits = wholeLength + fractionLength
  if (digits == 0) {
    Cell.float = Decimal.negative ? -0.0 : 0
    return true
  }
  if (digits > 15) return false
  const mantissa = <f64>toInteger(whole, wholeLength, fraction, fractionLength)
  const scale = exponent - <i64>fractionLength
  const magnitude = scale + <i64>digits - 1
  if (magnitude < -307 || magnitude > 308 || (magnitude == 308 && (digits > 1 || mantissa > 1))) return false
  let value: f64
  if (scale >= -22 && scale <= 22) {
    value = scale < 0 ? mantissa / powerOfTen(-scale) : mantissa * powerOfTen(scale)
  } else {
    hostParseFloat(Cell.numberStart, Cell.numberEnd, Cell.digits + DIGITS_ROOM)
    value = abs<f64>(load<f64>(Cell.digits + DIGITS_ROOM))
  }
  Cell.float = Decimal.negative ? -value : value
  return true
}

/** Bytes of Cell.digits that an expanded decimal may take. */
export const DIGITS_ROOM: usize = MAX_WHOLE + MAX_FRACTION + 64

/**
 * Compares the cell's decimal with a bound: u8 negative, u8 special, u16 -, u32 length of the whole part, u32 length of the fraction
 * (no trailing zeros), digits. NaN is above everything, as PostgreSQL orders it. Returns -1, 0 or 1.
 */
export function compareDecimal(bound: usize): i32 {
  const special = <u32>load<u8>(bound, 1)
  const otherNegative = <bool>load<u8>(bound)
  const a = rank(Decimal.special, Decimal.negative)
  const b = rank(special, otherNegative)
  if (a != b) return a < b ? -1 : 1
  if (Decimal.special != FINITE) return 0
  const wholeLength = <usize>load<u32>(bound, 4)
  const fractionLength = <usize>load<u32>(bound, 8)
  const size = compareDigits(bound + 12, wholeLength, bound + 12 + wholeLength, fractionLength)
  const zero = Decimal.wholeLength == 0 && significantFraction() == 0
  const otherZero = wholeLength + fractionLength == 0
  if (zero || otherZero) return zero && otherZero ? 0 : zero ? (otherNegative ? 1 : -1) : Decimal.negative ? -1 : 1
  if (Decimal.negative != otherNegative) return Decimal.negative ? -1 : 1
  return Decimal.negative ? -size : size
}

function rank(special: u32, negative: bool): i32 {
  return special == FINITE ? 1 : special == NAN ? 3 : negative ? 0 : 2
}

function compareDigits(whole: usize, wholeLength: usize, fraction: usize, fractionLength: usize): i32 {
  if (Decimal.wholeLength != wholeLength) return Decimal.wholeLength < wholeLength ? -1 : 1
  for (let i: usize = 0; i < wholeLength; i++) {
    const a = load<u8>(Decimal.whole + i)
    const b = load<u8>(whole + i)
    if (a != b) return a < b ? -1 : 1
  }
  const own = significantFraction()
  const common = own < fractionLength ? own : fractionLength
  for (let i: usize = 0; i < common; i++) {
    const a = load<u8>(Decimal.fraction + i)
    const b = load<u8>(fraction + i)
    if (a != b) return a < b ? -1 : 1
  }
  return own == fractionLength ? 0 : own < fractionLength ? -1 : 1
}

/** Digits of the fraction up to the last one that is not zero. */
export function significantFraction(): usize {
  let n = Decimal.fractionLength
  while (n && load<u8>(Decimal.fraction + n - 1) == 48) n--
  return n
}

function toInteger(whole: usize, wholeLength: usize, fraction: usize, fractionLength: usize): u64 {
  let value: u64 = 0
  for (let i: usize = 0; i < wholeLength; i++) value = value * 10 + (load<u8>(whole + i) - 48)
  for (let i: usize = 0; i < fractionLength; i++) value = value * 10 + (load<u8>(fraction + i) - 48)
  return value
}

function hasNonZero(whole: usize, wholeLength: usize, fraction: usize, fractionLength: usize): bool {
  for (let i: usize = 0; i < wholeLength; i++) if (load<u8>(whole + i) != 48) return true
  for (let i: usize = 0; i < fractionLength; i++) if (load<u8>(fraction + i) != 48) return true
  return false
}

const POWERS: usize = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22,
])

// @ts-ignore: decorator
@inline
function powerOfTen(n: i64): f64 {
  return load<f64>(POWERS + (<usize>n << 3))
}

// @ts-ignore: decorator
@inline
function trimNumber(): void {
  const start = Cell.start
  const end = Cell.end
  trimBlanks()
  Cell.numberStart = Cell.start
  Cell.numberEnd = Cell.end
  Cell.start = start
  Cell.end = end
}

/** Reads the cell into Decimal.special, .negative and Parts, by its plain text (Cell.numberStart). */
function parseNumber(column: usize): u32 {
  trimNumber()
  if (load<u8>(column, AT_GROUP_CHAR) || load<u8>(column, AT_DECIMAL_CHAR) != 46) {
    if (!plainNumber(column)) return NOT_NUMBER
  }
  let p = Cell.numberStart
  const t = Cell.numberEnd
  Decimal.special = FINITE
  Decimal.negative = false
  if (p < t) {
    const c = load<u8>(p)
    Decimal.negative = c == 45
    if (Decimal.negative || c == 43) p++
  }
  Parts.whole = p
  while (p < t && isDigit(load<u8>(p))) p++
  Parts.wholeLength = p - Parts.whole
  Parts.fraction = p
  Parts.fractionLength = 0
  Parts.exponent = 0
  if (p < t && load<u8>(p) == 46) {
    p++
    Parts.fraction = p
    while (p < t && isDigit(load<u8>(p))) p++
    Parts.fractionLength = p - Parts.fraction
  }
  if (Parts.wholeLength + Parts.fractionLength == 0) return parseSpecial(Parts.whole, t)
  if (p < t && (load<u8>(p) | 32) == 101) {
    p++
    let negative = false
    if (p < t) {
      const c = load<u8>(p)
      negative = c == 45
      if (negative || c == 43) p++
    }
    if (p >= t) return NOT_NUMBER
    let exponent: i64 = 0
    while (p < t && isDigit(load<u8>(p))) {
      if (exponent < 100000000000) exponent = exponent * 10 + (load<u8>(p) - 48)
      p++
    }
    Parts.exponent = negative ? -exponent : exponent
  }
  if (p != t) return NOT_NUMBER
  while (Parts.wholeLength && load<u8>(Parts.whole) == 48) {
    Parts.whole++
    Parts.wholeLength--
  }
  return SOUND
}

/** `nan` without a sign, `inf` and `infinity` with or without one. */
function parseSpecial(p: usize, t: usize): u32 {
  const n = t - p
  if (n == 3 && isWord(p, 0x666e69, 3)) {
    Decimal.special = INFINITY
    return SOUND
  }
  if (n == 8 && isWord(p, 0x696e69666e69, 6) && (load<u8>(p + 6) | 32) == 116 && (load<u8>(p + 7) | 32) == 121) {
    Decimal.special = INFINITY
    return SOUND
  }
  if (n == 3 && p == Cell.numberStart && isWord(p, 0x6e616e, 3)) {
    Decimal.special = NAN
    return SOUND
  }
  return NOT_NUMBER
}

/** Whether the `n` letters at `p`, in lower case, are those of `word` (little-endian). */
function isWord(p: usize, word: u64, n: u32): bool {
  const mask: u64 = (<u64>1 << (n * 8)) - 1
  return ((load<u64>(p) | 0x2020202020202020) & mask) == word
}

/** Moves the point by the exponent; false when the result has more digits than numeric can hold. */
function applyExponent(): bool {
  const exponent = Parts.exponent
  if (exponent == 0) {
    Decimal.whole = Parts.whole
    Decimal.wholeLength = Parts.wholeLength
    Decimal.fraction = Parts.fraction
    Decimal.fractionLength = Parts.fractionLength
    return Parts.wholeLength <= MAX_WHOLE && Parts.fractionLength <= MAX_FRACTION
  }
  const zero = !hasNonZero(Parts.whole, Parts.wholeLength, Parts.fraction, Parts.fractionLength)
  const behind = <i64>Parts.fractionLength - exponent
  const fractionLength = behind > 0 ? behind : 0
  if (fractionLength > <i64>MAX_FRACTION) return false
  // The point stands behind `point` of all the digits; negative: zeros come between.
  const point = <i64>Parts.wholeLength + exponent
  let o = Cell.digits
  Decimal.whole = o
  if (!zero && point > 0) {
    if (point > <i64>(MAX_WHOLE + Parts.fractionLength)) return false
    for (let i: i64 = 0; i < point; i++) {
      const digit = digitAt(i)
      if (o == Decimal.whole && digit == 48) continue
      if (o - Decimal.whole >= MAX_WHOLE) return false
      store<u8>(o++, digit)
    }
  }
  Decimal.wholeLength = o - Decimal.whole
  Decimal.fraction = o
  Decimal.fractionLength = <usize>fractionLength
  for (let i: i64 = 0; i < fractionLength; i++) store<u8>(o++, zero ? 48 : digitAt(point + i))
  return true
}

/** Digit `i` of whole and fraction as one string, 0 where it has none. */
function digitAt(i: i64): u8 {
  if (i < 0) return 48
  if (i < <i64>Parts.wholeLength) return load<u8>(Parts.whole + <usize>i)
  const j = <usize>i - Parts.wholeLength
  return j < Parts.fractionLength ? load<u8>(Parts.fraction + j) : 48
}

/**
 * Writes the number's plain text: with `.` as decimal character and without group characters between two digits before it. False when a `.`
 * stands where another decimal character is agreed.
 */
function plainNumber(column: usize): bool {
  const group = <u32>load<u8>(column, AT_GROUP_CHAR)
  const decimal = <u32>load<u8>(column, AT_DECIMAL_CHAR)
  const to = Cell.other
  let o = to
  let seenDecimal = false
  let plain = true
  const s = Cell.numberStart
  const t = Cell.numberEnd
  for (let p = s; p < t; p++) {
    const c = <u32>load<u8>(p)
    if (c == decimal) {
      seenDecimal = true
      store<u8>(o++, 46)
    } else if (
      group && c == group && !seenDecimal && p > s && p + 1 < t && isDigit(load<u8>(p - 1)) && isDigit(load<u8>(p + 1))
    ) {
      continue
    } else {
      if (c == 46) plain = false
      store<u8>(o++, <u8>c)
    }
  }
  Cell.other = Cell.scratch
  Cell.scratch = to
  Cell.numberStart = to
  Cell.numberEnd = o
  return plain
}
