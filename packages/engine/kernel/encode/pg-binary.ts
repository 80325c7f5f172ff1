// Fields of the binary COPY format (PostgreSQL, "COPY", section "Binary Format"): a 32-bit length, then the value in the
// form of the type's receive function.
import { copy, put16, put32, put64 } from '../bytes'
import { Cell } from '../cell'
import { Decimal, FINITE, INFINITY } from '../columns/number'
import { DAY, putDate, putTime, putTimestamp } from '../columns/temporal'
import {
  AT_PRECISION,
  AT_SCALE,
  AT_STORAGE,
  AT_TYPE,
  STORE_PG_BOOL,
  STORE_PG_DATE,
  STORE_PG_FLOAT8,
  STORE_PG_INT2,
  STORE_PG_INT4,
  STORE_PG_INT8,
  STORE_PG_JSONB,
  STORE_PG_NUMERIC,
  STORE_PG_TEXT,
  STORE_PG_TIME,
  STORE_PG_TIMESTAMP,
  STORE_PG_TIMESTAMPTZ,
  STORE_PG_UUID,
  TYPE_DATE,
  TYPE_INTEGER,
  TYPE_TIME,
  TYPE_TIMESTAMP,
  TYPE_TIMESTAMPTZ,
} from '../program'
import { integerAsDecimal } from './widen'

export const NUMERIC_NEGATIVE: u32 = 0x4000
const NUMERIC_NAN: u32 = 0xc000
const NUMERIC_INFINITY: u32 = 0xd000
const NUMERIC_MINUS_INFINITY: u32 = 0xf000

/** Writes the cell as a field at `o`; returns the end. */
export function putPgBinary(o: usize, column: usize): usize {
  if (Cell.isNull) {
    store<u32>(o, 0xffffffff)
    return o + 4
  }
  const storage = load<u8>(column, AT_STORAGE)
  if (storage == STORE_PG_TEXT) {
    const end = putStoredText(o + 4, load<u8>(column, AT_TYPE))
    put32(o, <u32>(end - o - 4))
    return end
  }
  switch (storage) {
    case STORE_PG_INT4:
      put32(o, 4)
      put32(o + 4, <u32>Cell.int)
      return o + 8
    case STORE_PG_INT8:
      put32(o, 8)
      put64(o + 4, <u64>Cell.int)
      return o + 12
    case STORE_PG_INT2:
      put32(o, 2)
      put16(o + 4, <u32>Cell.int)
      return o + 6
    case STORE_PG_NUMERIC:
      if (load<u8>(column, AT_TYPE) == TYPE_INTEGER) integerAsDecimal()
      return putNumeric(o, column)
    case STORE_PG_FLOAT8:
      put32(o, 8)
      put64(o + 4, reinterpret<u64>(load<u8>(column, AT_TYPE) == TYPE_INTEGER ? <f64>Cell.int : Cell.float))
      return o + 12
    case STORE_PG_BOOL:
      put32(o, 1)
      store<u8>(o + 4, <u8>Cell.int)
      return o + 5
    case STORE_PG_DATE:
      put32(o, 4)
      put32(o + 4, <u32>Cell.int)
      return o + 8
    case STORE_PG_TIME:
      put32(o, 8)
      put64(o + 4, <u64>Cell.int)
      return o + 12
    case STORE_PG_TIMESTAMP:
    case STORE_PG_TIMESTAMPTZ:
      put32(o, 8)
      put64(o + 4, <u64>(load<u8>(column, AT_TYPE) == TYPE_DATE ? Cell.int * DAY : Cell.int))
      return o + 12
    case STORE_PG_UUID:
      put32(o, 16)
      copy(o + 4, Cell.digits, 16)
      return o + 20
    case STORE_PG_JSONB: {
      // jsonb_recv: a version byte, then the text.
      const n = Cell.end - Cell.start
      put32(o, <u32>n + 1)
      store<u8>(o + 4, 1)
      copy(o + 5, Cell.start, n)
      return o + 5 + n
    }
    default:
      return unreachable()
  }
}

/** The text that a text column holds: the cell's own, except that dates and times are ISO 8601. Returns the end. */
export function putStoredText(o: usize, type: u8): usize {
  switch (type) {
    case TYPE_DATE:
      return putDate(o, Cell.int)
    case TYPE_TIME:
      return putTime(o, Cell.int)
    case TYPE_TIMESTAMP:
      return putTimestamp(o, Cell.int, false)
    case TYPE_TIMESTAMPTZ:
      return putTimestamp(o, Cell.int, true)
    default: {
      const n = Cell.end - Cell.start
      copy(o, Cell.start, n)
      return o + n
    }
  }
}

/**
 * numeric_recv: digits in base 10,000 aligned to the point. Leading and trailing zero digits are left out; the scale for
 * display keeps the zeros that were written.
 */
function putNumeric(o: usize, column: usize): usize {
  if (Decimal.special != FINITE) {
    put32(o, 8)
    store<u64>(o + 4, 0)
    put16(o + 8, Decimal.special != INFINITY ? NUMERIC_NAN : Decimal.negative ? NUMERIC_MINUS_INFINITY : NUMERIC_INFINITY)
    return o + 12
  }
  const wholeLength = Decimal.wholeLength
  const fractionLength = Decimal.fractionLength
  let digit = o + 12
  let weight = <i32>((wholeLength + 3) >> 2) - 1
  let p = Decimal.whole
  let left = wholeLength
  while (left) {
    const n = ((left - 1) & 3) + 1
    put16(digit, group(p, n))
    digit += 2
    p += n
    left -= n
  }
  p = Decimal.fraction
  left = fractionLength
  while (left) {
    const n = left < 4 ? left : 4
    let value = group(p, n)
    for (let i = n; i < 4; i++) value *= 10
    if (digit == o + 12 && value == 0) {
      weight--
    } else {
      put16(digit, value)
      digit += 2
    }
    p += n
    left -= n
  }
  while (digit > o + 12 && load<u16>(digit - 2) == 0) digit -= 2
  const digits = <u32>(digit - o - 12) >> 1
  const scale = load<i32>(column, AT_PRECISION) >= 0 ? <u32>load<i32>(column, AT_SCALE) : <u32>fractionLength
  put32(o, 8 + digits * 2)
  put16(o + 4, digits)
  put16(o + 6, digits ? <u32>weight : 0)
  put16(o + 8, digits && Decimal.negative ? NUMERIC_NEGATIVE : 0)
  put16(o + 10, scale)
  return digit
}

function group(p: usize, n: usize): u32 {
  let value: u32 = 0
  for (let i: usize = 0; i < n; i++) value = value * 10 + (<u32>load<u8>(p + i) - 48)
  return value
}
