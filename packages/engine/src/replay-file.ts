import { SluiceError } from './errors.ts'
import type { Dialect } from './parse/dialect.ts'
import { CSV } from './parse/dialect.ts'
import { type Position, START } from './parse/position.ts'
import type { SourceRecord } from './parse/records.ts'
import { readRecords } from './parse/records.ts'
import { guard, guardedName, isFormula, latin, unescapeBytes } from './rejects-cell.ts'
import type { Source } from './source/source.ts'

/** A corrected reject as the file has it. */
export interface Correction {
  /** Ordinal in the job. */
  record: number
  /** NDJSON: the whole record, as UTF-8 or as it is in the source, and its length where the file tells it. CSV: its cells, one for each column of the job's sources. */
  given: { raw: Buffer; isText: boolean; rawLength: number | undefined } | { cells: CorrectedCell[] }
}

export interface CorrectedCell {
  /** One character a byte. */
  text: string
  quoted: boolean
}

const HEAD_BYTES = 64 * 1024
/** A name in a CSV's header may begin with a brace, but one with a quote behind it is quoted as a whole. */
const OBJECT = /^\ufeff?\s*\{\s*"/
const LF = 0x0a
/** What spreadsheets write, whatever the country. */
const DELIMITERS = [',', ';', '\t']

/**
 * Reads corrected rejects, in either form in which `sluice rejects` prints them.
 * @param columns Of the job's sources, in the order of `layoutOf`.
 * @throws SluiceError SLUICE_DIALECT for a file of another form
 */
export async function* readCorrections(source: Source, jobId: string, columns: string[]): AsyncGenerator<Correction> {
  const { bytes } = await source.head(HEAD_BYTES)
  // Of no rejects there is not a line of NDJSON.
  if (bytes.length === 0) return
  const chunks: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => source.read(0) }
  if (OBJECT.test(Buffer.from(bytes).toString())) yield* fromNdjson(chunks, source.name, jobId)
  else yield* fromCsv(chunks, bytes, source.name, columns)
}

async function* fromNdjson(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  jobId: string,
): AsyncGenerator<Correction, void, void> {
  let at = 0
  for await (const line of linesOf(chunks)) {
    at++
    if (line.toString().trim() === '') continue
    const place = `Line ${at} of ${name}`
    const { jobId: ofJob, record, raw, rawBase64, rawLength } = parseLine(line, place)
    if (ofJob !== undefined && ofJob !== jobId) {
      throw new SluiceError('SLUICE_DIALECT', `${place} is a reject of job ${ofJob}, not of ${jobId}`)
    }
    const isRaw = typeof raw === 'string' || typeof rawBase64 === 'string'
    if (!(isRecord(record) && isRaw)) {
      throw new SluiceError('SLUICE_DIALECT', `${place} is no reject: it needs "record", and "raw" or "rawBase64"`)
    }
    const isText = typeof raw === 'string'
    const whole = isText ? Buffer.from(raw) : Buffer.from(String(rawBase64), 'base64')
    yield { record, given: { raw: whole, isText, rawLength: typeof rawLength === 'number' ? rawLength : undefined } }
  }
}

function parseLine(line: Buffer, place: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line.toString())
    if (value !== null && typeof value === 'object') return value as Record<string, unknown>
  } catch (cause) {
    throw new SluiceError('SLUICE_DIALECT', `${place} is not JSON: ${(cause as Error).message}`, { cause })
  }
  throw new SluiceError('SLUICE_DIALECT', `${place} is not a JSON object`)
}

async function* fromCsv(
  chunks: AsyncIterable<Uint8Array>,
  head: Uint8Array,
  name: string,
  columns: string[],
): AsyncGenerator<Correction, void, void> {
  const dialects = DELIMITERS.map((delimiter): Dialect => ({ ...CSV, delimiter, lineEnd: 'any' }))
  const dialect = dialects.find((one) => namesOf(head, one).includes('sluice_record'))
  if (!dialect) {
    throw new SluiceError(
      'SLUICE_DIALECT',
      `${name} is not a file of rejects: as CSV it needs the column sluice_record in its first line, as NDJSON objects. ` +
        '"sluice rejects" prints both',
    )
  }
  const names = namesOf(head, dialect)
  // A source may have columns of these names, too; they stand before those of sluice.
  const [recordAt = -1, guardedAt = -1, escapedAt = -1] = ['sluice_record', 'sluice_guarded', 'sluice_escaped'].map(
    (own) => names.lastIndexOf(own),
  )
  const places = placesOf(columns, names, name, new Set([recordAt, guardedAt, escapedAt]))
  let isHeader = true
  for await (const { cells, fault, line } of recordsOf(chunks, dialect)) {
    if (isHeader) {
      isHeader = false
      continue
    }
    const record = Number(cells[recordAt]?.text.trim() || Number.NaN)
    if (fault || cells.length !== names.length || !isRecord(record)) {
      const why =
        fault?.code ?? (isRecord(record) ? `it has ${cells.length} cells instead of ${names.length}` : 'sluice_record')
      throw new SluiceError('SLUICE_DIALECT', `The record on line ${line} of ${name} cannot be read: ${why}`)
    }
    const [guarded, escaped] = [guardedAt, escapedAt].map((at) => new Set(cells[at]?.text.split(' '))) as [
      Set<string>,
      Set<string>,
    ]
    const given = columns.map((column, i): CorrectedCell => {
      const { bytes, quoted } = cells[places[i]!]!
      const shown = Buffer.from(bytes).toString('latin1')
      const own = guardedName(column)
      const isGuarded = guarded.has(own) && shown.startsWith("'") && isFormula(shown.slice(1))
      const text = isGuarded ? shown.slice(1) : shown
      return { text: escaped.has(own) ? unescapeBytes(text) : text, quoted }
    })
    yield { record, given: { cells: given } }
  }
}

/** Where in the file each column of the sources stands; columns may have been moved, and others added. */
function placesOf(columns: string[], names: string[], name: string, taken: Set<number>): number[] {
  return columns.map((column) => {
    const place = names.findIndex((one, i) => one === guard(latin(column)) && !taken.has(i))
    if (place === -1) throw new SluiceError('SLUICE_DIALECT', `${name} lacks the column ${JSON.stringify(column)}`)
    taken.add(place)
    return place
  })
}

function namesOf(head: Uint8Array, dialect: Dialect): string[] {
  const [first] = readRecords(head, dialect)
  return first?.cells.map(({ bytes }) => Buffer.from(bytes).toString('latin1')) ?? []
}

function isRecord(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, void> {
  let pieces: Buffer[] = []
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      yield Buffer.concat([...pieces, chunk.subarray(from, at)])
      pieces = []
      from = at + 1
    }
    // The chunk's memory is used again.
    pieces.push(Buffer.from(chunk.subarray(from)))
  }
  yield Buffer.concat(pieces)
}

async function* recordsOf(
  chunks: AsyncIterable<Uint8Array>,
  dialect: Dialect,
): AsyncGenerator<SourceRecord, void, void> {
  let held: Uint8Array = Buffer.alloc(0)
  let position: Position = START
  for await (const chunk of chunks) {
    held = Buffer.concat([held, chunk])
    let last: SourceRecord | undefined
    for (const record of readRecords(held, dialect, { final: false, position })) {
      yield record
      last = record
    }
    if (!last) continue
    held = held.subarray(last.next - position.byte)
    position = { byte: last.next, line: last.nextLine, record: 0 }
  }
  for (const record of readRecords(held, dialect, { position })) yield record
}
