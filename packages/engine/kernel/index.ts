// The kernel's door: what src/parse/kernel.ts calls. Pure functions over linear memory; JavaScript lays the areas out.
import { Cell } from './cell'
import { initEmail } from './columns/email'
import { setNullWords } from './check'
import { Compose } from './compose'
import { Convert, convert as convertText } from './convert'
import { convertJson } from './convert-json'
import { Page } from './encode/sqlite-page'
import { lines, Scan, scan as scanText } from './scan/csv'
import { Json, QUOTE, scanJson, setColumns } from './scan/json'

export { finishPage, listsTaken, outputTaken } from './convert'

export function init(): void {
  initEmail()
}

export function setDialect(
  delimiter: u64,
  delimiterLength: u32,
  trailingDelimiter: bool,
  quote: i32,
  escape: i32,
  comment: i32,
  lineEnd: i32,
  maxRecord: u32,
  nullWords: usize,
  onlyEmptyIsNull: bool,
): void {
  Scan.delimiter = <u32>(delimiter & 255)
  Scan.delimiterLength = delimiterLength
  Scan.delimiterBytes = delimiter
  Scan.delimiterMask = ~(<u64>0) >> (64 - delimiterLength * 8)
  Scan.trailingDelimiter = trailingDelimiter
  Scan.quote = quote
  Scan.escape = escape
  Scan.comment = comment
  Scan.lineEnd = lineEnd
  Scan.maxRecord = maxRecord
  setNullWords(nullWords, onlyEmptyIsNull)
}

/** Makes the source one of JSON, after setDialect. `state`: what comes next in an array; see scan/json.ts. */
export function setJson(
  form: u32,
  state: u32,
  ignoresUnknown: bool,
  names: usize,
  wants: usize,
  columns: u32,
  places: usize,
  mask: u32,
  slots: usize,
): void {
  Json.form = form
  Json.state = state
  Json.ignoresUnknown = ignoresUnknown
  Scan.quote = QUOTE
  setColumns(names, wants, columns, places, mask, slots)
}

/** The area of cells of JSON; it moves along with the input, and only while the index is empty. */
export function setCells(cells: usize, limit: usize): void {
  Json.cells = cells
  Json.cellsEnd = cells
  Json.cellsLimit = limit
}

/** What comes next in an array of JSON. */
export function setState(state: u32): void {
  Json.state = state
}

export function setProgram(
  columns: usize,
  columnCount: u32,
  sourceCells: u32,
  encoding: u32,
  rowOverhead: u32,
  textFactor: u32,
  usesLine: bool,
): void {
  Convert.columns = columns
  Convert.columnCount = columnCount
  Convert.sourceCells = sourceCells
  Convert.encoding = encoding
  Convert.rowOverhead = rowOverhead
  Convert.textFactor = textFactor
  Convert.usesLine = usesLine
}

/** The values that are made of several cells, after setProgram; see compose.ts. */
export function setCompose(content: usize, contentCount: u32, members: usize, memberCount: u32, areJson: bool): void {
  Compose.content = content
  Compose.contentCount = contentCount
  Compose.members = members
  Compose.memberCount = memberCount
  Compose.areJson = areJson
}

/** Their area, which grows with the longest record. */
export function setComposeArea(area: usize): void {
  Compose.area = area
}

/** The areas whose size does not depend on the longest record. */
export function setLists(
  index: usize,
  indexLimit: usize,
  faults: usize,
  faultLimit: usize,
  rowStarts: usize,
  rowLimit: u32,
  rejects: usize,
  rejectLimit: u32,
  errors: usize,
  errorLimit: u32,
  types: usize,
  digits: usize,
): void {
  Scan.index = index
  Scan.indexEnd = index
  Scan.indexLimit = indexLimit
  Scan.faults = faults
  Scan.faultLimit = faultLimit
  Convert.rowStarts = rowStarts
  Convert.rowLimit = rowLimit
  Convert.rejects = rejects
  Convert.rejectLimit = rejectLimit
  Convert.errors = errors
  Convert.errorLimit = errorLimit
  Convert.cursor = index
  Page.types = types
  Cell.digits = digits
}

/** The areas that grow with the longest record. The output may move only while it is empty. */
export function setBuffers(input: usize, output: usize, outputLimit: usize, scratch: usize, other: usize, body: usize): void {
  // The records that wait in the index move along with the input.
  Convert.at += input - Scan.input
  Convert.end += input - Scan.input
  Scan.input = input
  Convert.output = output
  Convert.outputLimit = outputLimit
  Cell.scratch = scratch
  Cell.other = other
  Page.body = body
}

/** Indexes the records in the first `length` bytes of the input from `from` on; see scan/csv.ts and scan/json.ts. */
export function scan(from: u32, length: u32, final: bool, careful: bool): i32 {
  Convert.cursor = Scan.index
  Convert.fault = Scan.faults
  Convert.at = Scan.input + from
  Convert.end = Scan.input + length
  if (Json.form) return scanJson(Scan.input + from, Scan.input + length, final)
  return scanText(Scan.input + from, Scan.input + length, final, careful)
}

/** Converts up to `most` of the indexed records; see convert.ts. */
export function convert(most: u32, startsOffset: u32): i32 {
  return Json.form ? convertJson(most, startsOffset) : convertText(most, startsOffset)
}

/** Rowid of the next row, and the physical line of the next record. */
export function setCounters(rowid: u64, line: i64): void {
  Convert.rowid = rowid
  Convert.line = line
}

/** Line ends in [from, to) of the input. */
export function countLines(from: u32, to: u32): u32 {
  return lines(Scan.input + from, Scan.input + to)
}

/** First byte that JavaScript may lay areas out at. */
export function heapBase(): u32 {
  return <u32>__heap_base
}

export function getAt(): u32 {
  return <u32>(Convert.at - Scan.input)
}
export function getOut(): u32 {
  return <u32>(Convert.out - Convert.output)
}
export function getRows(): u32 {
  return Convert.rows
}
export function getRejected(): u32 {
  return Convert.rejected
}
export function getRecords(): u32 {
  return Convert.records
}
export function getWanted(): u32 {
  return <u32>Convert.wanted
}
export function getLarge(): u32 {
  return <u32>Convert.large
}
export function getLargeEnd(): u32 {
  return <u32>Convert.largeEnd
}
export function isIndexEmpty(): bool {
  return Convert.cursor >= Scan.indexEnd
}
/** Where reading goes on behind what `scan` found. */
export function getNext(): u32 {
  return <u32>(Scan.next - Scan.input)
}
export function getEndlessReason(): u32 {
  return Scan.endlessReason
}
export function getEndlessCell(): u32 {
  return Scan.endlessCell
}
