import { SluiceError } from '../errors.ts'
import { cellKind } from './cell-kind.ts'
import { CSV, type Dialect } from './dialect.ts'
import type { Position } from './position.ts'
import { readRecords, type SourceRecord } from './records.ts'
import { judgeHeader } from './sniff-header.ts'
import { headOf, lineEndOf, separatorLine } from './sniff-lines.ts'

/** How a source is to be read, and why. */
export interface Sniffed {
  dialect: Dialect
  /** Where reading begins: behind Excel's `sep=` line where there is one, else at the start. */
  start: Position
  /** A sentence for the user. */
  evidence: string
  /** False where another dialect would have been about as likely. */
  sure: boolean
}

const DELIMITERS = [',', ';', '\t', '|']
/** What a file of one column is worth, beside one of two columns that all its records have: 1/2. */
const ONE_COLUMN = 0.3
/** Stray quotes in so many records, and not one sound quoted cell: quotes have no meaning here. */
const QUOTELESS = { records: 5, share: 0.1 }

/** How well a dialect explains the sample. */
interface Reading {
  dialect: Dialect
  records: SourceRecord[]
  /** Cells that most records have, and the share of the records that do. */
  width: number
  share: number
  faults: number
  quotedCells: number
  score: number
}

/**
 * Finds out how delimited text is to be read: the delimiter, quotes and escapes under which the records have the same
 * number of cells and the cells look like values (the idea of van den Burg, Nazábal and Sutton, "Wrangling messy CSV
 * files by detecting row and type patterns", 2019); then whether the first record is a header.
 *
 * @param sample the first bytes of the source, decompressed, as UTF-8
 * @param complete whether the sample is all of the source
 * @param given what the user said; it is taken as it is
 * @throws SluiceError SLUICE_DIALECT when `given` cannot be: characters of more than one byte, or two that are equal
 */
export function sniff(sample: Uint8Array, complete: boolean, given: Partial<Dialect> = {}): Sniffed {
  const fixed: Partial<Dialect> = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const { start, separator } = separatorLine(sample)
  const { bytes, whole } = headOf(sample.subarray(start.byte), complete)
  const base: Dialect = { ...CSV, lineEnd: lineEndOf(bytes), ...fixed }
  const read = (dialect: Dialect) =>
    readingOf([...readRecords(bytes, dialect, { final: whole, position: start })], dialect)

  const delimiters = [fixed.delimiter ?? separator ?? DELIMITERS].flat()
  const comments = fixed.comment === undefined && bytes[0] === HASH ? [null, '#'] : [base.comment]
  const candidates = delimiters.flatMap((delimiter) => comments.map((comment) => ({ ...base, delimiter, comment })))
  const possible = candidates.filter((dialect) => faultOf(dialect) === undefined)
  if (possible.length === 0)
    throw new SluiceError('SLUICE_DIALECT', `The dialect cannot be used: ${faultOf(candidates[0]!)}`)
  const readings = possible.map((dialect) => settleQuotes(read, dialect, fixed))
  const best = readings.reduce((one, other) => (other.score > one.score ? other : one))
  const verdict = judgeHeader(best.records.slice(0, 100))
  const dialect = { ...best.dialect, header: fixed.header ?? verdict.header }
  const rivals = readings.filter((one) => one.dialect.delimiter !== best.dialect.delimiter && one.width > 1)
  const clear = best.share > 0.8 && rivals.every(({ score }) => score < 0.7 * best.score)
  const headerIs = fixed.header === undefined ? verdict.because : 'as given'
  return {
    dialect,
    start,
    evidence: evidenceOf(best, dialect, headerIs),
    sure: best.records.length > 0 && clear && (fixed.header !== undefined || verdict.sure),
  }
}

/** Why the characters of a dialect cannot be told apart. */
function faultOf(dialect: Dialect): string | undefined {
  const roles = new Map<string, string>()
  for (const role of ['delimiter', 'quote', 'escape', 'comment'] as const) {
    const char = dialect[role]
    // A quote that escapes itself is a doubled quote.
    if (char === null || (role === 'escape' && char === dialect.quote)) continue
    if (!/^[\t\x20-\x7e]$/.test(char)) return `the ${role} is ${JSON.stringify(char)}; it must be one ASCII character`
    const other = roles.get(char)
    if (other) return `${JSON.stringify(char)} cannot be both the ${other} and the ${role}`
    roles.set(char, role)
  }
  return undefined
}

const HASH = 0x23

type Read = (dialect: Dialect) => Reading

/** The quote and escape under which the sample reads best; what the user gave stays. */
function settleQuotes(read: Read, dialect: Dialect, fixed: Partial<Dialect>): Reading {
  let best = read(dialect)
  if (fixed.quote === undefined && best.quotedCells === 0) {
    const apostrophe = { ...dialect, quote: "'" }
    const single = faultOf(apostrophe) ? undefined : read(apostrophe)
    if (single && single.quotedCells > 1 && single.faults === 0 && single.share >= best.share) best = single
    else if (best.faults >= QUOTELESS.records && best.faults >= QUOTELESS.share * best.records.length) {
      best = read({ ...dialect, quote: null })
    }
  }
  const backslash = { ...best.dialect, escape: '\\' }
  if (fixed.escape === undefined && best.quotedCells > 0 && !faultOf(backslash)) {
    const escaped = read(backslash)
    const isNoWorse = escaped.faults <= best.faults && escaped.share >= best.share
    if (isNoWorse && (escaped.faults < best.faults || escaped.share > best.share)) best = escaped
  }
  return best
}

function readingOf(records: SourceRecord[], dialect: Dialect): Reading {
  const sound = records.filter(({ fault }) => !fault)
  const widths = new Map<number, number>()
  for (const { cells } of sound) widths.set(cells.length, (widths.get(cells.length) ?? 0) + 1)
  const [width, count] = [...widths].reduce((most, one) => (one[1] > most[1] ? one : most), [0, 0])
  const share = count / Math.max(records.length, 1)
  const cells = sound.flatMap((record) => record.cells)
  const likely =
    cells.filter(({ quoted, text }) => quoted || cellKind(text) !== 'odd').length / Math.max(cells.length, 1)
  // A wrong delimiter is seldom in the header: names have no commas or semicolons.
  const agreed = sound[0]?.cells.length === width ? 1 : 0.5
  return {
    dialect,
    records: sound,
    width,
    share,
    faults: records.length - sound.length,
    quotedCells: cells.filter(({ quoted }) => quoted).length,
    score: share * (width > 1 ? (width - 1) / width : ONE_COLUMN) * likely * agreed,
  }
}

function evidenceOf({ width, share, records, faults }: Reading, dialect: Dialect, headerIs: string): string {
  const { delimiter, quote, comment, lineEnd, header } = dialect
  const total = records.length + faults
  if (total === 0) return 'no record to look at'
  const parts = [
    dialect.encoding === 'utf-8' ? '' : `encoding ${dialect.encoding}`,
    width > 1 ? `delimiter ${JSON.stringify(delimiter)}` : 'one column',
    quote === '"' ? '' : `quote ${quote ?? 'none'}`,
    dialect.escape === null ? '' : `escape ${dialect.escape}`,
    comment === null ? '' : `comment ${comment}`,
    lineEnd === 'lf' ? '' : `line end ${lineEnd}`,
    `${Math.round(share * total)} of ${total} sampled records have ${width} cells`,
    header ? `with a header (${headerIs})` : `without a header (${headerIs})`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}
