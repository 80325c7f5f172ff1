// Cells that are written as most cells are: straight from the input to the output, in one step for each kind of column. What is
// anything but usual takes the general way (check.ts and encode/), which also finds what is wrong with it. Both give the same
// bytes; this one does without everything that the cell at hand does not need, in a third of the time.
import { copy, find, put16, put32, put64 } from './bytes'
import { usualBoolean } from './columns/boolean'
import { usualEmail } from './columns/email'
import {
  fractionOf,
  isNegative,
  scaleOf,
  tenTo,
  UNUSUAL,
  UNUSUAL_DECIMAL,
  usualDecimal,
  usualInteger,
  wholeOf,
} from './columns/number'
import { usualDate, usualDays } from './columns/temporal'
import { copyText } from './columns/text'
import { readUuid } from './columns/uuid'
import { NUMERIC_NEGATIVE } from './encode/pg-binary'
import { addTextOfBody, Page, putInt, putReal } from './encode/sqlite-page'
import {
  AT_FLAGS,
  AT_MAX,
  AT_MAX_DECIMAL,
  AT_MAX_LENGTH,
  AT_MIN,
  AT_MIN_DECIMAL,
  AT_PRECISION,
  AT_SCALE,
  AT_STORAGE,
  HAS_MAX,
  HAS_MIN,
  STORE_PG_INT4,
  STORE_PG_INT8,
  USUAL_BOOLEAN,
  USUAL_DATE,
  USUAL_EMAIL,
  USUAL_INTEGER,
  USUAL_LOWERCASE_EMAIL,
  USUAL_NUMERIC,
  USUAL_TEXT,
  USUAL_TRIMMED_EMAIL,
  USUAL_TRIMMED_LOWERCASE_EMAIL,
  USUAL_TRIMMED_TEXT,
  USUAL_UUID,
} from './program'

/** Writes the cell's text [s, t), which is not empty, as a field of binary COPY at `o`; returns its end, or 0: the cell is not usual. */
// @ts-ignore: decorator
@inline
export function putUsualPgBinary(o: usize, column: usize, usual: u8, s: usize, t: usize): usize {
  if (isTrimmed(usual)) {
    s = behindSpaces(s, t)
    t = beforeSpaces(s, t)
  }
  const n = t - s
  switch (usual) {
    case USUAL_TEXT:
    case USUAL_TRIMMED_TEXT: {
      if (n > <usize>load<u32>(column, AT_MAX_LENGTH)) return 0
      if (usual == USUAL_TRIMMED_TEXT && !isVisible(s, t)) return 0
      if (!copyText(o + 4, s, t)) return 0
      put32(o, <u32>n)
      return o + 4 + n
    }
    case USUAL_INTEGER: {
      const value = usualInteger(s, n)
      if (value == UNUSUAL || !isInRange(column, value)) return 0
      const storage = load<u8>(column, AT_STORAGE)
      if (storage == STORE_PG_INT8) {
        put32(o, 8)
        put64(o + 4, <u64>value)
        return o + 12
      }
      if (storage == STORE_PG_INT4) {
        put32(o, 4)
        put32(o + 4, <u32>value)
        return o + 8
      }
      put32(o, 2)
      put16(o + 4, <u32>value)
      return o + 6
    }
    case USUAL_NUMERIC: {
      const value = usualDecimal(s, n)
      return value == UNUSUAL_DECIMAL ? 0 : putNumeric(o, column, value)
    }
    case USUAL_BOOLEAN: {
      const value = usualBoolean(s, <u32>n)
      if (value < 0) return 0
      put32(o, 1)
      store<u8>(o + 4, <u8>value)
      return o + 5
    }
    case USUAL_DATE: {
      const date = usualDate(column, s, n)
      if (!date) return 0
      put32(o, 4)
      put32(o + 4, <u32>usualDays(date))
      return o + 8
    }
    case USUAL_UUID: {
      if (!readUuid(s, n, o + 4)) return 0
      put32(o, 16)
      return o + 20
    }
    default: {
      if (n > <usize>load<u32>(column, AT_MAX_LENGTH)) return 0
      if (!usualEmail(o + 4, s, n, lowers(usual))) return 0
      put32(o, <u32>n)
      return o + 4 + n
    }
  }
}

/** Appends the cell's text [s, t), which is not empty, to the row of an SQLite image; false: the cell is not usual. */
// @ts-ignore: decorator
@inline
export function putUsualSqlite(column: usize, usual: u8, s: usize, t: usize): bool {
  if (isTrimmed(usual)) {
    s = behindSpaces(s, t)
    t = beforeSpaces(s, t)
  }
  const n = t - s
  const o = Page.bodyEnd
  switch (usual) {
    case USUAL_TEXT:
    case USUAL_TRIMMED_TEXT: {
      if (n > <usize>load<u32>(column, AT_MAX_LENGTH)) return false
      if (usual == USUAL_TRIMMED_TEXT && !isVisible(s, t)) return false
      if (!copyText(o, s, t)) return false
      addTextOfBody(n)
      return true
    }
    case USUAL_INTEGER: {
      const value = usualInteger(s, n)
      if (value == UNUSUAL || !isInRange(column, value)) return false
      putInt(value)
      return true
    }
    case USUAL_NUMERIC: {
      const value = usualDecimal(s, n)
      if (value == UNUSUAL_DECIMAL || !fitsScale(column, value)) return false
      // Both are exact doubles, so that one division rounds once.
      const unit = tenTo(scaleOf(value))
      const real = <f64>(<u64>wholeOf(value) * <u64>unit + <u64>fractionOf(value)) / <f64>unit
      putReal(isNegative(value) ? -real : real)
      return true
    }
    case USUAL_BOOLEAN: {
      const value = usualBoolean(s, <u32>n)
      if (value < 0) return false
      putInt(value)
      return true
    }
    case USUAL_DATE: {
      const date = usualDate(column, s, n)
      if (!date) return false
      // YYYY-MM-DD
      store<u32>(o, <u32>date)
      store<u8>(o, 45, 4)
      store<u16>(o, <u16>(date >> 32), 5)
      store<u8>(o, 45, 7)
      store<u16>(o, <u16>(date >> 48), 8)
      addTextOfBody(10)
      return true
    }
    case USUAL_UUID: {
      if (!readUuid(s, n, o)) return false
      // In lower case; digits and hyphens have that bit already.
      const bit = i8x16.splat(32)
      v128.store(o, v128.or(v128.load(s), bit))
      v128.store(o, v128.or(v128.load(s, 16), bit), 16)
      store<u32>(o, load<u32>(s, 32) | 0x20202020, 32)
      addTextOfBody(36)
      return true
    }
    default: {
      if (n > <usize>load<u32>(column, AT_MAX_LENGTH)) return false
      if (!usualEmail(o, s, n, lowers(usual))) return false
      addTextOfBody(n)
      return true
    }
  }
}

// @ts-ignore: decorator
@inline
function isTrimmed(usual: u8): bool {
  return usual == USUAL_TRIMMED_TEXT || usual >= USUAL_TRIMMED_EMAIL
}

/** The bit that makes letters small, or none. */
// @ts-ignore: decorator
@inline
function lowers(usual: u8): u32 {
  return usual == USUAL_LOWERCASE_EMAIL || usual == USUAL_TRIMMED_LOWERCASE_EMAIL ? 32 : 0
}

// Spaces only: what else a column's trim takes off makes the cell unusual.
// @ts-ignore: decorator
@inline
function behindSpaces(s: usize, t: usize): usize {
  while (s < t && load<u8>(s) == 32) s++
  return s
}
// @ts-ignore: decorator
@inline
function beforeSpaces(s: usize, t: usize): usize {
  while (t > s && load<u8>(t - 1) == 32) t--
  return t
}

/** Whether there is nothing to take off at either end: what stands there is ASCII and no space. */
// @ts-ignore: decorator
@inline
function isVisible(s: usize, t: usize): bool {
  return s < t && <u32>load<u8>(s) - 33 < 94 && <u32>load<u8>(t - 1) - 33 < 94
}

// @ts-ignore: decorator
@inline
function isInRange(column: usize, value: i64): bool {
  if (value < load<i64>(column, AT_MIN) || value > load<i64>(column, AT_MAX)) return false
  const flags = <u32>load<u16>(column, AT_FLAGS)
  if (flags & HAS_MIN && value < load<i64>(load<u32>(column, AT_MIN_DECIMAL))) return false
  return !(flags & HAS_MAX) || value <= load<i64>(load<u32>(column, AT_MAX_DECIMAL))
}

/** Whether precision and scale of the column can hold what `usualDecimal` returned. */
// @ts-ignore: decorator
@inline
function fitsScale(column: usize, value: u64): bool {
  const precision = load<i32>(column, AT_PRECISION)
  if (precision < 0) return true
  const scale = load<i32>(column, AT_SCALE)
  if (<i32>scaleOf(value) > scale) return false
  // There are no more than 8 digits before the point.
  const most = precision - scale
  return most >= 8 || (most >= 0 && wholeOf(value) < tenTo(<usize>most))
}

/** As putNumeric of encode/pg-binary.ts, by arithmetic; 0 where the decimal does not fit or its fraction takes two groups. */
// @ts-ignore: decorator
@inline
function putNumeric(o: usize, column: usize, value: u64): usize {
  const written = scaleOf(value)
  if (written > 4 || !fitsScale(column, value)) return 0
  const whole = wholeOf(value)
  const fraction = fractionOf(value) * tenTo(4 - written)
  const high = whole / 10000
  const low = whole - high * 10000
  let end = o + 12
  let weight: u32 = 0
  if (high) {
    put16(end, high)
    put16(end + 2, low)
    end += 4
    weight = 1
  } else if (low) {
    put16(end, low)
    end += 2
  } else {
    weight = 0xffff
  }
  if (fraction) {
    put16(end, fraction)
    end += 2
  } else {
    // No zeros stand at the end.
    while (end > o + 12 && load<u16>(end - 2) == 0) end -= 2
  }
  const groups = <u32>(end - o - 12) >> 1
  const scale = load<i32>(column, AT_PRECISION) >= 0 ? <u32>load<i32>(column, AT_SCALE) : <u32>written
  put32(o, 8 + groups * 2)
  put16(o + 4, groups)
  put16(o + 6, groups ? weight : 0)
  put16(o + 8, isNegative(value) ? NUMERIC_NEGATIVE : 0)
  put16(o + 10, scale)
  return end
}

/** Whether the quoted cell whose text is [s, t) has quotes inside. */
export function hasQuotes(s: usize, t: usize, quote: u8): bool {
  return find(s, t, quote) != t
}
