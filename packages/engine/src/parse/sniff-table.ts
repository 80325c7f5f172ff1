import { cellKind } from './cell-kind.ts'
import type { Cell, SourceRecord } from './records.ts'

/** Lines above a header that are looked for, and columns that a table has which may have some: a title above two would be a guess. */
const MOST_TITLES = 20
const LEAST_COLUMNS = 3
/** Records of the sample that end with a delimiter too many, where that is how the file is written. */
const TRAILING = { records: 2, share: 0.9 }
/** Records below further header rows that must be of one kind. */
const LEAST_BELOW = 3
const MOST_HEADER_ROWS = 3

const isFilled = ({ text }: Cell) => text.trim() !== ''
const isNothing = ({ quoted, text }: Cell) => !quoted && text === ''
const filled = ({ cells }: SourceRecord) => cells.filter(isFilled).length

/**
 * How many of the first records are titles and notes above the table: they fill one cell in three of its columns at most, or stand
 * apart by a blank line.
 * @param width the cells that most records have
 */
export function titlesAbove(records: readonly SourceRecord[], width: number): number {
  const titles = records
    .slice(0, MOST_TITLES + 1)
    .findIndex((record) => record.cells.length === width && filled(record) > Math.max(1, Math.floor(width / 3)))
  const [last, first] = [records[titles - 1], records[titles]]
  if (titles < 1 || !last || !first) return 0
  const apart = first.line > last.nextLine
  const short = records.slice(0, titles).every((one) => filled(one) <= Math.max(1, Math.floor(width / 3)))
  return (apart || width >= LEAST_COLUMNS) && short ? titles : 0
}

/** The names of a header without the blank ones at its end. */
export function namesOf(cells: readonly Cell[]): readonly Cell[] {
  return cells.slice(0, cells.findLastIndex(isFilled) + 1)
}

/**
 * How many columns records without a header have: the cells of most of them, so that one which lacks some does not decide for all, not
 * even the first one. Of two numbers as frequent the greater: what a record lacks is told, and no cell is one too many.
 */
export function columnsOf(records: readonly SourceRecord[], trailing: boolean): number {
  const counts = new Map<number, number>()
  for (const { cells } of records) {
    const { length } = trailing ? cells.slice(0, cells.findLastIndex((cell) => !isNothing(cell)) + 1) : cells
    counts.set(length, (counts.get(length) ?? 0) + 1)
  }
  const [most] = [...counts].sort(([width, count], [other, rival]) => rival - count || other - width)
  return most?.[0] ?? 0
}

/** Whether every record behind the header that has more cells than it has names has nothing in them, and that most records do. */
export function hasTrailingDelimiters([header, ...below]: readonly SourceRecord[]): boolean {
  if (!header) return false
  const names = namesOf(header.cells).length
  if (names === 0 || !header.cells.slice(names).every(isNothing)) return false
  const longer = below.filter(({ cells }) => cells.length > names)
  if (!longer.every(({ cells }) => cells.slice(names).every(isNothing))) return false
  if (names < header.cells.length) return true
  return longer.length >= TRAILING.records && longer.length >= TRAILING.share * below.length
}

/**
 * How many records below the header look like more of it: nothing but text, where every record below them has a number, a time or the like,
 * in all such columns that they fill.
 */
export function headerRowsBelow(records: readonly SourceRecord[]): number {
  for (let rows = MOST_HEADER_ROWS; rows > 0; rows--) {
    const further = records.slice(1, 1 + rows)
    const below = records.slice(1 + rows)
    if (below.length < LEAST_BELOW || !further.every(isText)) continue
    const typed = below[0]!.cells.flatMap((_, column) => (isTyped(below, column) ? [column] : []))
    const isHeader = ({ cells }: SourceRecord) => {
      const texts = typed.flatMap((column) => cells[column] ?? []).filter(isFilled)
      return texts.length > 0
    }
    if (typed.length > 0 && further.every(isHeader)) return rows
  }
  return 0
}

/** Looked at first: most records have a number, and need no second look. */
function isText({ cells }: SourceRecord): boolean {
  return cells.every(({ text }) => ['empty', 'text'].includes(cellKind(text)))
}

function isTyped(records: readonly SourceRecord[], column: number): boolean {
  const kinds = new Set(records.map(({ cells }) => cellKind(cells[column]?.text ?? '')))
  kinds.delete('empty')
  return kinds.size === 1 && !kinds.has('text') && !kinds.has('odd')
}
