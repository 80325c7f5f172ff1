import { type Charset, type Decoder, ESCAPE, putCode, putEscape, Room, unitAt, unitLength, unitsOf } from './charset.ts'

/** What translates a few bytes at a time. */
export interface Table {
  /** U+FFFD stands for what means nothing. */
  decode(bytes: Buffer): string
  encode(text: string): Buffer
}

/** Bytes of the longest character: of GB 18030. */
const LONGEST = 4
/** What several characters, or none, or too long a form of one are taken for. */
const NONE = -1
/** Characters of three and four bytes that are remembered; whoever makes up more of them must not fill the memory. */
const REMEMBERED = 50_000

/**
 * An encoding whose characters take one to four bytes; bytes below 128 at a character's start are ASCII, and line ends, quotes and commas
 * are in no other character. Where a character has two forms of unlike length, the one that `table` does not write means nothing.
 */
export class MultiByte implements Charset {
  readonly name: string
  readonly #table: Table
  /** Characters by their one or two bytes; 0: not looked up yet. */
  readonly #short = [new Int32Array(0x100), new Int32Array(0x10000)] as const
  readonly #long = new Map<number, number>()
  /** By code point, as far as they were asked for; 0: not yet. */
  readonly #lengths = new Uint8Array(0x110000)

  constructor(name: string, table: Table) {
    this.name = name
    this.#table = table
  }

  decoder(): Decoder {
    return new MultiByteDecoder((bytes, at, length) => this.#codeOf(bytes, at, length))
  }

  sourceLength(text: Uint8Array): number {
    let length = 0
    for (let at = 0; at < text.length; ) {
      const lead = text[at]!
      if (lead < 0x80 || lead === ESCAPE) length++
      else length += this.#lengthOf(unitAt(text, at))
      at += unitLength(lead)
    }
    return length
  }

  encode(text: Uint8Array): Buffer {
    const pieces: Buffer[] = []
    for (const unit of unitsOf(text)) {
      pieces.push(unit < 0 ? Buffer.from([-1 - unit]) : this.#table.encode(String.fromCodePoint(unit)))
    }
    return Buffer.concat(pieces)
  }

  /** The character that `length` bytes are, or {@link NONE}. */
  #codeOf(bytes: Uint8Array, at: number, length: number): number {
    let key = 0
    for (let i = 0; i < length; i++) key = key * 256 + bytes[at + i]!
    const known = length <= 2 ? this.#short[length - 1]![key]! : (this.#long.get(key) ?? 0)
    if (known !== 0) return known
    const code = this.#lookUp(Buffer.from(bytes.subarray(at, at + length)))
    if (length <= 2) this.#short[length - 1]![key] = code
    else if (code !== NONE) {
      if (this.#long.size >= REMEMBERED) this.#long.clear()
      this.#long.set(key, code)
    }
    return code
  }

  #lookUp(bytes: Buffer): number {
    const text = this.#table.decode(bytes)
    const code = text.codePointAt(0) ?? 0xfffd
    const isOne = text.length === (code > 0xffff ? 2 : 1) && code !== 0xfffd
    return isOne && this.#lengthOf(code) === bytes.length ? code : NONE
  }

  #lengthOf(code: number): number {
    this.#lengths[code] ||= this.#table.encode(String.fromCodePoint(code)).length
    return this.#lengths[code]!
  }
}

class MultiByteDecoder implements Decoder {
  readonly #codeOf: (bytes: Uint8Array, at: number, length: number) => number
  readonly #room = new Room()
  #held: Uint8Array = new Uint8Array(0)

  constructor(codeOf: (bytes: Uint8Array, at: number, length: number) => number) {
    this.#codeOf = codeOf
  }

  get held(): number {
    return this.#held.length
  }

  decode(chunk: Uint8Array, final: boolean): Uint8Array {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    // A single byte, of half-width kana or escaped, becomes three.
    const text = this.#room.of(bytes.length * 3)
    let size = 0
    let at = 0
    while (at < bytes.length) {
      const byte = bytes[at]!
      if (byte < 0x80) {
        text[size++] = byte
        at++
        continue
      }
      let code = NONE
      let length = 0
      while (code === NONE && length < LONGEST && at + length < bytes.length) code = this.#codeOf(bytes, at, ++length)
      if (code !== NONE) {
        size = putCode(text, size, code)
        at += length
      } else if (at + LONGEST > bytes.length && !final) break
      else size = putEscape(text, size, bytes[at++]!)
    }
    this.#held = Uint8Array.prototype.slice.call(bytes, at)
    return text.subarray(0, size)
  }
}
