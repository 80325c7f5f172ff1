import { type Charset, type Decoder, ESCAPE, putCode, putEscape, Room, unitsOf } from './charset.ts'

/** UTF-16 (RFC 2781). Half a surrogate pair stays what it is, which is not UTF-8; an odd byte at the end means nothing. */
export class Utf16 implements Charset {
  readonly name: 'utf-16le' | 'utf-16be'

  constructor(name: 'utf-16le' | 'utf-16be') {
    this.name = name
  }

  decoder(): Decoder {
    return new Utf16Decoder(this.name === 'utf-16be')
  }

  sourceLength(text: Uint8Array): number {
    let length = 0
    for (let at = 0; at < text.length; at++) {
      const byte = text[at]!
      if (byte < 0x80 || (byte >= 0xc0 && byte < 0xf0)) length += 2
      // The two bytes behind it count as one character.
      else if (byte === ESCAPE) length -= 1
      else if (byte >= 0xf0) length += 4
    }
    return length
  }

  encode(text: Uint8Array): Buffer {
    const bytes = Buffer.allocUnsafeSlow(2 * text.length)
    const big = this.name === 'utf-16be'
    let length = 0
    const add = (unit: number) => {
      length = big ? bytes.writeUInt16BE(unit, length) : bytes.writeUInt16LE(unit, length)
    }
    for (const unit of unitsOf(text)) {
      if (unit < 0) bytes[length++] = -1 - unit
      else if (unit < 0x10000) add(unit)
      else {
        add(0xd800 + ((unit - 0x10000) >> 10))
        add(0xdc00 + (unit & 0x3ff))
      }
    }
    return bytes.subarray(0, length)
  }
}

class Utf16Decoder implements Decoder {
  readonly #first: 0 | 1
  readonly #room = new Room()
  #held: Uint8Array = new Uint8Array(0)

  constructor(big: boolean) {
    this.#first = big ? 1 : 0
  }

  get held(): number {
    return this.#held.length
  }

  decode(chunk: Uint8Array, final: boolean): Uint8Array {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk
    // A unit of two bytes becomes at most three; and the odd byte.
    const text = this.#room.of(bytes.length * 1.5 + 3)
    let length = 0
    const low = this.#first
    const high = 1 - low
    let at = 0
    for (; at + 1 < bytes.length; at += 2) {
      const unit = bytes[at + low]! | (bytes[at + high]! << 8)
      if (unit < 0xd800 || unit > 0xdbff) {
        length = putCode(text, length, unit)
        continue
      }
      if (at + 3 >= bytes.length && !final) break
      const next = at + 3 < bytes.length ? bytes[at + 2 + low]! | (bytes[at + 2 + high]! << 8) : 0
      if (next < 0xdc00 || next > 0xdfff) length = putCode(text, length, unit)
      else {
        length = putCode(text, length, 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00))
        at += 2
      }
    }
    if (final) for (; at < bytes.length; at++) length = putEscape(text, length, bytes[at]!)
    this.#held = Uint8Array.prototype.slice.call(bytes, at)
    return text.subarray(0, length)
  }
}
