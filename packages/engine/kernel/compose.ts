// Values that are made of several cells of a record: the members of a JSON object, and the SHA-256 of the record's content.
import { Cell } from './cell'
import { readCell } from './check'
import { putPlain } from './encode/plain'
import { hostSha256 } from './host'
import { AT_CELL, AT_NAME, AT_NAME_LENGTH, COLUMN, FROM_LINE, FROM_MEMBERS } from './program'
import { MISSING_CELL, SOUND } from './reasons'
import { behindCell, cellStart, Scan } from './scan/csv'

export class Compose {
  /** Columns whose values are the content, in the order of their names. */
  static content: usize = 0
  static contentCount: u32 = 0
  /** Columns that read the cells that become members; the name of each is what stands before its value, such as `,"a":`. */
  static members: usize = 0
  static memberCount: u32 = 0
  /** Whether these cells are JSON texts already. */
  static areJson: bool = false
  /** Room for the longest record in both forms. */
  static area: usize = 0
}

const NULL: u32 = 0xffffffff

/** Leaves the value of a column that is made of several cells in Cell: SOUND, or what is wrong with one of these. */
export function compose(cell: u32, index: usize, fields: u32): u32 {
  const at = Compose.area
  const end = cell == FROM_MEMBERS ? putMembers(at, index, fields) : putContent(at, index, fields)
  if (!end) return Failure.reason
  Cell.isNull = false
  Cell.quoted = true
  Cell.start = at
  Cell.end = end
  if (cell == FROM_MEMBERS) return SOUND
  Cell.end = at + hostSha256(at, end, at)
  return SOUND
}

class Failure {
  static reason: u32 = SOUND
}

/** The content at `o`: of each column its name and its text, both behind their lengths; returns the end, 0 where a value is not sound. */
function putContent(at: usize, index: usize, fields: u32): usize {
  let o = at
  let column = Compose.content
  for (let c: u32 = 0; c < Compose.contentCount; c++, column += COLUMN) {
    o = putName(o, column)
    const cell = load<u32>(column, AT_CELL)
    let end: usize
    if (cell == FROM_MEMBERS) {
      end = putMembers(o + 4, index, fields)
      if (!end) return 0
    } else {
      if (!readFrom(column, cell, index, fields)) return 0
      end = Cell.isNull ? 0 : putPlain(o + 4, column)
    }
    store<u32>(o, end ? <u32>(end - o - 4) : NULL)
    o = end ? end : o + 4
  }
  return o
}

/** A JSON object at `o`; returns the end, 0 where a cell is no text. */
function putMembers(at: usize, index: usize, fields: u32): usize {
  let o = at
  store<u8>(o++, 123)
  let column = Compose.members
  for (let c: u32 = 0; c < Compose.memberCount; c++, column += COLUMN) {
    const length = load<u32>(column, AT_NAME_LENGTH)
    memory.copy(o, load<u32>(column, AT_NAME), length)
    o += length
    if (!readFrom(column, load<u32>(column, AT_CELL), index, fields)) return 0
    if (Cell.isNull) {
      store<u32>(o, 0x6c6c756e)
      o += 4
    } else if (Compose.areJson) {
      memory.copy(o, Cell.start, Cell.end - Cell.start)
      o += Cell.end - Cell.start
    } else {
      o = putString(o, Cell.start, Cell.end)
    }
  }
  store<u8>(o++, 125)
  return o
}

function readFrom(column: usize, cell: u32, index: usize, fields: u32): bool {
  let start: usize = 0
  let end: usize = 0
  if (cell < FROM_LINE) {
    if (cell >= fields) {
      Failure.reason = MISSING_CELL
      return false
    }
    start = cellStart(Scan.input, index, cell)
    end = behindCell(Scan.input, index, cell) - Scan.delimiterLength
  }
  Failure.reason = readCell(column, 0, cell, start, end, 0)
  return Failure.reason == SOUND
}

function putName(o: usize, column: usize): usize {
  const length = load<u32>(column, AT_NAME_LENGTH)
  store<u32>(o, length)
  memory.copy(o + 4, load<u32>(column, AT_NAME), length)
  return o + 4 + length
}

/** A JSON string (RFC 8259, section 7); up to six bytes for one. */
function putString(o: usize, s: usize, t: usize): usize {
  store<u8>(o++, 34)
  while (s < t) {
    const c = load<u8>(s++)
    if (c == 34 || c == 92) {
      store<u8>(o++, 92)
      store<u8>(o++, c)
    } else if (c < 32) {
      // \u00
      store<u32>(o, 0x3030755c)
      store<u8>(o + 4, 48 + (c >> 4))
      const low = c & 15
      store<u8>(o + 5, low < 10 ? 48 + low : 87 + low)
      o += 6
    } else {
      store<u8>(o++, c)
    }
  }
  store<u8>(o++, 34)
  return o
}
