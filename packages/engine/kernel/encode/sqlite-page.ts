// Rows as a table b-tree's leaf pages (SQLite, "Database File Format", sections 1.6 and 2.1). The writer puts a header page
// and interior pages before them and has a database file that SQLite reads as if it had written it itself.
import { put16, put64 } from '../bytes'
import { Cell } from '../cell'
import { decimalAsDouble, decimalAsInteger } from '../columns/number'
import { putStoredText } from './pg-binary'
import {
  AT_STORAGE,
  AT_TYPE,
  STORE_SQLITE_EXACT,
  STORE_SQLITE_INTEGER,
  STORE_SQLITE_NUMBER,
  STORE_SQLITE_REAL,
  TYPE_BOOLEAN,
  TYPE_INTEGER,
  TYPE_UUID,
} from '../program'
import { putUuid } from './pg-text'

/** The largest page SQLite knows: fewest pages to link. */
export const PAGE: usize = 65536
/** Most payload that a cell of this page size holds without overflow pages: usable size - 35. */
const MAX_LOCAL: usize = PAGE - 35
const PAGE_HEADER: usize = 8
const LEAF: u8 = 13

export class Page {
  /** The page that is being filled; rows grow down from its end, their pointers up from its header. */
  static base: usize = 0
  static cells: usize = 0
  static top: usize = PAGE
  /** Serial types and values of the row that is being made. */
  static types: usize = 0
  static typesEnd: usize = 0
  static body: usize = 0
  static bodyEnd: usize = 0
}

export function beginPage(base: usize): void {
  Page.base = base
  Page.cells = 0
  Page.top = PAGE
}

export function beginRow(): void {
  Page.typesEnd = Page.types
  Page.bodyEnd = Page.body
}

// @ts-ignore: decorator
@inline
export function putNull(): void {
  store<u8>(Page.typesEnd++, 0)
}

/** Appends the cell to the row. */
export function putSqlite(column: usize): void {
  if (Cell.isNull) {
    putNull()
    return
  }
  const type = load<u8>(column, AT_TYPE)
  switch (load<u8>(column, AT_STORAGE)) {
    case STORE_SQLITE_INTEGER:
      putInt(Cell.int)
      return
    case STORE_SQLITE_REAL:
      putReal(type == TYPE_INTEGER ? <f64>Cell.int : Cell.float)
      return
    case STORE_SQLITE_EXACT:
      // The column's affinity would make the whole number an integer, with other digits from 2^53 on.
      if (type == TYPE_INTEGER || type == TYPE_BOOLEAN || decimalAsInteger()) {
        putInt(Cell.int)
      } else {
        decimalAsDouble()
        putReal(Cell.float)
      }
      return
    case STORE_SQLITE_NUMBER:
      if (type == TYPE_INTEGER || type == TYPE_BOOLEAN) {
        putInt(Cell.int)
      } else if (decimalAsDouble()) {
        putReal(Cell.float)
      } else {
        Cell.start = Cell.numberStart
        Cell.end = Cell.numberEnd
        putText(type)
      }
      return
    default:
      putText(type)
  }
}

/** The `size` bytes at the end of the body are a text of the row. */
// @ts-ignore: decorator
@inline
export function addTextOfBody(size: usize): void {
  Page.typesEnd = putVarint(Page.typesEnd, 13 + 2 * <u64>size)
  Page.bodyEnd += size
}

function putText(type: u8): void {
  const end = type == TYPE_UUID ? putUuid(Page.bodyEnd) : putStoredText(Page.bodyEnd, type)
  addTextOfBody(end - Page.bodyEnd)
}

export function putReal(value: f64): void {
  store<u8>(Page.typesEnd++, 7)
  put64(Page.bodyEnd, reinterpret<u64>(value))
  Page.bodyEnd += 8
}

/** The smallest serial type that holds the value. */
export function putInt(value: i64): void {
  let serial: u8
  let bytes: usize
  if (value == 0 || value == 1) {
    store<u8>(Page.typesEnd++, 8 + <u8>value)
    return
  }
  const size = value < 0 ? ~value : value
  if (size < 0x80) {
    serial = 1
    bytes = 1
  } else if (size < 0x8000) {
    serial = 2
    bytes = 2
  } else if (size < 0x800000) {
    serial = 3
    bytes = 3
  } else if (size < 0x80000000) {
    serial = 4
    bytes = 4
  } else if (size < 0x800000000000) {
    serial = 5
    bytes = 6
  } else {
    serial = 6
    bytes = 8
  }
  store<u8>(Page.typesEnd++, serial)
  put64(Page.bodyEnd, <u64>value << (64 - 8 * bytes))
  Page.bodyEnd += bytes
}

export const ROW_IN_PAGE: i32 = 0
/** The page has no room left: flush it, begin another, try again. */
export const ROW_NEEDS_PAGE: i32 = 1
/** No page can hold the row; `Page.body` has the whole record instead. */
export const ROW_TOO_LARGE: i32 = 2

/** Puts the row that was made into the page under `rowid`. */
export function endRow(rowid: u64): i32 {
  const types = Page.typesEnd - Page.types
  const body = Page.bodyEnd - Page.body
  // The header's size counts itself.
  const headerSize = types + 1 < 128 ? types + 1 : types + 2 < 16384 ? types + 2 : types + 3
  const payload = headerSize + body
  if (payload > MAX_LOCAL) return ROW_TOO_LARGE
  const size = payload + varintLength(payload) + varintLength(rowid)
  if (PAGE_HEADER + 2 * (Page.cells + 1) + size > Page.top) return ROW_NEEDS_PAGE
  Page.top -= size
  let o = putVarint(Page.base + Page.top, payload)
  o = putVarint(o, rowid)
  o = putVarint(o, headerSize)
  copyExactly(o, Page.types, types)
  copyExactly(o + types, Page.body, body)
  put16(Page.base + PAGE_HEADER + 2 * Page.cells, <u32>Page.top)
  Page.cells++
  return ROW_IN_PAGE
}

/** Writes header and values of a row that no page holds to `to`, as a record; returns the end. */
export function putRecord(to: usize): usize {
  const types = Page.typesEnd - Page.types
  const body = Page.bodyEnd - Page.body
  to = putVarint(to, types + 1 < 128 ? types + 1 : types + 2 < 16384 ? types + 2 : types + 3)
  memory.copy(to, Page.types, types)
  memory.copy(to + types, Page.body, body)
  return to + types + body
}

/** Completes the page's header. */
export function endPage(): void {
  const base = Page.base
  store<u8>(base, LEAF)
  store<u16>(base + 1, 0)
  put16(base + 3, <u32>Page.cells)
  // 65,536 is written as 0.
  put16(base + 5, <u32>Page.top & 0xffff)
  store<u8>(base + 7, 0)
}

/** Copies without writing past the end: what stands behind it is the row before. */
// @ts-ignore: decorator
@inline
function copyExactly(to: usize, from: usize, n: usize): void {
  if (n < 16) {
    memory.copy(to, from, n)
    return
  }
  const last = n - 16
  for (let done: usize = 0; done < last; done += 16) v128.store(to + done, v128.load(from + done))
  v128.store(to + last, v128.load(from + last))
}

// @ts-ignore: decorator
@inline
function varintLength(v: u64): usize {
  let n: usize = 1
  while (v >= 128) {
    v >>= 7
    n++
  }
  return n
}

/** SQLite's varint: 7 bits a byte, most significant first. Values stay below 2^56 here, so that the 9-byte form never comes up. */
function putVarint(to: usize, v: u64): usize {
  if (v < 128) {
    store<u8>(to, <u8>v)
    return to + 1
  }
  if (v < 16384) {
    store<u8>(to, <u8>(v >> 7) | 128)
    store<u8>(to + 1, <u8>(v & 127))
    return to + 2
  }
  const n = varintLength(v)
  let shift = <u64>7 * (n - 1)
  for (let i: usize = 0; i < n; i++) {
    const bits = <u8>((v >> shift) & 127)
    store<u8>(to + i, i + 1 < n ? bits | 128 : bits)
    shift -= 7
  }
  return to + n
}
