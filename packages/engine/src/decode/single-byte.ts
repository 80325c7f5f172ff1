import { type Charset, type Decoder, ESCAPE, putCode, putEscape, Room, unitsOf } from './charset.ts'

/** An encoding whose every byte is a character, or means nothing; the first 128 are ASCII. */
export class SingleByte implements Charset {
  readonly name: string
  /** By byte; -1: it means nothing. */
  readonly #codes: Int32Array
  readonly #bytes: Map<number, number>

  /** @param codes The characters of the 256 bytes; undefined for those that mean nothing. */
  constructor(name: string, codes: (number | undefined)[]) {
    this.name = name
    this.#codes = Int32Array.from(codes, (code) => code ?? -1)
    this.#bytes = new Map(codes.flatMap((code, byte) => (code === undefined ? [] : [[code, byte]])))
  }

  decoder(): Decoder {
    const codes = this.#codes
    const room = new Room()
    return {
      held: 0,
      decode(bytes) {
        const text = room.of(bytes.length * 3)
        let length = 0
        for (let at = 0; at < bytes.length; at++) {
          const byte = bytes[at]!
          const code = codes[byte]!
          if (byte < 0x80) text[length++] = byte
          else length = code < 0 ? putEscape(text, length, byte) : putCode(text, length, code)
        }
        return text.subarray(0, length)
      },
    }
  }

  sourceLength(text: Uint8Array): number {
    let length = 0
    for (let at = 0; at < text.length; at++) {
      const byte = text[at]!
      // Every byte but the inner ones of a character; an escape would count twice.
      if ((byte & 0xc0) !== 0x80 && byte !== ESCAPE) length++
    }
    return length
  }

  encode(text: Uint8Array): Buffer {
    const bytes: number[] = []
    for (const unit of unitsOf(text)) bytes.push(unit < 0 ? -1 - unit : this.#bytes.get(unit)!)
    return Buffer.from(bytes)
  }
}
