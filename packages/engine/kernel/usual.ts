// Cells that are written as most cells are: straight from the input to the output, in one step for each kind of column. What is
// anything but usual takes the general way (check.ts and encode/), which also finds what is wrong with it. Both give the same
// bytes; this one does without everything that the cell at hand does not need, in a third of the time.
import { copy, find, put16, put32, put64 } from './bytes'
import { usualBoolean } from './columns/boolean'
import { usualEmail } from './columns/email'
import { tenTo, UNUSUAL, USUAL_SCALE, usualDecimal, usualInteger } from './columns/number'
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
  USUAL_TRIMMED_TEXT,
  USUAL_UUID,
} from './program'

/** Writes the cell's text [s, t), which is not empty, as a field of binary COPY at `o`; returns its end, or 0: the cell is not usual. */
// @ts-ignore: decorator
@inline
export function putUsualPgBinary(o: usize, column: usize, usual: u8, s: usize, t: usize): usize {
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
      return value == UNUSUAL ? 0 : putNumeric(o, column, value)
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
      if (!usualEmail(o + 4, s, n, usual == USUAL_LOWERCASE_EMAIL ? 32 : 0)) return 0
      put32(o, <u32>n)
      return o + 4 + n
    }
  }
}

/** Appends the cell's text [s, t), which is not empty, to the row of an SQLite image; false: the cell is not usual. */
// @ts-ignore: decorator
@inline
export function putUsualSqlite(column: usize, usual: u8, s: usize, t: usize): bool {
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
      if (value == UNUSUAL || !fitsScale(column, value)) return false
      // Both are exact doubles, so that one division rounds once.
      putReal(<f64>(value >> 4) / <f64>tenTo(<usize>(value & USUAL_SCALE)))
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
      if (!usualEmail(o, s, n, usual == USUAL_LOWERCASE_EMAIL ? 32 : 0)) return false
      addTextOfBody(n)
      return true
    }
  }
}

/** Whether there is nothing to take off at either end: what stands there is ASCII and no space. */
// @ts-ignore: decorator
@inline
function isVisible(s: usize, t: usize): bool {
  return <u32>load<u8>(s) - 33 < 94 && <u32>load<u8>(t - 1) - 33 < 94
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
function fitsScale(column: usize, value: i64): bool {
  const precision = load<i32>(column, AT_PRECISION)
  if (precision < 0) return true
  const scale = load<i32>(column, AT_SCALE)
  const written = <i32>(value & USUAL_SCALE)
  if (written > scale) return false
  // There are no more than 8 digits before the point.
  const most = precision - scale
  if (most >= 8) return true
  const digits = value >> 4
  return most >= 0 && <u64>(digits < 0 ? 0 - digits : digits) < tenTo(<usize>written) * tenTo(<usize>most)
}

/** As putNumeric of encode/pg-binary.ts, by arithmetic; 0 where the decimal does not fit or its fraction takes two groups. */
// @ts-ignore: decorator
@inline
function putNumeric(o: usize, column: usize, value: i64): usize {
  const written = <usize>(value & USUAL_SCALE)
  if (written > 4 || !fitsScale(column, value)) return 0
  const negative = value < 0
  const digits = <u64>(negative ? 0 - (value >> 4) : value >> 4)
  const unit = tenTo(written)
  const whole = <u32>(digits / unit)
  const fraction = <u32>(digits - <u64>whole * unit) * <u32>tenTo(4 - written)
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
  put16(o + 8, negative ? NUMERIC_NEGATIVE : 0)
  put16(o + 10, scale)
  return end
}

/** Whether the quoted cell whose text is [s, t) has quotes inside. */
export function hasQuotes(s: usize, t: usize, quote: u8): bool {
  return find(s, t, quote) != t
}
