import { type CellKind, cellKind } from './cell-kind.ts'
import type { Cell, SourceRecord } from './records.ts'

/** Whether the first record is a header, and why. */
export interface HeaderVerdict {
  header: boolean
  because: string
  sure: boolean
  /** Columns whose values below the first record are all of one kind that names are not. */
  kinds: number
}

/** Kinds that names of columns do not have. */
const TYPED: readonly CellKind[] = ['number', 'time', 'word', 'id']
/** Of these a record that stands alone is not made, if it holds names. */
const VALUES: readonly CellKind[] = ['number', 'time', 'id']
/** A value of the first record that is found again so often below is a value, not a name. A header may come once more, where files were joined. */
const REPEATS = 2

/** The first record is the header, unless its cells look like those below them and none looks like a name above values. Years above other numbers are names. */
export function judgeHeader([first, ...below]: readonly SourceRecord[]): HeaderVerdict {
  const verdict = (header: boolean, because: string, sure: boolean) => ({ header, because, sure, kinds })
  let kinds = 0
  if (!first) return verdict(true, 'no record', false)
  const value = first.cells.find(({ text }) => VALUES.includes(cellKind(text)))
  if (below.length === 0) {
    const because = 'no record below the first'
    return value
      ? verdict(false, `${because}, and ${quote(value.text)} is no name`, false)
      : verdict(true, because, false)
  }
  // A header that stands there several times is no value of the columns below it.
  const again = below.findIndex((record) => !isSame(record, first))
  const values = below.slice(Math.max(again, 0))
  let alike: string | undefined
  let years = true
  let repeated: string | undefined
  for (const [index, { text }] of first.cells.entries()) {
    const column = values.flatMap(({ cells }) => cells[index] ?? [])
    const kind = kindOf(column)
    if (kind) kinds++
    if (kind && text.trim() !== '') {
      if (cellKind(text) !== kind) return verdict(true, `${quote(text)} stands above ${kind}s`, again <= 0)
      alike ??= text
      years &&= isYear(text) && column.some((cell) => !isYear(cell.text))
    } else if (text !== '' && below.filter(({ cells }) => cells[index]?.text === text).length >= REPEATS)
      repeated ??= text
  }
  if (alike !== undefined && years) return verdict(true, `the year ${quote(alike)} stands above other numbers`, false)
  if (alike !== undefined) return verdict(false, `${quote(alike)} is like the values below it`, true)
  if (repeated !== undefined) return verdict(false, `${quote(repeated)} is found again below`, false)
  return verdict(true, 'nothing speaks against it', true)
}

const isSame = (one: SourceRecord, other: SourceRecord) =>
  one.cells.length === other.cells.length && one.cells.every(({ text }, index) => text === other.cells[index]!.text)
const isYear = (text: string) => /^(?:19|20)\d\d$/.test(text.trim())
const quote = (text: string) => JSON.stringify(text.slice(0, 40))

/** The kind that all cells of a column have, where it tells values from names. */
function kindOf(cells: readonly Cell[]): CellKind | undefined {
  const kinds = new Set(cells.map(({ text }) => cellKind(text)))
  kinds.delete('empty')
  const [kind] = kinds
  return kinds.size === 1 && kind && TYPED.includes(kind) ? kind : undefined
}
