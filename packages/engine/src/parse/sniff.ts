import { SluiceError } from '../errors.ts'
import { cellKind } from './cell-kind.ts'
import { CSV, type Dialect } from './dialect.ts'
import type { Position } from './position.ts'
import { readRecords, type SourceRecord } from './records.ts'
import { judgeHeader } from './sniff-header.ts'
import { behindLines, headOf, lineEndOf, separatorLine } from './sniff-lines.ts'
import { columnsOf, hasTrailingDelimiters, headerRowsBelow, titlesAbove } from './sniff-table.ts'

/** How a source is to be read, and why. */
export interface Sniffed {
  dialect: Dialect
  /** Where reading begins: behind the lines to be passed over and Excel's `sep=` line, else at the start. */
  start: Position
  /** The columns of a source without a header; 0 where no record of the sample can be taken apart. */
  columns: number
  /** A sentence for the user. */
  evidence: string
  /** False where another dialect would have been about as likely. */
  sure: boolean
}

const DELIMITERS = [',', ';', '\t', '|']
/** Looked for where none of those makes two columns of most records. */
const RARE_DELIMITERS = ['^', '~', '\x01', '\x1f', '§', '¦', '~|~', '::', ' ']
/** The share of the records that must have as many cells as most, for a reading to be believed. */
const MOST = 0.8
/** What stands between the first two cells where both are quoted is the delimiter, whatever it is. */
const BETWEEN_QUOTES = /^(?:\ufeff)?(["'])(?:(?!\1)[^\r\n])*\1([^\w"'\r\n\0]{1,8})\1/
/** Another delimiter that explains the sample so nearly as well is no worse a guess. */
const TIE = 0.95
/** What a file of one column is worth, beside one of two columns that all its records have: 1/2. */
const ONE_COLUMN = 0.3
/** Stray quotes in so many records, and not one sound quoted cell: quotes have no meaning here. */
const QUOTELESS = { records: 5, share: 0.1 }

/** How well a dialect explains the sample. */
interface Reading {
  dialect: Dialect
  records: SourceRecord[]
  /** Whether the first record cannot be taken apart; those that cannot are not among the records. */
  isBroken: boolean
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
 * @throws SluiceError SLUICE_DIALECT when `given` cannot be: characters that are none, or two that are equal; and when two delimiters
 *   explain the sample equally well
 */
export function sniff(sample: Uint8Array, complete: boolean, given: Partial<Dialect> = {}): Sniffed {
  const fixed: Partial<Dialect> = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
  const { start, separator } = openingOf(sample, fixed)
  const { bytes, whole } = headOf(sample.subarray(start.byte), complete)
  const base: Dialect = { ...CSV, lineEnd: lineEndOf(bytes), ...fixed }
  const read = (dialect: Dialect) =>
    readingOf([...readRecords(bytes, dialect, { final: whole, position: start })], dialect)

  const comments = fixed.comment === undefined && bytes[0] === HASH ? [null, '#'] : [base.comment]
  const readWith = (delimiters: readonly string[]): Reading[] => {
    const candidates = delimiters.flatMap((delimiter) => comments.map((comment) => ({ ...base, delimiter, comment })))
    const possible = candidates.filter((dialect) => faultOf(dialect) === undefined)
    if (possible.length === 0)
      throw new SluiceError('SLUICE_DIALECT', `The dialect cannot be used: ${faultOf(candidates[0]!)}`)
    return possible.map((dialect) => settleQuotes(read, dialect, fixed, bytes))
  }
  const known = fixed.delimiter ?? separator
  const readings = readWith(known === undefined ? likely(DELIMITERS, bytes) : [known])
  let best = readings.reduce(better)
  const rivals = readings.filter((one) => one.dialect.delimiter !== best.dialect.delimiter && one.width > 1)
  if (known === undefined) {
    refuseTie(best, rivals)
    best = longer(best, readings, readWith, bytes)
    if (best.width < 2 || best.share < MOST) best = readWith(rare(bytes)).filter(isPlain).reduce(better, best)
  } else if (separator !== undefined && best.width < 2) {
    // The line may be wrong about what is below it.
    rivals.push(
      ...readWith(likely(DELIMITERS, bytes).filter((one) => one !== separator)).filter(({ width }) => width > 1),
    )
  }
  if (fixed.lineEnd === undefined) best = withReturns(best, read)
  return describe(best, { start, fixed, separator, clear: rivals.every(({ score }) => score < 0.7 * best.score) })
}

/** The reading with a lone CR as a line end too, where one stands in an unquoted cell, and where that explains as much. */
function withReturns(best: Reading, read: Read): Reading {
  const { dialect, width, share, faults, records } = best
  const isLone = records.some(({ cells }) => cells.some(({ quoted, text }) => !quoted && text.includes('\r')))
  if (dialect.lineEnd !== 'lf' || width < 2 || !isLone) return best
  const any = read({ ...dialect, lineEnd: 'any' })
  return any.width === width && any.faults <= faults && any.share >= share ? any : best
}

/** The delimiters that stand in the sample, and one that does not, for all of those: they make the same single column. */
function likely(delimiters: readonly string[], bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const absent = delimiters.find((one) => !text.includes(one))
  return delimiters.filter((one) => one === absent || text.includes(one))
}

/** The rare delimiters that may be in the sample, and the one between its first two cells where those are quoted. */
function rare(bytes: Uint8Array): string[] {
  const [, , between] = BETWEEN_QUOTES.exec(Buffer.from(bytes.subarray(0, 4096)).toString()) ?? []
  return between === undefined || RARE_DELIMITERS.includes(between) || DELIMITERS.includes(between)
    ? likely(RARE_DELIMITERS, bytes)
    : [between, ...likely(RARE_DELIMITERS, bytes)]
}

const better = (one: Reading, other: Reading): Reading => (other.score > one.score ? other : one)

/** Where the records may begin, and the delimiter that a line above them names. */
function openingOf(sample: Uint8Array, { skipLines = 0, lineEnd }: Partial<Dialect>): ReturnType<typeof separatorLine> {
  return skipLines > 0 ? { start: behindLines(sample, skipLines, lineEnd) } : separatorLine(sample, lineEnd)
}

/** Whether a rare delimiter explains the sample beyond doubt: a space between two words is none. */
function isPlain({ dialect, width, share, faults, records }: Reading): boolean {
  if (share < 1 || faults > 0 || records.length < 2) return false
  if (dialect.delimiter !== ' ') return width > 1
  return width > 2 && judgeHeader(records.slice(0, 100)).kinds > 0
}

/** @throws SluiceError where a sample of several records can be read in two ways that make other columns of it */
function refuseTie(best: Reading, rivals: readonly Reading[]): void {
  const rival = rivals.find((one) => one.share === 1 && one.score >= TIE * best.score)
  if (!rival || best.share < 1 || best.records.length < 2) return
  const ways = [best, rival].map(({ dialect, width }) => `${width} cells at ${JSON.stringify(dialect.delimiter)}`)
  throw new SluiceError(
    'SLUICE_DIALECT',
    `Each of the ${best.records.length} sampled records has ${ways.join(', and ')}: say which is the delimiter (--delimiter)`,
  )
}

/** The delimiter of several characters that the best one is only a part of: `||`, or a comma and a space before quotes. */
function longer(
  best: Reading,
  readings: readonly Reading[],
  readWith: (delimiters: string[]) => Reading[],
  bytes: Uint8Array,
): Reading {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  // Each reading of the sample costs a load some 10 ms.
  const wide = (delimiter: string, mark = delimiter): Reading[] => (text.includes(mark) ? readWith([delimiter]) : [])
  const { delimiter } = best.dialect
  const [doubled] = best.width % 2 === 1 && best.width > 1 ? wide(delimiter + delimiter) : []
  if (doubled && doubled.width > 1 && doubled.share >= best.share && best.width === 2 * doubled.width - 1)
    return doubled
  const spaced = readings.flatMap((plain) =>
    wide(`${plain.dialect.delimiter} `, `${plain.dialect.delimiter} ${plain.dialect.quote ?? '"'}`).filter(
      (one) =>
        one.width > 1 &&
        one.faults === 0 &&
        one.quotedCells > plain.quotedCells &&
        one.share >= best.share &&
        // A header without the spaces would be a single name, and every record below it have cells too many.
        (hasHeaderWidth(one) || !hasHeaderWidth(plain)),
    ),
  )
  return spaced.reduce(better, { ...best, score: spaced.length > 0 ? 0 : best.score })
}

interface Circumstances {
  start: Position
  fixed: Partial<Dialect>
  separator: string | undefined
  clear: boolean
}

/** What is known of a sample once its delimiter is: where the table in it begins, and what its first record is. */
function describe(best: Reading, { start, fixed, separator, clear }: Circumstances): Sniffed {
  const isOpen = fixed.header === undefined && fixed.skipLines === undefined
  const above = isOpen ? titlesAbove(best.records, best.width) : 0
  const below = judgeHeader(best.records.slice(above, above + 100))
  // What stands above records without a header may be a record that lacks some cells.
  const titles = below.header ? above : 0
  const records = best.records.slice(titles)
  const verdict = titles === above ? below : judgeHeader(records.slice(0, 100))
  const header = fixed.header ?? verdict.header
  const first = titles > 0 ? records[0]! : undefined
  const trailing = fixed.trailingDelimiter ?? (header && hasTrailingDelimiters(records))
  const dialect: Dialect = {
    ...best.dialect,
    header,
    ...(first && { skipLines: first.line - 1 }),
    ...((trailing || fixed.trailingDelimiter !== undefined) && { trailingDelimiter: trailing }),
  }
  const names = header && !trailing ? records[0]?.cells.length : undefined
  const isLost = best.isBroken && fixed.header === undefined && !header
  const uneven = names !== undefined && names !== best.width
  const further = header ? headerRowsBelow(records.slice(0, 100)) : 0
  const said = [
    separator === undefined ? '' : 'the delimiter as its first line sep= says',
    titles === 0
      ? ''
      : `the first ${first!.line - 1} lines are above the header and passed over (${showAll(best.records.slice(0, titles))})`,
    above > titles
      ? `the first ${records[above]!.line - 1} lines have fewer cells: if they are no records, pass over them (--skip-lines)`
      : '',
    trailing ? 'records end with a delimiter that separates nothing' : '',
    isLost ? 'the first record is broken: if it is the header, mend it' : '',
    uneven ? `the header has ${names}` : '',
    further === 0
      ? ''
      : `the ${further === 1 ? 'record' : `${further} records`} below the header ${further === 1 ? 'looks' : 'look'} like more of it and ` +
        `will be read as data: if the names are in line ${records[further]!.line}, say --skip-lines ${records[further]!.line - 1}`,
  ].filter((part) => part !== '')
  const headerIs = fixed.header === undefined ? verdict.because : 'as given'
  return {
    dialect,
    start: first ? { byte: first.byteOffset, line: first.line, record: 0 } : start,
    columns: columnsOf(records, trailing),
    evidence: [evidenceOf(best, dialect, headerIs), ...said].join('; '),
    sure:
      best.records.length > 0 &&
      best.share > MOST &&
      clear &&
      above === titles &&
      further === 0 &&
      !(uneven || isLost) &&
      (fixed.header !== undefined || verdict.sure),
  }
}

function showAll(records: readonly SourceRecord[]): string {
  const texts = records.map(({ cells }) =>
    cells
      .map(({ text }) => text.trim())
      .filter((text) => text !== '')
      .join(' '),
  )
  return texts.map((text) => JSON.stringify(text.slice(0, 40))).join(', ')
}

/** Why the characters of a dialect cannot be told apart. */
function faultOf(dialect: Dialect): string | undefined {
  const roles = new Map<string, string>()
  for (const role of ['delimiter', 'quote', 'escape', 'comment'] as const) {
    const char = dialect[role]
    // A quote that escapes itself is a doubled quote.
    if (char === null || (role === 'escape' && char === dialect.quote)) continue
    if (role === 'delimiter') {
      const { length } = Buffer.from(char)
      if (length < 1 || length > 8 || /[\0\r\n\ufffd]/.test(char))
        return `the delimiter is ${JSON.stringify(char)}; it must be 1 to 8 bytes of UTF-8, none of them NUL or a line end`
    } else if (!/^[\t\x20-\x7e]$/.test(char)) {
      return `the ${role} is ${JSON.stringify(char)}; it must be one ASCII character`
    }
    for (const one of char) {
      const other = roles.get(one)
      if (other) return `${JSON.stringify(one)} cannot be both the ${other} and the ${role}`
    }
    for (const one of char) roles.set(one, role)
  }
  return undefined
}

const [HASH, APOSTROPHE, BACKSLASH] = [0x23, 0x27, 0x5c]

type Read = (dialect: Dialect) => Reading

/** The quote and escape under which the sample reads best; what the user gave stays. */
function settleQuotes(read: Read, dialect: Dialect, fixed: Partial<Dialect>, bytes: Uint8Array): Reading {
  let best = read(dialect)
  if (fixed.quote === undefined && best.quotedCells === 0) {
    const apostrophe = { ...dialect, quote: "'" }
    const single = faultOf(apostrophe) || !bytes.includes(APOSTROPHE) ? undefined : read(apostrophe)
    if (single && single.quotedCells > 1 && single.faults === 0 && single.share >= best.share) best = single
    else if (best.faults >= QUOTELESS.records && best.faults >= QUOTELESS.share * best.records.length) {
      best = read({ ...dialect, quote: null })
    }
  }
  const backslash = { ...best.dialect, escape: '\\' }
  if (fixed.escape === undefined && best.quotedCells > 0 && bytes.includes(BACKSLASH) && !faultOf(backslash)) {
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
  const agreed = hasHeaderWidth({ records: sound, width }) ? 1 : 0.5
  return {
    dialect,
    records: sound,
    isBroken: records[0]?.fault !== undefined,
    width,
    share,
    faults: records.length - sound.length,
    quotedCells: cells.filter(({ quoted }) => quoted).length,
    score: share * (width > 1 ? (width - 1) / width : ONE_COLUMN) * likely * agreed,
  }
}

/** Whether the first record has as many cells as most. */
function hasHeaderWidth({ records, width }: Pick<Reading, 'records' | 'width'>): boolean {
  return records[0]?.cells.length === width
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
