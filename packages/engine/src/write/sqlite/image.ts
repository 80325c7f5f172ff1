import { SluiceError } from '../../errors.ts'
import { readVarint } from './record.ts'

/** Bytes of a page: the most that SQLite allows, so that the fewest rows are too big for one. */
const PAGE = 65_536
/** Children of an interior page: a cell takes at most 4 bytes of page number, 9 of rowid and 2 in the array of pointers. */
const MAX_CHILDREN = 4_368

const INTERIOR = 0x05
const LEAF = 0x0d

interface Node {
  page: number
  /** The largest rowid below it. */
  lastRowid: number
}

/**
 * A complete SQLite database file with one table, `s(c0, c1, …)`, whose columns have no type, around the leaf pages of
 * that table (https://sqlite.org/fileformat2.html). Its root is page 2, and the leaves are the last pages.
 *
 * @param leaves Table-leaf pages of {@link PAGE} bytes each, in order of rowid, without overflow pages. May be empty.
 * @param changeCounter Must differ from that of the image before it in the same file: by it SQLite knows that the pages
 *   it has read are out of date.
 * @returns The pieces of the file, in order; the last one is `leaves` itself, not copied.
 */
export function databaseImage(
  leaves: Uint8Array,
  columns: number,
  changeCounter: number,
  maxChildren = MAX_CHILDREN,
): Uint8Array[] {
  if (leaves.length % PAGE !== 0) {
    throw new SluiceError('SLUICE_INTERNAL', `${leaves.length} bytes are not whole pages of ${PAGE} bytes`)
  }
  if (leaves.length === 0) return [schemaPage(columns, changeCounter, 2), emptyLeaf()]

  // From the leaves up, how many pages each level has; then from the root down, so that the root is page 2.
  const levels = [leaves.length / PAGE]
  while (levels[0]! > 1) levels.unshift(Math.ceil(levels[0]! / maxChildren))
  const firstPages: number[] = []
  let pages = 1
  for (const size of levels) {
    firstPages.push(pages + 1)
    pages += size
  }

  const firstLeaf = firstPages.at(-1)!
  let below = Array.from({ length: levels.at(-1)! }, (_, i): Node => {
    return { page: firstLeaf + i, lastRowid: lastRowid(leaves.subarray(i * PAGE, (i + 1) * PAGE)) }
  })
  const interior: Uint8Array[] = []
  for (let level = levels.length - 2; level >= 0; level--) {
    const groups = split(below, levels[level]!)
    interior.unshift(...groups.map(interiorPage))
    below = groups.map((group, i) => ({ page: firstPages[level]! + i, lastRowid: group.at(-1)!.lastRowid }))
  }
  return [schemaPage(columns, changeCounter, pages), ...interior, leaves]
}

/** In parts that differ by one at most: an interior page with a single child would have no cell. */
function split(nodes: Node[], parts: number): Node[][] {
  return Array.from({ length: parts }, (_, i) =>
    nodes.slice(Math.floor((i * nodes.length) / parts), Math.floor(((i + 1) * nodes.length) / parts)),
  )
}

function lastRowid(leaf: Uint8Array): number {
  const view = new DataView(leaf.buffer, leaf.byteOffset, PAGE)
  const cells = view.getUint16(3)
  if (leaf[0] !== LEAF || cells === 0) throw new SluiceError('SLUICE_INTERNAL', 'A page of rows is not a table leaf')
  const cell = view.getUint16(8 + 2 * (cells - 1))
  const [, afterLength] = readVarint(leaf, cell)
  return readVarint(leaf, afterLength)[0]
}

function interiorPage(children: Node[]): Uint8Array {
  const page = new Uint8Array(PAGE)
  const view = new DataView(page.buffer)
  let content = PAGE
  for (const [i, { page: child, lastRowid }] of children.slice(0, -1).entries()) {
    const key = varint(lastRowid)
    content -= 4 + key.length
    view.setUint32(content, child)
    page.set(key, content + 4)
    view.setUint16(12 + 2 * i, content)
  }
  page[0] = INTERIOR
  view.setUint16(3, children.length - 1)
  view.setUint16(5, content)
  view.setUint32(8, children.at(-1)!.page)
  return page
}

function emptyLeaf(): Uint8Array {
  const page = new Uint8Array(PAGE)
  // No cells; their content begins at 65,536, which is written as 0.
  page[0] = LEAF
  return page
}

/** Page 1: the header of 100 bytes and `sqlite_schema` with its one row. */
function schemaPage(columns: number, changeCounter: number, pages: number): Uint8Array {
  const page = new Uint8Array(PAGE)
  const view = new DataView(page.buffer)
  page.set(Buffer.from('SQLite format 3\0', 'latin1'))
  view.setUint16(16, 1) // page size: 65,536
  page.set([1, 1, 0, 64, 32, 32], 18) // rollback journal, no reserved bytes, fixed payload fractions
  view.setUint32(24, changeCounter)
  view.setUint32(28, pages)
  view.setUint32(40, 1) // schema cookie
  view.setUint32(44, 4) // schema format
  view.setUint32(56, 1) // UTF-8
  view.setUint32(92, changeCounter) // for which the number of pages is valid
  view.setUint32(96, 3_046_000) // SQLite version: any that knows this format

  const record = schemaRecord(`CREATE TABLE s(${Array.from({ length: columns }, (_, i) => `c${i}`).join(',')})`)
  const cell = [...varint(record.length), 1, ...record]
  const at = PAGE - cell.length
  page.set(cell, at)
  page[100] = LEAF
  view.setUint16(103, 1)
  view.setUint16(105, at)
  view.setUint16(108, at)
  return page
}

/** type, name, tbl_name, rootpage, sql */
function schemaRecord(sql: string): number[] {
  const text = (value: string) => varint(13 + 2 * value.length)
  const types = [...text('table'), ...text('s'), ...text('s'), 1, ...text(sql)]
  return [types.length + 1, ...types, ...Buffer.from('tabless'), 2, ...Buffer.from(sql)]
}

/** https://sqlite.org/fileformat2.html#varint, of up to 53 bits. */
function varint(value: number): number[] {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift((rest % 128) | 0x80)
  return bytes
}
