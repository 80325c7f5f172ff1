import type { Dialect } from './dialect.ts'
import type { Fault } from './fault.ts'
import { JsonReader } from './json-records.ts'
import { type Position, START } from './position.ts'

/** One field of a record. */
export interface Cell {
  /** The value: without its quotes, escapes resolved. */
  bytes: Uint8Array
  quoted: boolean
  /** The value as text; bytes that are not UTF-8 show as U+FFFD. */
  text: string
  /** Offset in the source of the field's first byte (its opening quote where it is quoted). */
  start: number
  /** Offset just past the field's last byte. */
  end: number
  /** What the member of an object is; `extra`: one whose key no column has, its whole text. Delimited text has no kinds. */
  kind?: 'string' | 'number' | 'boolean' | 'null' | 'nested' | 'extra'
}

/** Why a record could not be taken apart. */
export interface RecordFault {
  code: 'quote-error' | 'record-too-large' | 'json-error'
  /** `quote`: a character follows the closing quote. `unclosed-quote`: the source ended inside the quotes. */
  reason: Fault
  /** Ordinal, from 0, of the field in which reading stopped; in JSON -1 where that is none. */
  cell: number
  /** JSON: what stands where it is broken. */
  text?: string
}

/** A record as it stands in the source. The header, where there is one, is a record like any other. */
export interface SourceRecord {
  /** Physical line on which it starts, from 1. */
  line: number
  /** Offset of its first byte. */
  byteOffset: number
  /** Offset just past its last byte, the line end not counted. */
  end: number
  /** Offset at which reading goes on, past the line end. */
  next: number
  /** Physical line on which reading goes on. */
  nextLine: number
  /** Its fields; those before the fault where it has one. */
  cells: Cell[]
  fault?: RecordFault
}

export interface ReadOptions {
  /** Whether the source ends where the bytes end; if not, a record that may go on is not given out. Default true. */
  final?: boolean
  /** A longer record is a fault; default 16 MB. */
  maxRecordBytes?: number
  /** Where in the source the bytes begin; default its start. A byte order mark is skipped at byte 0 only. */
  position?: Position
  /** JSON: the keys that are cells, in this order. Delimited text: of how many columns a trailing delimiter stands behind. */
  columns?: readonly string[]
  /** JSON: whether an array is not at its first element. Default false. */
  begun?: boolean
}

export const MAX_RECORD_BYTES = 16 * 1024 * 1024

const LF = 0x0a
const CR = 0x0d
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
const LENIENT_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Reads delimited text record by record, as docs/reference/csv.md has it (RFC 4180 with its liberties). It is the plain
 * way, for samples, for single records and for rules that want objects; a load's bytes go through the kernel.
 * Never throws: a record that cannot be taken apart has a `fault`.
 *
 * @returns where reading goes on: behind the last record and the whole lines that are none
 */
export function* readRecords(
  bytes: Uint8Array,
  dialect: Dialect,
  options: ReadOptions = {},
): Generator<SourceRecord, Reached, undefined> {
  const { final = true, maxRecordBytes = MAX_RECORD_BYTES, position = START } = options
  if (dialect.json) {
    const { columns = [], begun = false } = options
    return yield* new JsonReader(bytes, dialect.json, { final, maxRecordBytes, position, columns, begun })
  }
  const most = dialect.trailingDelimiter ? options.columns?.length : undefined
  const reader = new RecordReader(bytes, dialect, { final, maxRecordBytes, position, most })
  for (let record = reader.next(); record !== undefined; record = reader.next()) yield record
  return reader.place
}

/** Where reading goes on. */
export interface Reached extends Pick<Position, 'byte' | 'line'> {
  /** JSON: whether the array was closed there, or not even that can be told. */
  closed?: boolean
}

/** Reads the records in bytes that are kept by themselves: of a reject, or of a row in a batch. */
export function readKept(
  bytes: Uint8Array,
  dialect: Dialect,
  columns: readonly string[],
): Generator<SourceRecord, Reached, undefined> {
  // A position that is not the source's start, where a byte order mark would be skipped.
  const options = { maxRecordBytes: bytes.length, position: { byte: 1, line: 1, record: 0 }, columns }
  return readRecords(dialect.json?.form === 'array' ? Buffer.concat([bytes, CLOSING]) : bytes, dialect, options)
}

/** Of an array: an element has not ended before it, or a comma. */
const CLOSING = Buffer.from(']')

class RecordReader {
  readonly #bytes: Uint8Array
  readonly #final: boolean
  readonly #maxRecordBytes: number
  /** Cells behind so many are none where they are empty and end the record. */
  readonly #most: number
  /** Offset in the source of the first byte at hand. */
  readonly #base: number
  readonly #lineEnd: Dialect['lineEnd']
  readonly #delimiter: Uint8Array
  readonly #quote: number | undefined
  readonly #escape: number | undefined
  readonly #comment: number | undefined
  #at = 0
  #line: number
  /** CRs from the first to before the second index are known to be text, so that a long run of them is walked once. */
  #textFrom = 0
  #textBefore = 0
  /** Whether what was read depends on where the bytes end. */
  #sawEnd = false

  constructor(
    bytes: Uint8Array,
    dialect: Dialect,
    {
      final,
      maxRecordBytes,
      position,
      most = Number.POSITIVE_INFINITY,
    }: Pick<Required<ReadOptions>, 'final' | 'maxRecordBytes' | 'position'> & { most: number | undefined },
  ) {
    this.#bytes = bytes
    this.#final = final
    this.#maxRecordBytes = maxRecordBytes
    this.#most = most
    this.#base = position.byte
    this.#line = position.line
    this.#lineEnd = dialect.lineEnd
    this.#delimiter = Buffer.from(dialect.delimiter)
    this.#quote = dialect.quote?.charCodeAt(0)
    this.#escape = (dialect.escape ?? dialect.quote)?.charCodeAt(0)
    this.#comment = dialect.comment?.charCodeAt(0)
    if (position.byte === 0 && BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte)) this.#at = 3
  }

  /** Where the first line begins that was not read to its end. */
  get place(): { byte: number; line: number } {
    return { byte: this.#base + this.#at, line: this.#line }
  }

  /** Whether what was read last may go on behind the bytes at hand. */
  get #isCut(): boolean {
    return this.#sawEnd && !this.#final
  }

  /** The next record, or undefined at the end and before a record that is not complete. */
  next(): SourceRecord | undefined {
    this.#skipLines()
    if (this.#isCut || this.#at >= this.#bytes.length) return undefined
    const [at, line] = [this.#at, this.#line]
    const record = this.#record()
    if (!this.#isCut) return record
    this.#at = at
    this.#line = line
    return undefined
  }

  /** Passes over blank lines and comments. */
  #skipLines(): void {
    while (this.#at < this.#bytes.length) {
      if (this.#bytes[this.#at] !== this.#comment && this.#lineEndAt(this.#at) === 0) return
      const end = this.#restOfLine(this.#at)
      if (this.#isCut) return
      this.#goBehind(end, this.#line)
    }
  }

  #record(): SourceRecord {
    const start = this.#at
    const startLine = this.#line
    const limit = start + this.#maxRecordBytes
    const cells: Cell[] = []
    let line = startLine
    let at = start

    const give = (end: { at: number; next: number }, lastLine: number, fault?: RecordFault): SourceRecord => {
      this.#goBehind(end, lastLine)
      const base = this.#base
      const [byteOffset, next] = [base + start, base + end.next]
      const place = { line: startLine, byteOffset, end: base + end.at, next, nextLine: this.#line }
      return fault === undefined ? { ...place, cells } : { ...place, cells, fault }
    }
    const fail = (reason: RecordFault['reason'], from: number, onLine: number): SourceRecord => {
      const code = reason === 'record-too-large' ? reason : 'quote-error'
      return give(this.#restOfLine(from), onLine, { code, reason, cell: cells.length })
    }

    for (;;) {
      const cellStart = at
      const openLine = line
      const quoted = this.#quote !== undefined && this.#bytes[at] === this.#quote && at < limit
      const text: Uint8Array[] = []
      if (quoted) {
        const field = this.#quotedField(at, limit)
        if (typeof field === 'string') return fail(field, cellStart, openLine)
        text.push(...field.parts)
        line += field.lineEnds
        at = field.next
      }
      // From here to the field's end there is nothing in a quoted field, and all of an unquoted one.
      if (!quoted) at = this.#behindPlain(at, limit)
      let lineEnd = this.#lineEndAt(at)
      while (lineEnd === 0 && at < this.#bytes.length) {
        if (at >= limit) return fail('record-too-large', at, line)
        if (this.#isDelimiter(at)) break
        if (quoted) return fail('quote', cellStart, openLine)
        at++
        lineEnd = this.#lineEndAt(at)
      }
      const value = quoted ? concat(text) : this.#bytes.subarray(cellStart, at)
      const [from, to] = [this.#base + cellStart, this.#base + at]
      cells.push({ bytes: value, quoted, text: LENIENT_UTF8.decode(value), start: from, end: to })
      if (lineEnd > 0 || at === this.#bytes.length) {
        while (cells.length > this.#most && isNothing(cells.at(-1)!)) cells.pop()
        return give({ at, next: at + lineEnd }, line)
      }
      at += this.#delimiter.length
      if (at > limit) return fail('record-too-large', at, line)
    }
  }

  /** Behind the bytes that can neither end an unquoted field nor be too many. Most are such. */
  #behindPlain(from: number, limit: number): number {
    const [bytes, delimiter, end] = [this.#bytes, this.#delimiter[0], Math.min(this.#bytes.length, limit)]
    let at = from
    for (; at < end; at++) {
      const byte = bytes[at]
      if (byte === delimiter || byte === LF || byte === CR) break
    }
    return at
  }

  /** Reads from an opening quote to behind the closing one: the pieces of the value, or what is wrong. */
  #quotedField(
    open: number,
    limit: number,
  ): { parts: Uint8Array[]; lineEnds: number; next: number } | 'unclosed-quote' | 'record-too-large' {
    const bytes = this.#bytes
    const parts: Uint8Array[] = []
    let partStart = open + 1
    let lineEnds = 0
    let at = open + 1
    for (;;) {
      const byte = this.#byteAt(at)
      if (at > limit || (at === limit && byte !== undefined)) return 'record-too-large'
      if (byte === undefined) return 'unclosed-quote'
      if (byte === this.#escape) {
        const next = this.#byteAt(at + 1)
        if (next !== undefined && (next === this.#quote || next === this.#escape)) {
          parts.push(bytes.subarray(partStart, at))
          partStart = at + 1
          at += 2
          continue
        }
      }
      if (byte === this.#quote) {
        parts.push(bytes.subarray(partStart, at))
        return { parts, lineEnds, next: at + 1 }
      }
      if (this.#breaksLine(at)) lineEnds++
      at++
    }
  }

  /** Whether a physical line ends with this byte inside quotes: of a CRLF it is the LF that counts. */
  #breaksLine(at: number): boolean {
    const byte = this.#bytes[at]
    if (this.#lineEnd === 'cr') return byte === CR
    return byte === LF || (this.#lineEnd === 'any' && byte === CR && this.#bytes[at + 1] !== LF)
  }

  /** Length of the line end that begins here outside quotes, 0 where none does. */
  #lineEndAt(at: number): number {
    const bytes = this.#bytes
    const byte = this.#byteAt(at)
    if (byte === LF) return this.#lineEnd === 'cr' ? 0 : 1
    if (byte !== CR) return 0
    if (this.#lineEnd === 'cr') return 1
    if (this.#lineEnd === 'any') return this.#byteAt(at + 1) === LF ? 2 : 1
    if (at >= this.#textFrom && at < this.#textBefore) return 0
    let end = at + 1
    while (this.#byteAt(end) === CR) end++
    if (bytes[end] === LF) return end + 1 - at
    // The source ends behind them.
    if (end === bytes.length && this.#final) return end - at
    this.#textFrom = at
    this.#textBefore = end
    return 0
  }

  #isDelimiter(at: number): boolean {
    const delimiter = this.#delimiter
    if (this.#bytes[at] !== delimiter[0]) return false
    for (let i = 1; i < delimiter.length; i++) if (this.#byteAt(at + i) !== delimiter[i]) return false
    return true
  }

  /** Where the physical line that `from` stands on ends, and where the next one begins. */
  #restOfLine(from: number): { at: number; next: number } {
    for (let at = from; ; at++) {
      const length = this.#lineEndAt(at)
      if (length > 0 || at === this.#bytes.length) return { at, next: at + length }
    }
  }

  #goBehind(end: { at: number; next: number }, line: number): void {
    this.#at = end.next
    const isCut = this.#lineEnd === 'lf' && this.#bytes[end.next - 1] === CR
    this.#line = end.next > end.at && !isCut ? line + 1 : line
  }

  /** The byte, undefined behind the last one; that it was asked for is noted, as it may be yet to come. */
  #byteAt(at: number): number | undefined {
    if (at >= this.#bytes.length) this.#sawEnd = true
    return this.#bytes[at]
  }
}

function isNothing({ quoted, bytes }: Cell): boolean {
  return !quoted && bytes.length === 0
}

function concat(parts: Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
