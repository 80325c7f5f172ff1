// Fields of the text COPY format (PostgreSQL, "COPY", section "Text Format").
import { matches } from '../bytes'
import { Cell } from '../cell'
import { Decimal, FINITE, INFINITY } from '../columns/number'
import { DAY, putDate, putTime, putTimestamp } from '../columns/temporal'
import {
  AT_STORAGE,
  AT_TYPE,
  STORE_PG_BOOL,
  STORE_PG_DATE,
  STORE_PG_FLOAT8,
  STORE_PG_INT2,
  STORE_PG_INT4,
  STORE_PG_INT8,
  STORE_PG_NUMERIC,
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
import { putInteger } from './digits'

/** Writes the cell at `o` without the tab that follows; returns the end. */
export function putPgText(o: usize, column: usize): usize {
  if (Cell.isNull) {
    store<u16>(o, 0x4e5c)
    return o + 2
  }
  const type = load<u8>(column, AT_TYPE)
  switch (load<u8>(column, AT_STORAGE)) {
    case STORE_PG_INT2:
    case STORE_PG_INT4:
    case STORE_PG_INT8:
      return putInteger(o, Cell.int)
    case STORE_PG_NUMERIC:
      return type == TYPE_INTEGER ? putInteger(o, Cell.int) : putDecimal(o)
    case STORE_PG_FLOAT8:
      return type == TYPE_INTEGER ? putInteger(o, Cell.int) : putEscaped(o, Cell.numberStart, Cell.numberEnd)
    case STORE_PG_BOOL:
      store<u8>(o, Cell.int ? 116 : 102)
      return o + 1
    case STORE_PG_DATE:
      return putDate(o, Cell.int)
    case STORE_PG_TIME:
      return putTime(o, Cell.int)
    case STORE_PG_TIMESTAMP:
      return putTimestamp(o, type == TYPE_DATE ? Cell.int * DAY : Cell.int, false)
    case STORE_PG_TIMESTAMPTZ:
      return putTimestamp(o, type == TYPE_DATE ? Cell.int * DAY : Cell.int, true)
    case STORE_PG_UUID:
      return putUuid(o)
    default:
      if (type == TYPE_DATE) return putDate(o, Cell.int)
      if (type == TYPE_TIME) return putTime(o, Cell.int)
      if (type == TYPE_TIMESTAMP) return putTimestamp(o, Cell.int, false)
      if (type == TYPE_TIMESTAMPTZ) return putTimestamp(o, Cell.int, true)
      return putEscaped(o, Cell.start, Cell.end)
  }
}

export function putDecimal(o: usize): usize {
  if (Decimal.special != FINITE) {
    if (Decimal.special == INFINITY) {
      if (Decimal.negative) store<u8>(o++, 45)
      // Infinity
      store<u64>(o, 0x7974696e69666e49)
      return o + 8
    }
    // NaN
    store<u32>(o, 0x004e614e)
    return o + 3
  }
  if (Decimal.negative) store<u8>(o++, 45)
  if (Decimal.wholeLength == 0) store<u8>(o++, 48)
  memory.copy(o, Decimal.whole, Decimal.wholeLength)
  o += Decimal.wholeLength
  if (Decimal.fractionLength) {
    store<u8>(o++, 46)
    memory.copy(o, Decimal.fraction, Decimal.fractionLength)
    o += Decimal.fractionLength
  }
  return o
}

/** The uuid whose 16 bytes are in Cell.digits, in its canonical form. */
export function putUuid(o: usize): usize {
  for (let i = 0; i < 16; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) store<u8>(o++, 45)
    const byte = <u32>load<u8>(Cell.digits + i)
    store<u8>(o++, hexDigit(byte >> 4))
    store<u8>(o++, hexDigit(byte & 15))
  }
  return o
}

// @ts-ignore: decorator
@inline
function hexDigit(n: u32): u8 {
  return <u8>(n < 10 ? 48 + n : 87 + n)
}

/** Escapes backslash, tab, LF and CR. */
function putEscaped(o: usize, s: usize, t: usize): usize {
  const backslash = i8x16.splat(92)
  const tab = i8x16.splat(9)
  const lf = i8x16.splat(10)
  const cr = i8x16.splat(13)
  while (s < t) {
    const v = v128.load(s)
    v128.store(o, v)
    let special = matches(v, backslash) | matches(v, tab) | matches(v, lf) | matches(v, cr)
    const left = t - s
    if (left < 16) special &= (1 << <u32>left) - 1
    if (special == 0) {
      const step: usize = left < 16 ? left : 16
      s += step
      o += step
      continue
    }
    const k = <usize>ctz(special)
    const c = load<u8>(s + k)
    o += k
    s += k + 1
    store<u8>(o, 92)
    store<u8>(o + 1, c == 92 ? 92 : c == 9 ? 116 : c == 10 ? 110 : 114)
    o += 2
  }
  return o
}
