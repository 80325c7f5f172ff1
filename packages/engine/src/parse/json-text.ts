import type { Fault } from './fault.ts'
import { isSpace } from './json-structure.ts'
import type { Cell } from './records.ts'

const MAX_DEPTH = 512
const [QUOTE, BACKSLASH, COMMA, COLON, MINUS, ZERO] = [0x22, 0x5c, 0x2c, 0x3a, 0x2d, 0x30]
const [OPEN_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x7b, 0x7d]
const SIMPLE = new Map(
  [...Buffer.from('"\\/bfnrt')].map((byte, index) => [byte, Buffer.from('"\\/\b\f\n\r\t')[index]!]),
)
const LITERALS = ['true', 'null', 'false'].map((word) => Buffer.from(word))

/** A member of an object. */
export interface Member {
  /** What {@link JsonText.object} was told of its key; -1: no column. */
  column: number
  kind: NonNullable<Cell['kind']>
  /** Where its key begins, with the quote. */
  key: number
  /** Its value. */
  start: number
  end: number
}

/** Checks JSON by RFC 8259. What it finds wrong is in `reason` and `failAt`, which is the end where more may follow. */
export class JsonText {
  reason: Extract<Fault, `json-${string}`> = 'json-syntax'
  failAt = 0
  failColumn = -1
  readonly #bytes: Uint8Array
  #end = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /**
   * Reads the object at `start`.
   * @param columnOf Of a key, one character a byte of its UTF-8, its column, or -1; two members of one column are refused.
   */
  object(
    start: number,
    end: number,
    columnOf: (key: string) => number,
  ): { end: number; members: Member[] } | undefined {
    this.#end = end
    this.failColumn = -1
    if (start >= end) return this.#refuse(end)
    if (this.#bytes[start] !== OPEN_OBJECT) {
      return this.#value(start) === undefined ? undefined : this.#refuse(start, 'json-record')
    }
    const members: Member[] = []
    const columns = new Set<number>()
    let at = this.#skipSpace(start + 1)
    if (this.#byte(at) === CLOSE_OBJECT) return { end: at + 1, members }
    for (;;) {
      const key = at
      const name = this.#string(key)
      if (name === undefined) return undefined
      const colon = this.#skipSpace(name)
      if (this.#byte(colon) !== COLON) return this.#refuse(colon)
      const value = this.#skipSpace(colon + 1)
      const behind = this.#value(value)
      if (behind === undefined) return undefined
      const column = columnOf(Buffer.from(this.unescape(key + 1, name - 1)).toString('latin1'))
      if (column >= 0 && columns.size === columns.add(column).size) {
        this.failColumn = column
        return this.#refuse(key, 'json-key')
      }
      members.push({ column, kind: this.#kindOf(value), key, start: value, end: behind })
      at = this.#skipSpace(behind)
      const separator = this.#byte(at)
      if (separator === CLOSE_OBJECT) return { end: at + 1, members }
      if (separator !== COMMA) return this.#refuse(at)
      at = this.#skipSpace(at + 1)
    }
  }

  /**
   * The key of the member that begins at `start`, behind a bracket or another member, and where its value begins; `end`:
   * the object is closed there.
   */
  member(start: number, end: number): { key: string; value: number } | 'end' | undefined {
    this.#end = end
    let at = this.#skipSpace(start)
    if (this.#byte(at) === CLOSE_OBJECT) return 'end'
    if (this.#byte(at) === COMMA) at = this.#skipSpace(at + 1)
    const value = this.#name(at)
    if (value === undefined) return undefined
    const name = this.#string(at)!
    return { key: Buffer.from(this.unescape(at + 1, name - 1)).toString(), value }
  }

  /** The end of the value at `start`; undefined: there is none. */
  value(start: number, end: number): number | undefined {
    this.#end = end
    return this.#value(start)
  }

  /** The bytes of a string's content. Half of a surrogate pair becomes bytes that are not UTF-8. */
  unescape(start: number, end: number): Uint8Array {
    const bytes = this.#bytes
    if (!bytes.subarray(start, end).includes(BACKSLASH)) return bytes.subarray(start, end)
    const out: number[] = []
    for (let at = start; at < end; ) {
      const byte = bytes[at]!
      if (byte !== BACKSLASH) {
        out.push(byte)
        at++
        continue
      }
      const simple = SIMPLE.get(bytes[at + 1]!)
      if (simple !== undefined) {
        out.push(simple)
        at += 2
        continue
      }
      let unit = this.#unit(at)!
      at += 6
      const low = unit >= 0xd800 && unit < 0xdc00 && at + 6 <= end ? this.#unit(at) : undefined
      if (low !== undefined && low >= 0xdc00 && low < 0xe000) {
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
        at += 6
      }
      if (unit < 0x80) out.push(unit)
      else if (unit < 0x800) out.push(0xc0 | (unit >> 6), 0x80 | (unit & 63))
      else if (unit < 0x10000) out.push(0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63))
      else {
        out.push(0xf0 | (unit >> 18), 0x80 | ((unit >> 12) & 63), 0x80 | ((unit >> 6) & 63), 0x80 | (unit & 63))
      }
    }
    return Uint8Array.from(out)
  }

  /** The code unit of the escape `\uXXXX` at `at`, if there is one. */
  #unit(at: number): number | undefined {
    const text = Buffer.from(this.#bytes.subarray(at, at + 6)).toString('latin1')
    return /^\\u[\da-f]{4}$/i.test(text) ? Number.parseInt(text.slice(2), 16) : undefined
  }

  #byte(at: number): number | undefined {
    return at < this.#end ? this.#bytes[at] : undefined
  }

  #skipSpace(from: number): number {
    let at = from
    while (isSpace(this.#byte(at))) at++
    return at
  }

  #refuse(at: number, reason: JsonText['reason'] = 'json-syntax'): undefined {
    this.failAt = Math.min(at, this.#end)
    this.reason = reason
    return undefined
  }

  #kindOf(at: number): NonNullable<Cell['kind']> {
    const byte = this.#bytes[at]!
    if (byte === QUOTE) return 'string'
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return 'nested'
    if (byte === MINUS || isDigit(byte)) return 'number'
    return byte === LITERALS[1]![0] ? 'null' : 'boolean'
  }

  #value(start: number): number | undefined {
    /** The closing bracket of each open one. */
    const open: number[] = []
    let at = start
    for (;;) {
      const byte = this.#byte(at)
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (open.length === MAX_DEPTH) return this.#refuse(at, 'json-depth')
        open.push(byte + 2)
        at = this.#skipSpace(at + 1)
        if (this.#byte(at) === byte + 2) {
          open.pop()
          at++
        } else {
          if (byte === OPEN_ARRAY) continue
          const name = this.#name(at)
          if (name === undefined) return undefined
          at = name
          continue
        }
      } else {
        const end = this.#scalar(at)
        if (end === undefined) return undefined
        at = end
      }
      for (;;) {
        const closing = open.at(-1)
        if (closing === undefined) return at
        at = this.#skipSpace(at)
        if (this.#byte(at) === closing) {
          open.pop()
          at++
          continue
        }
        if (this.#byte(at) !== COMMA) return this.#refuse(at)
        at = this.#skipSpace(at + 1)
        if (closing !== CLOSE_OBJECT) break
        const name = this.#name(at)
        if (name === undefined) return undefined
        at = name
        break
      }
    }
  }

  /** Behind a key, its colon and the space behind it. */
  #name(at: number): number | undefined {
    const end = this.#string(at)
    if (end === undefined) return undefined
    const colon = this.#skipSpace(end)
    return this.#byte(colon) === COLON ? this.#skipSpace(colon + 1) : this.#refuse(colon)
  }

  #scalar(at: number): number | undefined {
    const byte = this.#byte(at)
    if (byte === undefined) return this.#refuse(at)
    if (byte === QUOTE) return this.#string(at)
    return byte === MINUS || isDigit(byte) ? this.#number(at) : this.#literal(at)
  }

  #string(start: number): number | undefined {
    if (this.#byte(start) !== QUOTE) return this.#refuse(start)
    let at = start + 1
    for (;;) {
      const byte = this.#byte(at)
      if (byte === undefined) return this.#refuse(at)
      if (byte === QUOTE) return at + 1
      if (byte < 0x20) return this.#refuse(at)
      if (byte !== BACKSLASH) {
        at++
        continue
      }
      const escaped = this.#byte(at + 1)
      if (escaped === undefined) return this.#refuse(this.#end)
      if (SIMPLE.has(escaped)) {
        at += 2
        continue
      }
      if (escaped !== 0x75) return this.#refuse(at)
      let digit = at + 2
      while (digit < at + 6 && isHex(this.#byte(digit))) digit++
      if (digit < at + 6) return this.#refuse(digit >= this.#end ? this.#end : at)
      at += 6
    }
  }

  #number(start: number): number | undefined {
    let at = this.#byte(start) === MINUS ? start + 1 : start
    const whole = this.#byte(at) === ZERO ? at + 1 : this.#digits(at)
    if (whole === at) return this.#refuse(at)
    at = whole
    if (this.#byte(at) === 0x2e) {
      const fraction = this.#digits(at + 1)
      if (fraction === at + 1) return this.#refuse(fraction)
      at = fraction
    }
    if (((this.#byte(at) ?? 0) | 0x20) === 0x65) {
      at++
      if (this.#byte(at) === 0x2b || this.#byte(at) === MINUS) at++
      const exponent = this.#digits(at)
      if (exponent === at) return this.#refuse(at)
      at = exponent
    }
    return at
  }

  #digits(from: number): number {
    let at = from
    while (isDigit(this.#byte(at))) at++
    return at
  }

  #literal(at: number): number | undefined {
    const text = Buffer.from(this.#bytes.subarray(at, Math.min(at + 5, this.#end)))
    for (const word of LITERALS) {
      if (text.subarray(0, word.length).equals(word)) return at + word.length
      if (text.length < word.length && word.subarray(0, text.length).equals(text)) return this.#refuse(this.#end)
    }
    return this.#refuse(at)
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39
}

function isHex(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66)
}
