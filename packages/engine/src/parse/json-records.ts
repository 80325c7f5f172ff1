import type { JsonDialect } from './dialect.ts'
import type { Fault } from './fault.ts'
import { ElementEnd, isSpace } from './json-structure.ts'
import { JsonText, type Member } from './json-text.ts'
import type { Cell, Reached, ReadOptions, RecordFault, SourceRecord } from './records.ts'

const [LF, CR, COMMA, CLOSE_ARRAY] = [0x0a, 0x0d, 0x2c, 0x5d]
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
const LENIENT_UTF8 = new TextDecoder('utf-8', { ignoreBOM: true })
/** Members without a column that a record tells of. */
const MOST_EXTRAS = 64

/** Reads records of JSON as docs/reference/json.md has it: the plain way, beside that of the kernel. */
export class JsonReader {
  readonly #bytes: Uint8Array
  readonly #json: JsonDialect
  readonly #options: Required<ReadOptions>
  readonly #text: JsonText
  /** Ordinals by the bytes of the key, one character each. */
  readonly #ordinals: Map<string, number>
  readonly #kept: Set<number>
  #at = 0
  #line: number
  #counted = 0
  #isFirst: boolean
  #closed = false

  constructor(bytes: Uint8Array, json: JsonDialect, options: Required<ReadOptions>) {
    const { columns, position, begun } = options
    this.#bytes = bytes
    this.#json = json
    this.#options = options
    this.#text = new JsonText(bytes)
    this.#ordinals = new Map(columns.map((name, ordinal) => [Buffer.from(name).toString('latin1'), ordinal]))
    this.#kept = new Set(columns.flatMap((name, ordinal) => (json.kept.includes(name) ? [ordinal] : [])))
    this.#line = position.line
    this.#isFirst = !begun
    if (position.byte === 0 && BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte)) this.#at = 3
  }

  *[Symbol.iterator](): Generator<SourceRecord, Reached, undefined> {
    for (;;) {
      const record = this.#json.form === 'lines' ? this.#nextLine() : this.#nextElement()
      if (!record) break
      yield record
    }
    return { byte: this.#options.position.byte + this.#at, line: this.#lineAt(this.#at), closed: this.#closed }
  }

  #nextLine(): SourceRecord | undefined {
    const bytes = this.#bytes
    while (this.#at < bytes.length) {
      const start = this.#at
      const found = bytes.indexOf(LF, start)
      if (found === -1 && !this.#options.final) return undefined
      let end = found === -1 ? bytes.length : found
      const next = found === -1 ? end : end + 1
      while (found !== -1 && end > start && bytes[end - 1] === CR) end--
      if (end - start > this.#options.maxRecordBytes) return this.#give(start, end, next, tooLarge())
      const content = skipSpace(bytes, start, end)
      if (content < end) return this.#give(start, end, next, this.#recordOfLine(content, end))
      this.#at = next
    }
    return undefined
  }

  #recordOfLine(content: number, end: number): Member[] | RecordFault {
    const object = this.#object(content, end)
    if ('reason' in object) return this.#faultOf(object.reason, this.#text.failAt, end, object.cell)
    const rest = skipSpace(this.#bytes, object.end, end)
    return rest === end ? object.members : this.#faultOf('json-syntax', rest, end)
  }

  #nextElement(): SourceRecord | undefined {
    const bytes = this.#bytes
    const { maxRecordBytes } = this.#options
    let start = skipSpace(bytes, this.#at, bytes.length)
    if (bytes[start] === CLOSE_ARRAY) {
      this.#at = start + 1
      this.#closed = true
      return undefined
    }
    if (bytes[start] === COMMA && !this.#isFirst) start = skipSpace(bytes, start + 1, bytes.length)
    if (start === bytes.length) return undefined
    const object = this.#object(start, bytes.length)
    let made: Member[] | RecordFault
    let end: number
    const separator = 'reason' in object ? bytes.length : skipSpace(bytes, object.end, bytes.length)
    if (!('reason' in object) && (bytes[separator] === COMMA || bytes[separator] === CLOSE_ARRAY)) {
      end = object.end
      made = object.members
    } else {
      if (!('reason' in object) && separator === bytes.length) return undefined
      if ('reason' in object && this.#text.failAt === bytes.length) return undefined
      end = new ElementEnd().find(bytes, start, bytes.length)
      if (end === bytes.length) return undefined
      while (end > start && isSpace(bytes[end - 1])) end--
      made =
        'reason' in object
          ? this.#faultOf(object.reason, this.#text.failAt, end, object.cell)
          : this.#faultOf('json-syntax', separator, end)
    }
    this.#isFirst = false
    return this.#give(start, end, end, end - start > maxRecordBytes ? tooLarge() : made)
  }

  /** The members of the object at `start`, by column, or what is wrong. */
  #object(start: number, end: number): { end: number; members: Member[] } | Pick<RecordFault, 'reason' | 'cell'> {
    const text = this.#text
    const found = text.object(start, end, (key) => this.#ordinals.get(key) ?? -1)
    if (found) return found
    return { reason: text.reason, cell: text.failColumn }
  }

  #faultOf(reason: Fault, at: number, end: number, cell = -1): RecordFault {
    return { code: 'json-error', reason, cell, text: this.#decode(at, end) }
  }

  #give(start: number, end: number, next: number, made: Member[] | RecordFault): SourceRecord {
    const base = this.#options.position.byte
    this.#at = next
    const place = {
      line: this.#lineAt(start),
      byteOffset: base + start,
      end: base + end,
      next: base + next,
      nextLine: this.#lineAt(next),
    }
    if (!Array.isArray(made)) return { ...place, cells: [], fault: made }
    return { ...place, cells: this.#cells(made, end) }
  }

  #cells(members: Member[], end: number): Cell[] {
    const { columns, position } = this.#options
    const missing = {
      bytes: new Uint8Array(),
      quoted: false,
      text: '',
      start: position.byte + end,
      end: position.byte + end,
    }
    const cells = columns.map<Cell>(() => ({ ...missing, kind: 'null' }))
    let extras = 0
    for (const member of members) {
      if (member.column >= 0) cells[member.column] = this.#cell(member, this.#kept.has(member.column))
      else if (!this.#json.ignoresUnknown && extras++ < MOST_EXTRAS) cells.push(this.#extra(member))
    }
    return cells
  }

  #cell({ kind, start, end }: Member, asJson: boolean): Cell {
    const base = this.#options.position.byte
    const bytes =
      kind === 'null'
        ? new Uint8Array()
        : kind === 'string' && !asJson
          ? this.#text.unescape(start + 1, end - 1)
          : this.#bytes.subarray(start, end)
    return {
      bytes,
      quoted: kind !== 'null',
      text: LENIENT_UTF8.decode(bytes),
      start: base + start,
      end: base + end,
      kind,
    }
  }

  #extra({ key, end }: Member): Cell {
    const base = this.#options.position.byte
    const bytes = this.#bytes.subarray(key, end)
    return { bytes, quoted: true, text: LENIENT_UTF8.decode(bytes), start: base + key, end: base + end, kind: 'extra' }
  }

  #decode(from: number, to: number): string {
    return LENIENT_UTF8.decode(this.#bytes.subarray(from, to))
  }

  /** The physical line of a place that is not before the last one asked for. */
  #lineAt(at: number): number {
    for (let lf = this.#bytes.indexOf(LF, this.#counted); lf !== -1 && lf < at; ) {
      this.#line++
      this.#counted = lf + 1
      lf = this.#bytes.indexOf(LF, this.#counted)
    }
    return this.#line
  }
}

function tooLarge(): RecordFault {
  return { code: 'record-too-large', reason: 'record-too-large', cell: -1 }
}

function skipSpace(bytes: Uint8Array, from: number, end: number): number {
  let at = from
  while (at < end && isSpace(bytes[at])) at++
  return at
}
