import { isUtf8 } from 'node:buffer'
import type { Charset } from './decode/charset.ts'
import { SluiceError } from './errors.ts'
import { headText } from './head-text.ts'
import type { Dialect } from './parse/dialect.ts'
import type { Position } from './parse/position.ts'
import { readRecords, type SourceRecord } from './parse/records.ts'
import { sniff } from './parse/sniff.ts'
import { type JsonHead, sniffJson } from './parse/sniff-json.ts'
import { namesOf } from './parse/sniff-table.ts'
import { type ColumnEvidence, inferSchema } from './schema/infer.ts'
import { inferJsonSchema } from './schema/infer-json.ts'
import type { TableSchema } from './schema/table-schema.ts'
import type { Head, Source } from './source/source.ts'

/** Bytes of a source from which its dialect and types are told: a bounded sample, some thousand records of most files. */
const SAMPLE_BYTES = 256 * 1024
/** A first record may end behind the sample, and an array of JSON begin behind it: that is looked for in so many bytes. */
const MOST_BYTES = { record: 1024 * 1024, array: 16 * 1024 * 1024 }

const [LF, CR] = [0x0a, 0x0d]

/** What is known of a source from its first bytes. */
export interface SourceHead {
  dialect: Dialect
  header: string[]
  /** Where the first record begins. */
  start: Position
  /** How the dialect was found out, in a sentence; and whether another one would have been about as likely. */
  found: { evidence: string; sure: boolean }
  /** Reads the records of the sample, the header not among them. */
  sample: () => Iterable<SourceRecord>
}

/**
 * Reads dialect and header of a source.
 * @param headerFor Names the columns of a source that does not name them, and of one of JSON, from its keys.
 * @param notice Told what was found out.
 * @throws SluiceError SLUICE_SOURCE_EMPTY, SLUICE_DIALECT
 */
export async function headOf(
  source: Pick<Source, 'name' | 'head'>,
  given: Partial<Dialect>,
  headerFor: HeaderFor,
  notice?: (message: string) => void,
): Promise<SourceHead> {
  for (let sampleBytes = SAMPLE_BYTES; ; ) {
    const stored = await source.head(sampleBytes)
    const head = headIn(stored, source.name, given, headerFor, notice)
    if (head) return head
    // A slow stream has perhaps not brought as much yet.
    if (stored.bytes.length >= sampleBytes) sampleBytes *= 4
  }
}

type HeaderFor = (cells: number, keys?: string[]) => string[]

/**
 * As {@link headOf}, in the bytes at hand.
 * @returns undefined where nothing of the table is in them, and more is to be looked at
 */
export function headIn(
  stored: Head,
  name: string,
  given: Partial<Dialect>,
  headerFor: HeaderFor,
  notice?: (message: string) => void,
): SourceHead | undefined {
  const { complete } = stored
  const isAll = (most: number) => complete || stored.bytes.length >= most
  if (stored.bytes.length === 0)
    throw new SluiceError('SLUICE_SOURCE_EMPTY', `${name} is empty: it has not even a header`)
  const { charset, text: bytes } = headText(stored, given.encoding, name, notice)
  const json = sniffJson(bytes, complete, { ...given, encoding: charset.name })
  if (json === 'more') {
    if (!isAll(MOST_BYTES.array)) return undefined
    const message = `The array of ${name} does not begin in its first ${MOST_BYTES.array} bytes`
    throw new SluiceError('SLUICE_DIALECT', message)
  }
  if (json) {
    if (json.keys.length === 0 && !isAll(MOST_BYTES.record)) return undefined
    notice?.(`${name}: ${json.evidence}`)
    return headOfJson(json, { bytes, complete }, headerFor(json.keys.length, json.keys), charset, name)
  }
  const isWhole = complete || bytes.includes(LF) || bytes.includes(CR)
  if (!(isWhole || isAll(MOST_BYTES.record))) return undefined
  // To look for cells in a line that never ends would take seconds.
  if (!isWhole) throw noRecord(name, `has no line end in its first ${bytes.length} bytes`)
  const { dialect, start, columns, evidence, sure } = sniff(bytes, complete, { ...given, encoding: charset.name })
  const [first] = readRecords(bytes.subarray(start.byte), dialect, { final: complete, position: start })
  if (!(first || isAll(MOST_BYTES.record))) return undefined
  notice?.(`${name}: ${evidence}${sure ? '' : ' (not sure: check the first rows, or say what it is)'}`)
  const sample = (from: Position, columns: string[]) => () =>
    readRecords(bytes.subarray(from.byte), dialect, { final: complete, position: from, columns })
  /** What is known is counted in the text; a load begins in the source. */
  const head = (header: string[], place: Position): SourceHead => {
    const byte = charset.sourceLength(bytes.subarray(0, place.byte))
    return { dialect, header, start: { ...place, byte }, found: { evidence, sure }, sample: sample(place, header) }
  }
  if (!first) {
    throw noRecord(name, complete ? 'has no record' : `has no whole record in its first ${bytes.length} bytes`)
  }
  if (!dialect.header) {
    const header = headerFor(columns)
    return head(header, { byte: first.byteOffset, line: first.line, record: 0 })
  }
  if (first.fault) {
    throw new SluiceError('SLUICE_DIALECT', `The header of ${name} (line ${first.line}) is broken: ${first.fault.code}`)
  }
  refuseUndecoded(bytes.subarray(0, first.next), first, charset, name)
  const cells = dialect.trailingDelimiter ? namesOf(first.cells) : first.cells
  const header = cells.map(({ text }) => text.trim())
  return head(header, { byte: first.next, line: lineBehind(bytes, first, dialect), record: 0 })
}

function noRecord(name: string, what: string): SluiceError {
  return new SluiceError('SLUICE_SOURCE_EMPTY', `${name} ${what}`)
}

/** Names of columns would else have U+FFFD in place of what stands there. */
function refuseUndecoded(bytes: Uint8Array, { byteOffset, line }: SourceRecord, charset: Charset, name: string): void {
  if (isUtf8(bytes.subarray(byteOffset))) return
  let at = byteOffset
  // A character has up to 4 bytes: the first one with which no number of bytes is UTF-8.
  while (at < bytes.length) {
    const length = [1, 2, 3, 4].find((length) => at + length <= bytes.length && isUtf8(bytes.subarray(at, at + length)))
    if (length === undefined) break
    at += length
  }
  const [byte] = charset.encode(bytes.subarray(at, at + 3))
  const offset = charset.sourceLength(bytes.subarray(0, at))
  throw new SluiceError(
    'SLUICE_DIALECT',
    `The header of ${name} (line ${line}) is not ${charset.name.toUpperCase()}: ` +
      `byte 0x${byte!.toString(16).toUpperCase().padStart(2, '0')} at offset ${offset}. Say which encoding it is in, for instance --encoding windows-1252`,
  )
}

/** The physical line on which the first record behind the header may start. */
function lineBehind(bytes: Uint8Array, header: SourceRecord, dialect: Dialect): number {
  // The header may hold line ends in quotes, so its lines are counted like any others: by the records' reader.
  const [next] = readRecords(
    Buffer.concat([bytes.subarray(header.byteOffset, header.next), Buffer.from('x')]),
    dialect,
    {
      position: { byte: header.byteOffset, line: header.line, record: 0 },
    },
  ).drop(1)
  return next?.line ?? header.line
}

function headOfJson(
  { dialect, start, evidence }: JsonHead,
  { bytes, complete }: Head,
  header: string[],
  charset: Charset,
  name: string,
): SourceHead {
  if (header.length === 0)
    throw new SluiceError('SLUICE_SOURCE_EMPTY', `${name} has no object with a key, so there is no column to load`)
  const sample = () =>
    readRecords(bytes.subarray(start.byte), dialect, { final: complete, position: start, columns: header })
  const byte = charset.sourceLength(bytes.subarray(0, start.byte))
  return { dialect, header, start: { ...start, byte }, found: { evidence, sure: true }, sample }
}

/** The schema that the sample shows, and why. */
export function inferredFrom(head: SourceHead): { schema: TableSchema; evidence: ColumnEvidence[] } {
  const { header, dialect } = head
  const cells = sampleCells(head)
  return dialect.json
    ? inferJsonSchema(header, cells)
    : inferSchema(header, cells, dialect.nullWords, dialect.delimiter)
}

function* sampleCells({ sample, header }: SourceHead): Generator<SourceRecord['cells']> {
  for (const { cells, fault } of sample()) if (!fault && cells.length === header.length) yield cells
}
