import { compressionOf } from './decode/compression.ts'
import { UTF_8 } from './decode/encodings.ts'
import { SluiceError } from './errors.ts'
import { headIn, type SourceHead } from './head.ts'
import type { BatchSink } from './parse/batch.ts'
import type { Dialect } from './parse/dialect.ts'
import { Parser } from './parse/parser.ts'
import type { Position } from './parse/position.ts'
import type { Reject, RejectCode } from './reject/reject.ts'
import type { Source } from './source/source.ts'

/** Where a boundary is looked for, bytes that are looked at in one go: there is one between any two of them without a broken record. */
const SEARCHED_BYTES = 1024
/** Bytes from which a dialect is told; as many as a load takes for it. */
const HEAD_BYTES = 256 * 1024

/**
 * Places of one source at which a record begins, far enough from each other that what is between two of them is worth a worker of its
 * own. They hold for the dialect that they were found by. JSON throughout.
 */
export interface Boundaries {
  dialect: Dialect
  /** Where the first record begins. */
  start: Position
  at: Position[]
}

/** Bytes between two boundaries: a segment of 32 MiB takes a worker a quarter of a second or more, and its claim some ms. */
const SEGMENT_BYTES = 32 * 1024 * 1024

/** @throws SluiceError SLUICE_CONFIG for a `SLUICE_SEGMENT_BYTES` that is no number */
function segmentBytes(): number {
  const bytes = Number(process.env.SLUICE_SEGMENT_BYTES ?? SEGMENT_BYTES)
  if (bytes >= 1) return bytes
  throw new SluiceError('SLUICE_CONFIG', 'SLUICE_SEGMENT_BYTES must be a number of bytes, 1 or more')
}

/**
 * Finds boundaries in bytes that pass, from the first one on. The kernel takes records apart as a load does, so that quotes, faulty records,
 * comments and blank lines count here as they do there; with no column to convert it does 1.2 GB a second.
 */
export class BoundaryIndex {
  readonly #every: number
  readonly #maxRecordBytes: number | undefined
  #head: Uint8Array[] = []
  #headBytes = 0
  /** Undefined until the head is there; null where boundaries cannot be had. */
  #parser: Parser | null | undefined
  #found: Boundaries | undefined
  /** Where the bytes end that the parser has got, and those that may have had a part in the last fault: no boundary is before that. */
  #pushed = 0
  #seen = 0

  /** @param head of the source, where it is known: the bytes to come are those from its `start` on. Default: it is told from them. */
  constructor({ head, maxRecordBytes }: { head?: SourceHead; maxRecordBytes?: number | undefined } = {}) {
    this.#every = segmentBytes()
    this.#maxRecordBytes = maxRecordBytes
    if (head) this.#parser = this.#begin(head)
  }

  /** Passes a body on, and looks at what passes. */
  async *of(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const chunk of body) {
      await this.push(chunk)
      yield chunk
    }
  }

  /** Takes the next bytes, which may change afterwards. */
  async push(bytes: Uint8Array): Promise<void> {
    if (this.#parser === null) return
    if (this.#parser) return this.#scan(this.#parser, bytes)
    this.#head.push(Buffer.from(bytes))
    this.#headBytes += bytes.length
    if (this.#headBytes < HEAD_BYTES) return
    const head = Buffer.concat(this.#head)
    this.#head = []
    const known = headOfText(head.subarray(0, HEAD_BYTES))
    this.#parser = known ? this.#begin(known) : null
    if (this.#parser) this.#scan(this.#parser, head.subarray(known!.start.byte))
  }

  /** What was found; null where the source is too small, or can only be read from its beginning: see {@link isDivisible}. */
  end(): Boundaries | null {
    return this.#parser && this.#found && this.#found.at.length > 0 ? this.#found : null
  }

  #begin({ dialect, header, start }: SourceHead): Parser | null {
    if (!isDivisible(dialect)) return null
    this.#found = { dialect, start, at: [] }
    this.#pushed = start.byte
    // Keys that only later records have make no reject of them here.
    const json = dialect.json && { ...dialect.json, ignoresUnknown: true, kept: [] }
    return new Parser({
      program: { columns: [], sourceColumns: header },
      dialect: { ...dialect, ...(json && { json }) },
      encoding: 'pg-text',
      position: start,
      ...(this.#maxRecordBytes !== undefined && { maxRecordBytes: this.#maxRecordBytes }),
    })
  }

  #scan(parser: Parser, bytes: Uint8Array): void {
    const { start, at } = this.#found!
    try {
      for (let rest = bytes; rest.length > 0; ) {
        const next = (at.at(-1) ?? start).byte + this.#every
        const size = parser.position.byte < next ? rest.length : SEARCHED_BYTES
        const taken = parser.push(rest.subarray(0, size))
        rest = rest.subarray(taken)
        this.#pushed += taken
        let sink = new Nothing()
        for (; parser.fill(sink) !== 'input'; sink = new Nothing()) if (sink.hasFault) this.#seen = this.#pushed
        if (sink.hasFault) this.#seen = this.#pushed
        const { byte } = parser.position
        if (byte >= next && byte >= this.#seen) at.push(parser.position)
      }
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      // The load will say what is wrong with the source.
      this.#parser = null
    }
  }
}

/** Takes a batch and keeps nothing of it. */
class Nothing implements BatchSink {
  readonly input = { length: 0 }
  readonly recordsLeft = 0xffff_ffff
  isClosed = false
  /** Whether a record was found to be broken, which may show far behind its end: a quote that is never closed. */
  hasFault = false
  to: Position = { byte: 0, line: 0, record: 0 }

  get isFull(): boolean {
    return this.isClosed
  }

  readonly addInput = nothing
  readonly addOutput = nothing
  readonly addRows = nothing
  readonly addLarge = nothing

  addReject({ errors }: Reject): void {
    if (!COUNTED.has(errors[0]!.code)) this.hasFault = true
  }
}

const nothing = () => undefined
/** Codes of records that are whole and have another number of cells than they should. */
const COUNTED = new Set<RejectCode>(['missing-cell', 'extra-cell'])

/**
 * Whether reading may begin at any record: of delimited text and of NDJSON, in UTF-8. An array of JSON closes only at its end; in
 * other encodings a byte of the source is not one of the text.
 */
export function isDivisible({ json, encoding }: Dialect): boolean {
  return encoding === UTF_8.name && json?.form !== 'array'
}

/** Whether records begin at the same places, whatever else the two dialects say. */
export function areSameRecords(one: Dialect, other: Dialect): boolean {
  const parts = (d: Dialect) =>
    JSON.stringify([d.encoding, d.delimiter, d.quote, d.escape, d.comment, d.lineEnd, d.json?.form ?? null])
  return parts(one) === parts(other)
}

/** Boundaries of a source that is there whole: reads all of it behind its head. */
export async function boundariesOf(
  source: Pick<Source, 'read'>,
  head: SourceHead,
  maxRecordBytes: number | undefined,
): Promise<Boundaries | null> {
  const index = new BoundaryIndex({ head, maxRecordBytes })
  const chunks = source.read(head.start.byte)
  try {
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) await index.push(next.value)
  } finally {
    await chunks.return?.()
  }
  return index.end()
}

/** Undefined where nothing is to be told of them: a load will say why. */
function headOfText(bytes: Buffer): SourceHead | undefined {
  if (compressionOf(bytes) !== null) return undefined
  const namesFor = (cells: number, keys?: string[]) =>
    keys ?? Array.from({ length: cells }, (_, i) => `column ${i + 1}`)
  try {
    return headIn({ bytes, complete: false }, 'the source', {}, namesFor)
  } catch (error) {
    if (error instanceof SluiceError) return undefined
    throw error
  }
}
