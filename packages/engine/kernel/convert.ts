// From the index of scan/ to rows and rejects: for each record, for each column of the program, one cell at a time through
// NULL test, validity, transforms, type, constraints and encoder. A record with an error leaves no bytes behind.
import { put16 } from './bytes'
import { Cell } from './cell'
import { readCell } from './check'
import { compose } from './compose'
import { putPgBinary } from './encode/pg-binary'
import { putPgText } from './encode/pg-text'
import {
  beginPage,
  beginRow,
  endPage,
  endRow,
  PAGE,
  Page,
  putNull,
  putRecord,
  putSqlite,
  ROW_NEEDS_PAGE,
  ROW_TOO_LARGE,
} from './encode/sqlite-page'
import { AT_CELL, AT_FLAGS, AT_USUAL, COLUMN, FROM_CONTENT, FROM_MEMBERS, HAS_REQUIRED } from './program'
import { EXTRA_CELL, MISSING_CELL, SOUND, TEST_FAILED } from './reasons'
import {
  behindCell,
  behindLineEnd,
  cellStart,
  COMMENT,
  FAULT,
  FAULT_BYTES,
  FIELD_END,
  lines,
  RECORD_END,
  Scan,
  withoutTrailingReturns,
} from './scan/csv'
import { hasQuotes, putUsualPgBinary, putUsualSqlite } from './usual'

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
export const EXTRA_CELLS: u32 = 64

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
    store<u32>(last, (<u32>(contentEnd - Scan.input + Scan.delimiterLength) << 2) | RECORD_END)
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
export function skipTo(next: usize): void {
  if (Convert.usesLine) Convert.line += <i64>lines(Convert.at, next)
  Convert.at = next
}

/** CONVERT_DONE: the record is a row or a reject. Anything but that and CONVERT_LARGE_ROW: nothing was done. */
export function convertRecord(fields: u32, contentEnd: usize, next: usize, length: usize): i32 {
  // Locals, because the compiler must load a global again after every call and store.
  const encoding = Convert.encoding
  const columnCount = Convert.columnCount
  const index = Convert.cursor
  const input = Scan.input
  const gap = Scan.delimiterLength
  const quote = Scan.quote
  const quotesAreUsual = Scan.escape < 0
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
  Cell.expanded = 0
  const firstError = Convert.errorCount
  let column = Convert.columns
  for (let c: u32 = 0; c < columnCount; c++) {
    const cell = load<u32>(column, AT_CELL)
    let start: usize = 0
    let end: usize = 0
    if (cell < FROM_MEMBERS) {
      if (cell >= fields) {
        addError(c, MISSING_CELL, contentEnd, contentEnd, 0)
        column += COLUMN
        continue
      }
      start = cellStart(input, index, cell)
      end = behindCell(input, index, cell) - gap
    }
    const usual = load<u8>(column, AT_USUAL)
    if (usual) {
      let s = start
      let t = end
      if (s < t && <i32>load<u8>(s) == quote) {
        s++
        t--
        if (!quotesAreUsual || hasQuotes(s, t, <u8>quote)) t = s
      } else if (s == t && !(load<u16>(column, AT_FLAGS) & HAS_REQUIRED)) {
        if (encoding == PG_BINARY) {
          store<u32>(o, 0xffffffff)
          o += 4
        } else {
          putNull()
        }
        column += COLUMN
        continue
      }
      if (s < t) {
        if (encoding == PG_BINARY) {
          const behind = putUsualPgBinary(o, column, usual, s, t)
          if (behind) {
            o = behind
            column += COLUMN
            continue
          }
        } else if (putUsualSqlite(column, usual, s, t)) {
          column += COLUMN
          continue
        }
      }
    }
    const reason =
      cell == FROM_MEMBERS || cell == FROM_CONTENT
        ? compose(cell, index, fields)
        : readCell(column, c, cell, start, end, Convert.line)
    if (reason != SOUND) {
      addError(c, reason, start, end, reason == TEST_FAILED ? Cell.message : 0)
    } else if (encoding == PG_BINARY) {
      if (Cell.expanded && rowStart + bound + Cell.expanded > Convert.outputLimit) return undo(firstError, bound)
      o = putPgBinary(o, column)
    } else if (encoding == PG_TEXT) {
      if (Cell.expanded && rowStart + bound + Cell.expanded > Convert.outputLimit) return undo(firstError, bound)
      o = putPgText(o, column)
      store<u8>(o++, 9)
    } else {
      putSqlite(column)
    }
    column += COLUMN
  }
  if (fields > Convert.sourceCells && Scan.trailingDelimiter) {
    while (
      fields > Convert.sourceCells &&
      cellStart(input, index, fields - 1) == behindCell(input, index, fields - 1) - gap
    ) {
      fields--
    }
  }
  if (fields > Convert.sourceCells) {
    const most = min(fields, Convert.sourceCells + EXTRA_CELLS)
    for (let cell = Convert.sourceCells; cell < most; cell++) {
      addError(cell, EXTRA_CELL, cellStart(input, index, cell), behindCell(input, index, cell) - gap, 0)
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
  return drainOrGrow(bound + Cell.expanded)
}

function drainOrGrow(bytes: usize): i32 {
  if (Convert.out > Convert.output) return CONVERT_DRAIN
  Convert.wanted = bytes
  return CONVERT_GROW
}

export function addError(column: u32, reason: u32, start: usize, end: usize, ordinal: u32): void {
  const error = Convert.errors + <usize>Convert.errorCount * ERROR_BYTES
  store<u32>(error, column)
  store<u32>(error, reason, 4)
  store<u32>(error, start ? <u32>(start - Scan.input) : 0, 8)
  store<u32>(error, start ? <u32>(end - Scan.input) : 0, 12)
  store<u32>(error, ordinal, 16)
  Convert.errorCount++
}

export function addReject(contentEnd: usize, next: usize, firstError: u32): void {
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
