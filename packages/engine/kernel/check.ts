// One cell from its bytes to its checked value: NULL test, validity, transforms, type, constraints. The value is left in Cell
// and Decimal for the encoders.
import { inWords } from './bytes'
import { Cell } from './cell'
import { checkBoolean } from './columns/boolean'
import { checkEmail } from './columns/email'
import { checkJson } from './columns/json'
import {
  checkFloat,
  checkInteger,
  checkNumeric,
  compareDecimal,
  Decimal,
  decimalAsDouble,
  decimalAsInteger,
  toFloat,
} from './columns/number'
import { checkDate, checkTime, checkTimestamp } from './columns/temporal'
import { checkText, codePoints, nullsEmpty, transform } from './columns/text'
import { checkUuid } from './columns/uuid'
import { putInteger } from './encode/digits'
import { hostTest } from './host'
import {
  AT_CONSTANT,
  AT_CONSTANT_LENGTH,
  AT_ENUM,
  AT_FLAGS,
  AT_MAX,
  AT_MAX_DECIMAL,
  AT_MAX_LENGTH,
  AT_MIN,
  AT_MIN_DECIMAL,
  AT_MIN_LENGTH,
  AT_STORAGE,
  AT_TRANSFORMS,
  AT_TYPE,
  FROM_CONSTANT,
  FROM_LINE,
  HAS_ENUM,
  HAS_LENGTH,
  HAS_MAX,
  HAS_MIN,
  HAS_REQUIRED,
  HAS_TEST,
  HAS_TRANSFORMS,
  STORE_PG_FLOAT8,
  STORE_SQLITE_EXACT,
  STORE_SQLITE_REAL,
  TYPE_BOOLEAN,
  TYPE_DATE,
  TYPE_EMAIL,
  TYPE_FLOAT8,
  TYPE_INTEGER,
  TYPE_NUMERIC,
  TYPE_TEXT,
  TYPE_TIME,
  TYPE_TIMESTAMP,
  TYPE_TIMESTAMPTZ,
  TYPE_UUID,
} from './program'
import {
  DIGITS_LOST,
  NOT_IN_ENUM,
  NOT_NUMBER,
  REQUIRED,
  SOUND,
  TEST_FAILED,
  TOO_LARGE,
  TOO_LONG,
  TOO_SHORT,
  TOO_SMALL,
} from './reasons'
import { Scan } from './scan/csv'

/** Takes one cell to its checked value (in Cell, Decimal): SOUND or why not. */
export function readCell(column: usize, ordinal: u32, cell: u32, start: usize, end: usize, line: i64): u32 {
  const flags = <u32>load<u16>(column, AT_FLAGS)
  Cell.isNull = false
  if (cell < FROM_LINE) {
    Cell.start = start
    Cell.end = end
    Cell.quoted = start < end && <i32>load<u8>(start) == Scan.quote
    if (Cell.quoted) unquote()
    else if (isNullWord()) Cell.isNull = true
  } else if (cell == FROM_CONSTANT) {
    const length = load<u32>(column, AT_CONSTANT_LENGTH)
    Cell.start = load<u32>(column, AT_CONSTANT)
    Cell.end = Cell.start + length
    Cell.quoted = true
    Cell.isNull = length == u32.MAX_VALUE
  } else {
    // As a text, because the column may be of any type.
    const to = Cell.other
    Cell.start = to
    Cell.end = putInteger(to, line)
    Cell.quoted = true
    Cell.other = Cell.scratch
    Cell.scratch = to
  }
  if (Cell.isNull) return flags & HAS_REQUIRED ? REQUIRED : SOUND

  const type = load<u8>(column, AT_TYPE)
  if (flags & HAS_TRANSFORMS) {
    const validity = checkText(Cell.start, Cell.end)
    if (validity != SOUND) return validity
    transform(column + AT_TRANSFORMS)
    if (Cell.start == Cell.end && nullsEmpty(column + AT_TRANSFORMS)) {
      Cell.isNull = true
      return flags & HAS_REQUIRED ? REQUIRED : SOUND
    }
  }
  const textStart = Cell.start
  const textEnd = Cell.end
  const reason = checkType(column, type, (flags & HAS_TRANSFORMS) != 0)
  if (reason != SOUND) {
    // Bytes that are no text at all are what is wrong first.
    const validity = checkText(textStart, textEnd)
    return validity != SOUND ? validity : reason
  }
  // A column of text stores the spaces around the value too.
  Cell.start = textStart
  Cell.end = textEnd
  return flags & (HAS_ENUM | HAS_MIN | HAS_MAX | HAS_LENGTH | HAS_TEST)
    ? checkConstraints(column, ordinal, flags, type, textStart, textEnd)
    : SOUND
}

/** Takes the quotes off the cell, and doubled or escaped ones out of it. */
function unquote(): void {
  const s = Cell.start + 1
  const t = Cell.end - 1
  const quote = <u8>Scan.quote
  const special = Scan.escape < 0 ? quote : <u8>Scan.escape
  const wanted = i8x16.splat(<i8>special)
  let found = false
  for (let p = s; p < t; p += 16) {
    let bits = <u32>i8x16.bitmask(i8x16.eq(v128.load(p), wanted))
    if (t - p < 16) bits &= (1 << <u32>(t - p)) - 1
    if (bits) {
      found = true
      break
    }
  }
  if (!found) {
    Cell.start = s
    Cell.end = t
    return
  }
  const to = Cell.other
  let o = to
  let p = s
  while (p < t) {
    const c = load<u8>(p)
    if (c == special && p + 1 < t) {
      const following = load<u8>(p + 1)
      if (following == quote || following == special) p++
    }
    store<u8>(o++, load<u8>(p++))
  }
  Cell.other = Cell.scratch
  Cell.scratch = to
  Cell.start = to
  Cell.end = o
}

/** Which unquoted cells mean NULL. */
export class Nulls {
  /** Word list; 0: none. */
  static words: usize = 0
  static onlyEmpty: bool = true
}

export function setNullWords(list: usize, onlyEmpty: bool): void {
  Nulls.words = list
  Nulls.onlyEmpty = onlyEmpty
}

// @ts-ignore: decorator
@inline
function isNullWord(): bool {
  if (Nulls.onlyEmpty) return Cell.start == Cell.end
  return Nulls.words != 0 && inWords(Nulls.words, Cell.start, <u32>(Cell.end - Cell.start))
}

/** `valid`: the text is known to be valid UTF-8 without NUL. */
function checkType(column: usize, type: u8, valid: bool): u32 {
  switch (type) {
    case TYPE_TEXT:
      return valid ? SOUND : checkText(Cell.start, Cell.end)
    case TYPE_INTEGER:
      return checkInteger(column, load<i64>(column, AT_MIN), load<i64>(column, AT_MAX))
    case TYPE_NUMERIC: {
      const reason = checkNumeric(column)
      // Only an exponent makes a decimal longer than its text.
      const digits = Decimal.wholeLength + Decimal.fractionLength
      if (reason == SOUND && digits > Cell.end - Cell.start) Cell.expanded += digits
      const storage = load<u8>(column, AT_STORAGE)
      if (reason != SOUND) return reason
      if (storage == STORE_PG_FLOAT8 || storage == STORE_SQLITE_REAL) return storedFloat(storage)
      if (storage == STORE_SQLITE_EXACT && !decimalAsInteger() && !decimalAsDouble()) return DIGITS_LOST
      return SOUND
    }
    case TYPE_FLOAT8: {
      const reason = checkFloat(column)
      return reason == SOUND ? withoutNan(load<u8>(column, AT_STORAGE)) : reason
    }
    case TYPE_BOOLEAN:
      return checkBoolean(column)
    case TYPE_DATE:
      return checkDate(column)
    case TYPE_TIME:
      return checkTime(column)
    case TYPE_TIMESTAMP:
      return checkTimestamp(column, false)
    case TYPE_TIMESTAMPTZ:
      return checkTimestamp(column, true)
    case TYPE_UUID:
      return checkUuid(Cell.digits)
    case TYPE_EMAIL: {
      const validity = valid ? SOUND : checkText(Cell.start, Cell.end)
      return validity != SOUND ? validity : checkEmail()
    }
    default: {
      const validity = checkText(Cell.start, Cell.end)
      return validity != SOUND ? validity : checkJson(column)
    }
  }
}

/** A decimal that goes into a column of doubles. */
function storedFloat(storage: u8): u32 {
  const reason = toFloat()
  return reason == SOUND ? withoutNan(storage) : reason
}

/** SQLite would store NaN as NULL. */
// @ts-ignore: decorator
@inline
function withoutNan(storage: u8): u32 {
  return storage == STORE_SQLITE_REAL && isNaN(Cell.float) ? NOT_NUMBER : SOUND
}

function checkConstraints(column: usize, ordinal: u32, flags: u32, type: u8, start: usize, end: usize): u32 {
  if (flags & HAS_ENUM && !inWords(load<u32>(column, AT_ENUM), start, <u32>(end - start))) return NOT_IN_ENUM
  if (flags & (HAS_MIN | HAS_MAX)) {
    if (type == TYPE_NUMERIC) {
      if (flags & HAS_MIN && compareDecimal(load<u32>(column, AT_MIN_DECIMAL)) < 0) return TOO_SMALL
      if (flags & HAS_MAX && compareDecimal(load<u32>(column, AT_MAX_DECIMAL)) > 0) return TOO_LARGE
    } else if (type == TYPE_FLOAT8) {
      // NaN is above everything, as PostgreSQL orders it.
      if (flags & HAS_MIN && Cell.float < load<f64>(column, AT_MIN)) return TOO_SMALL
      if (flags & HAS_MAX && !(Cell.float <= load<f64>(column, AT_MAX))) return TOO_LARGE
    } else if (type == TYPE_INTEGER) {
      // AT_MIN and AT_MAX hold the range of the type; the schema's bounds stand behind the pointers, as i64.
      if (flags & HAS_MIN && Cell.int < load<i64>(load<u32>(column, AT_MIN_DECIMAL))) return TOO_SMALL
      if (flags & HAS_MAX && Cell.int > load<i64>(load<u32>(column, AT_MAX_DECIMAL))) return TOO_LARGE
    } else {
      if (flags & HAS_MIN && Cell.int < load<i64>(column, AT_MIN)) return TOO_SMALL
      if (flags & HAS_MAX && Cell.int > load<i64>(column, AT_MAX)) return TOO_LARGE
    }
  }
  if (flags & HAS_LENGTH) {
    const shortest = load<u32>(column, AT_MIN_LENGTH)
    const longest = load<u32>(column, AT_MAX_LENGTH)
    // A text has at least a code point for each four bytes and at most one for each byte.
    const bytes = <u32>(end - start)
    if (bytes > longest || bytes < shortest * 4) {
      const length = codePoints(start, end)
      if (length < shortest) return TOO_SHORT
      if (length > longest) return TOO_LONG
    }
  }
  if (flags & HAS_TEST) {
    Cell.message = hostTest(ordinal, start, end)
    if (Cell.message) return TEST_FAILED
  }
  return SOUND
}
