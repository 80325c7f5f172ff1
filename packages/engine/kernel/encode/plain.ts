// The text of a value, the same for every database: what the SHA-256 of a record's content is taken of.
import { Cell } from '../cell'
import { Decimal, FINITE } from '../columns/number'
import { putDate, putTime, putTimestamp } from '../columns/temporal'
import {
  AT_TYPE,
  TYPE_BOOLEAN,
  TYPE_DATE,
  TYPE_FLOAT8,
  TYPE_INTEGER,
  TYPE_NUMERIC,
  TYPE_TIME,
  TYPE_TIMESTAMP,
  TYPE_TIMESTAMPTZ,
  TYPE_UUID,
} from '../program'
import { putInteger } from './digits'
import { putDecimal, putUuid } from './pg-text'

/** Digits that an exponent may add to what is written. */
const MOST_ADDED: usize = 40

/** Writes the text of the cell, which is not NULL, at `o`; returns the end. */
export function putPlain(o: usize, column: usize): usize {
  switch (load<u8>(column, AT_TYPE)) {
    case TYPE_INTEGER:
      return putInteger(o, Cell.int)
    case TYPE_NUMERIC:
      return putNumber(o)
    case TYPE_FLOAT8:
      return copy(o, Cell.numberStart, Cell.numberEnd)
    case TYPE_BOOLEAN:
      store<u8>(o, Cell.int ? 116 : 102)
      return o + 1
    case TYPE_DATE:
      return putDate(o, Cell.int)
    case TYPE_TIME:
      return putTime(o, Cell.int)
    case TYPE_TIMESTAMP:
      return putTimestamp(o, Cell.int, false)
    case TYPE_TIMESTAMPTZ:
      return putTimestamp(o, Cell.int, true)
    case TYPE_UUID:
      return putUuid(o)
    default:
      return copy(o, Cell.start, Cell.end)
  }
}

/** A decimal without the zeros at its end; as it is written where its digits would be many more. */
function putNumber(o: usize): usize {
  const digits = Decimal.wholeLength + Decimal.fractionLength
  if (Decimal.special == FINITE) {
    if (digits > Cell.numberEnd - Cell.numberStart + MOST_ADDED) return copy(o, Cell.numberStart, Cell.numberEnd)
    while (Decimal.fractionLength && load<u8>(Decimal.fraction + Decimal.fractionLength - 1) == 48) Decimal.fractionLength--
    if (Decimal.wholeLength + Decimal.fractionLength == 0) Decimal.negative = false
  }
  return putDecimal(o)
}

function copy(o: usize, s: usize, t: usize): usize {
  memory.copy(o, s, t - s)
  return o + (t - s)
}
