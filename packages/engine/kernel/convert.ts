// From the index of scan/ to rows and rejects: for each record, for each column of the program, one cell at a time through
// NULL test, validity, transforms, type, constraints and encoder. A record with an error leaves no bytes behind.
import { inWords, put16, put32 } from './bytes'
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
import { checkText, codePoints, copyText, nullsEmpty, transform } from './columns/text'
import { checkUuid } from './columns/uuid'
import { putPgBinary } from './encode/pg-binary'
import { putPgText } from './encode/pg-text'
import {
  addTextOfBody,
  beginPage,
  beginRow,
  endPage,
  endRow,
  PAGE,
  Page,
  putRecord,
  putSqlite,
  ROW_NEEDS_PAGE,
  ROW_TOO_LARGE,
} from './encode/sqlite-page'
import { hostTest } from './host'
import {
  AT_CELL,
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
  COLUMN,
  FROM_CONSTANT,
  FROM_LINE,
  HAS_ENUM,
  HAS_LENGTH,
  HAS_MAX,
  HAS_MIN,
  HAS_REQUIRED,
  HAS_TEST,
  HAS_TRANSFORMS,
  IS_PLAIN,
  STORE_PG_FLOAT8,
  STORE_SQLITE_EXACT,
  STORE_SQLITE_REAL,
  TYPE_BOOLEAN,
  TYPE_DATE,
  TYPE_EMAIL,
  TYPE_FLOAT8,
  TYPE_INTEGER,
  TYPE_JSON,
  TYPE_NUMERIC,
  TYPE_TEXT,
  TYPE_TIME,
  TYPE_TIMESTAMP,
  TYPE_TIMESTAMPTZ,
  TYPE_UUID,
} from './program'
import {
  DIGITS_LOST,
  EXTRA_CELL,
  MISSING_CELL,
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
import { behindLineEnd, COMMENT, FAULT, FAULT_BYTES, FIELD_END, lines, RECORD_END, Scan, withoutTrailingReturns } from './scan/csv'

export const PG_BINARY: u32 = 0
export const PG_TEXT: u32 = 1
export const SQLITE_PAGE: u32 = 2

// What `convert` returns.
/** Every record of the index is done. */
export const CONVERT_DONE: i32 = 0
/** As many records as asked for are done. */
export const CONVERT_ENOUGH: i32 = 1
/** The lists, and the output if it has anything, must be taken away first. */
export const CONVERT_DRAIN: i32 = 2
/** The output area is empty and still too small for the next record: `Convert.wanted` bytes would do. */
export const CONVERT_GROW: i32 = 3
/** A row that fits no SQLite page was made: its record is at [Convert.large, Convert.largeEnd). */
export const CONVERT_LARGE_ROW: i32 = 4
/** The next record is over the size limit: it must be scanned with care. */
export const CONVERT_RESCAN: i32 = 5

/** start, end, next record's start (offsets in the input), first error, errors, ordinal of the record since the lists were taken */
export const REJECT_BYTES: usize = 24
/** column (extra cells: the cell's ordinal), reason, start and end of the cell in the input, message's ordinal (HAS_TEST) */
export const ERROR_BYTES: usize = 20
/** Errors of one record that are worth keeping beyond one a column. */
const EXTRA_CELLS: u32 = 64

export class Convert {
  static columns: usize = 0
  static columnCount: u32 = 0
  static sourceCells: u32 = 0
  static encoding: u32 = PG_BINARY
  /** Bytes that a row may take beside its texts, and how much a text may grow. */
  static rowOverhead: usize = 0
  static textFactor: usize = 1
  static usesLine: bool = false

  static output: usize = 0
  static outputLimit: usize = 0
  static rowStarts: usize = 0
  /** Added to each row's start: where the input that is not taken yet will stand in the batch. */
  static startsOffset: u32 = 0
  static rowLimit: u32 = 0
  static rejects: usize = 0
  static rejectLimit: u32 = 0
  static errors: usize = 0
  static errorLimit: u32 = 0

  /** Next entry of the index, next fault, start of the next record, end of the input. */
  static cursor: usize = 0
  static fault: usize = 0
  static at: usize = 0
  static end: usize = 0
  /** The physical line at `at`; kept only where a column asks for it. */
  static line: i64 = 1

  static out: usize = 0
  static rows: u32 = 0
  static rejected: u32 = 0
  static errorCount: u32 = 0
  static records: u32 = 0
  /** Rowid of the next row in the SQLite image. */
  static rowid: u64 = 1
  static wanted: usize = 0
  static large: usize = 0
  static largeEnd: usize = 0
  /** Bytes beyond the usual that the row's decimals with exponents took. */
  static expanded: usize = 0
}

/** The lists of rows, rejects and errors were taken away. */
export function listsTaken(): void {
  Convert.rows = 0
  Convert.rejected = 0
  Convert.errorCount = 0
  Convert.records = 0
}

/** The output was taken away. */
export function outputTaken(): void {
  Convert.out = Convert.output
  if (Convert.encoding == SQLITE_PAGE) beginPage(Convert.output)
}

/** Converts up to `most` records of the index; `startsOffset` is added to each row's start in the input. */
export function convert(most: u32, startsOffset: u32): i32 {
  Convert.startsOffset = startsOffset
  let left = most
  while (Convert.cursor < Scan.indexEnd) {
    const first = load<u32>(Convert.cursor)
    if ((first & 3) == COMMENT) {
      skipTo(Scan.input + (first >> 2))
      Convert.cursor += 4
      continue
    }
    if (left == 0) return CONVERT_ENOUGH
    if (Convert.rejected == Convert.rejectLimit || Convert.rows == Convert.rowLimit) return CONVERT_DRAIN
    if (Convert.errorCount + Convert.columnCount + EXTRA_CELLS > Convert.errorLimit) return CONVERT_DRAIN
    if ((first & 3) == FAULT) {
      rejectFault(Scan.input + (first >> 2))
      left--
      continue
    }
    let last = Convert.cursor
    while ((load<u32>(last) & 3) == FIELD_END) last += 4
    const lastEntry = load<u32>(last)
    const lineEnd = Scan.input + (lastEntry >> 2) - 1
    const contentEnd = withoutTrailingReturns(Convert.at, lineEnd, Convert.end)
    const next = lineEnd < Convert.end ? behindLineEnd(lineEnd, Convert.end) : Convert.end
    if (last == Convert.cursor && contentEnd == Convert.at) {
      // A blank line is no record.
      skipTo(next)
      Convert.cursor += 4
      continue
    }
    const length = contentEnd - Convert.at
    if (length > Scan.maxRecord) return CONVERT_RESCAN
    // So that every cell lies between two entries, the first and the last one too: where the record begins, where it ends.
    store<u32>(Convert.cursor - 4, <u32>(Convert.at - Scan.input) << 2)
    store<u32>(last, (<u32>(contentEnd - Scan.input + 1) << 2) | RECORD_END)
    const status = convertRecord(<u32>(last - Convert.cursor) / 4 + 1, contentEnd, next, length)
    if (status != CONVERT_DONE && status != CONVERT_LARGE_ROW) {
      store<u32>(last, lastEntry)
      return status
    }
    skipTo(next)
    Convert.cursor = last + 4
    Convert.records++
    left--
    if (status == CONVERT_LARGE_ROW) return status
  }
  return CONVERT_DONE
}

// @ts-ignore: decorator
@inline
function skipTo(next: usize): void {
  if (Convert.usesLine) Convert.line += <i64>lines(Convert.at, next)
  Convert.at = next
}

/** CONVERT_DONE: the record is a row or a reject. Anything but that and CONVERT_LARGE_ROW: nothing was done. */
function convertRecord(fields: u32, contentEnd: usize, next: usize, length: usize): i32 {
  // Locals, because the compiler must load a global again after every call and store.
  const encoding = Convert.encoding
  const columnCount = Convert.columnCount
  const index = Convert.cursor
  const input = Scan.input
  const quote = Scan.quote
  const emptyIsNull = onlyEmptyIsNull
  const bound = Convert.rowOverhead + length * Convert.textFactor
  const rowStart = Convert.out
  let o = rowStart
  if (encoding != SQLITE_PAGE) {
    if (o + bound > Convert.outputLimit) return drainOrGrow(bound)
    if (encoding == PG_BINARY) {
      put16(o, columnCount)
      o += 2
    }
  } else {
    beginRow()
  }
  Convert.expanded = 0
  const firstError = Convert.errorCount
  let column = Convert.columns
  for (let c: u32 = 0; c < columnCount; c++) {
    const cell = load<u32>(column, AT_CELL)
    let start: usize = 0
    let end: usize = 0
    if (cell < FROM_LINE) {
      if (cell >= fields) {
        addError(c, MISSING_CELL, contentEnd, contentEnd, 0)
        column += COLUMN
        continue
      }
      start = cellStart(input, index, cell)
      end = cellEnd(input, index, cell)
    }
    // Most cells are plain text: checked while they are copied.
    if (load<u16>(column, AT_FLAGS) & IS_PLAIN && start < end && <i32>load<u8>(start) != quote) {
      const size = end - start
      if (emptyIsNull && size <= <usize>load<u32>(column, AT_MAX_LENGTH)) {
        if (encoding == PG_BINARY) {
          if (copyText(o + 4, start, end)) {
            put32(o, <u32>size)
            o += 4 + size
            column += COLUMN
            continue
          }
        } else if (encoding == SQLITE_PAGE && copyText(Page.bodyEnd, start, end)) {
          addTextOfBody(size)
          column += COLUMN
          continue
        }
      }
    }
    const reason = readCell(column, c, cell, start, end)
    if (reason != SOUND) {
      addError(c, reason, start, end, reason == TEST_FAILED ? message : 0)
    } else if (encoding == PG_BINARY) {
      if (Convert.expanded && rowStart + bound + Convert.expanded > Convert.outputLimit) return undo(firstError, bound)
      o = putPgBinary(o, column)
    } else if (encoding == PG_TEXT) {
      if (Convert.expanded && rowStart + bound + Convert.expanded > Convert.outputLimit) return undo(firstError, bound)
      o = putPgText(o, column)
      store<u8>(o++, 9)
    } else {
      putSqlite(column)
    }
    column += COLUMN
  }
  if (fields > Convert.sourceCells) {
    const most = min(fields, Convert.sourceCells + EXTRA_CELLS)
    for (let cell = Convert.sourceCells; cell < most; cell++) {
      addError(cell, EXTRA_CELL, cellStart(input, index, cell), cellEnd(input, index, cell), 0)
    }
  }
  if (Convert.errorCount > firstError) {
    addReject(contentEnd, next, firstError)
    return CONVERT_DONE
  }
  let status = CONVERT_DONE
  if (encoding == SQLITE_PAGE) {
    let placed = endRow(Convert.rowid)
    if (placed == ROW_NEEDS_PAGE) {
      endPage()
      const following = Page.base + PAGE
      if (following + PAGE > Convert.outputLimit) {
        Convert.out = following
        return CONVERT_DRAIN
      }
      beginPage(following)
      placed = endRow(Convert.rowid)
    }
    if (placed == ROW_TOO_LARGE) {
      Convert.large = Cell.other
      Convert.largeEnd = putRecord(Cell.other)
      status = CONVERT_LARGE_ROW
    }
    Convert.rowid++
  } else {
    // The last tab of a text row becomes its line end.
    if (encoding == PG_TEXT) store<u8>(o - 1, 10)
    Convert.out = o
  }
  store<u32>(Convert.rowStarts + (<usize>Convert.rows << 2), <u32>(Convert.at - Scan.input) + Convert.startsOffset)
  Convert.rows++
  return status
}

// @ts-ignore: decorator
@inline
function cellStart(input: usize, index: usize, cell: u32): usize {
  return input + (load<u32>(index + <usize>cell * 4 - 4) >> 2)
}
// @ts-ignore: decorator
@inline
function cellEnd(input: usize, index: usize, cell: u32): usize {
  return input + (load<u32>(index + <usize>cell * 4) >> 2) - 1
}

/** Completes the page that is being filled, if it has a row; the output then ends behind it. */
export function finishPage(): void {
  if (Page.cells) {
    endPage()
    Convert.out = Page.base + PAGE
  } else {
    Convert.out = Page.base
  }
}

function undo(firstError: u32, bound: usize): i32 {
  Convert.errorCount = firstError
  return drainOrGrow(bound + Convert.expanded)
}

function drainOrGrow(bytes: usize): i32 {
  if (Convert.out > Convert.output) return CONVERT_DRAIN
  Convert.wanted = bytes
  return CONVERT_GROW
}

function addError(column: u32, reason: u32, start: usize, end: usize, ordinal: u32): void {
  const error = Convert.errors + <usize>Convert.errorCount * ERROR_BYTES
  store<u32>(error, column)
  store<u32>(error, reason, 4)
  store<u32>(error, start ? <u32>(start - Scan.input) : 0, 8)
  store<u32>(error, start ? <u32>(end - Scan.input) : 0, 12)
  store<u32>(error, ordinal, 16)
  Convert.errorCount++
}

function addReject(contentEnd: usize, next: usize, firstError: u32): void {
  const reject = Convert.rejects + <usize>Convert.rejected * REJECT_BYTES
  store<u32>(reject, <u32>(Convert.at - Scan.input))
  store<u32>(reject, <u32>(contentEnd - Scan.input), 4)
  store<u32>(reject, <u32>(next - Scan.input), 8)
  store<u32>(reject, firstError, 12)
  store<u32>(reject, Convert.errorCount - firstError, 16)
  store<u32>(reject, Convert.records, 20)
  Convert.rejected++
}

function rejectFault(next: usize): void {
  const firstError = Convert.errorCount
  addError(load<u32>(Convert.fault, 4), load<u32>(Convert.fault), 0, 0, 0)
  addReject(Scan.input + load<u32>(Convert.fault, 8), next, firstError)
  Convert.fault += FAULT_BYTES
  Convert.cursor += 4
  Convert.records++
  skipTo(next)
}

/** Ordinal of the message of the last HAS_TEST that failed. */
let message: u32 = 0

/** Takes one cell to its checked value (in Cell, Decimal): SOUND or why not. */
function readCell(column: usize, ordinal: u32, cell: u32, start: usize, end: usize): u32 {
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
    Cell.int = Convert.line
    return SOUND
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

/** Word list of the cells that mean NULL; 0: none. */
let nullWords: usize = 0
let onlyEmptyIsNull: bool = true

export function setNullWords(list: usize, onlyEmpty: bool): void {
  nullWords = list
  onlyEmptyIsNull = onlyEmpty
}

// @ts-ignore: decorator
@inline
function isNullWord(): bool {
  if (onlyEmptyIsNull) return Cell.start == Cell.end
  return nullWords != 0 && inWords(nullWords, Cell.start, <u32>(Cell.end - Cell.start))
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
      if (reason == SOUND && digits > Cell.end - Cell.start) Convert.expanded += digits
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
    message = hostTest(ordinal, start, end)
    if (message) return TEST_FAILED
  }
  return SOUND
}
