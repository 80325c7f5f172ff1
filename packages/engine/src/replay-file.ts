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
/** A record in a file of rejects to the same in its source, at most, but for control characters: quotes are doubled, Base64 takes a third more. */
const LONGER = 2
/** A name in a CSV's header may begin with a brace, but one with a quote behind it is quoted as a whole. */
const OBJECT = /^\ufeff?\s*\{\s*"/
const LF = 0x0a
/** What spreadsheets write, whatever the country. */
const DELIMITERS = [',', ';', '\t']

/**
 * Reads corrected rejects, in either form in which `sluice rejects` prints them.
 * @param columns Of the job's sources, in the order of `layoutOf`.
 * @param longest Bytes of the longest record that the job takes.
 * @throws SluiceError SLUICE_DIALECT for a file of another form, and for a record of it that is longer than one of the job may be
 */
export async function* readCorrections(
  source: Source,
  jobId: string,
  columns: string[],
  longest: number,
): AsyncGenerator<Correction> {
  const { bytes } = await source.head(HEAD_BYTES)
  // Of no rejects there is not a line of NDJSON.
  if (bytes.length === 0) return
  const given: Given = {
    name: source.name,
    chunks: { [Symbol.asyncIterator]: () => source.read(0) },
    most: LONGER * longest + HEAD_BYTES,
  }
  if (OBJECT.test(Buffer.from(bytes).toString())) yield* fromNdjson(given, jobId)
  else yield* fromCsv(given, bytes, columns)
}

interface Given {
  name: string
  chunks: AsyncIterable<Uint8Array>
  /** Bytes of a line or a record, at most. */
  most: number
}

function refuseLonger(bytes: number, { name, most }: Given): void {
  if (bytes <= most) return
  throw new SluiceError(
    'SLUICE_DIALECT',
    `${name} holds more than ${most} bytes without the end of a record: no record of its job can be as long`,
  )
}

async function* fromNdjson(given: Given, jobId: string): AsyncGenerator<Correction, void, void> {
  let at = 0
  for await (const line of linesOf(given)) {
    at++
    if (line.toString().trim() === '') continue
    const place = `Line ${at} of ${given.name}`
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

async function* fromCsv(given: Given, head: Uint8Array, columns: string[]): AsyncGenerator<Correction, void, void> {
  const { name } = given
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
  for await (const { cells, fault, line } of recordsOf(given, dialect)) {
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
    const corrected = columns.map((column, i): CorrectedCell => {
      const { bytes, quoted } = cells[places[i]!]!
      const shown = Buffer.from(bytes).toString('latin1')
      const own = guardedName(column)
      const isGuarded = guarded.has(own) && shown.startsWith("'") && isFormula(shown.slice(1))
      const text = isGuarded ? shown.slice(1) : shown
      return { text: escaped.has(own) ? unescapeBytes(text) : text, quoted }
    })
    yield { record, given: { cells: corrected } }
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

async function* linesOf(given: Given): AsyncGenerator<Buffer, void, void> {
  let pieces: Buffer[] = []
  let held = 0
  for await (const chunk of given.chunks) {
    let from = 0
    for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, from)) {
      yield Buffer.concat([...pieces, chunk.subarray(from, at)])
      pieces = []
      held = 0
      from = at + 1
    }
    // The chunk's memory is used again.
    pieces.push(Buffer.from(chunk.subarray(from)))
    held += chunk.length - from
    refuseLonger(held, given)
  }
  yield Buffer.concat(pieces)
}

async function* recordsOf(given: Given, dialect: Dialect): AsyncGenerator<SourceRecord, void, void> {
  let held: Uint8Array = Buffer.alloc(0)
  let position: Position = START
  for await (const chunk of given.chunks) {
    held = Buffer.concat([held, chunk])
    refuseLonger(held.length, given)
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
