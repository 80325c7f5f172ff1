/**
 * A way to write text as bytes. Text is UTF-8 everywhere behind the decoder, and a charset can tell from the UTF-8 alone what it was in
 * the source, byte for byte: so positions and refused records are translated where they leave, and nothing has to be kept beside the text.
 *
 * Bytes that mean nothing become an {@link escapeByte}: not UTF-8, so that their record is refused as any other with an
 * encoding-error, and not lost.
 */
export interface Charset {
  /** As a dialect has it. */
  readonly name: string
  /** Makes a decoder for a stream of bytes that begins with a whole character. */
  decoder(): Decoder
  /** Bytes in the source of decoded text that ends with a whole character. */
  sourceLength(text: Uint8Array): number
  /** The source's bytes of decoded text; half a character at its end is left out. */
  encode(text: Uint8Array): Buffer
}

export interface Decoder {
  /** The text, as far as its characters are whole; valid until the next call. `final`: nothing follows. */
  decode(bytes: Uint8Array, final: boolean): Uint8Array
  /** Bytes of an unfinished character, which wait for more. */
  readonly held: number
}

/** First byte of an escape; it is in no UTF-8. */
export const ESCAPE = 0xff

/** Stands for a byte of the source that means nothing: three bytes, none of them ASCII. */
export function escapeByte(byte: number): [number, number, number] {
  return [ESCAPE, 0xc4 | (byte >> 6), 0x80 | (byte & 0x3f)]
}

/** What text consists of: a code point (of a lone surrogate, too), or a byte that was escaped. */
export type Unit = { code: number } | { byte: number }

/** Takes decoded text apart; half a character at its end is left out. */
export function* unitsOf(text: Uint8Array): Generator<Unit, void, void> {
  for (let at = 0; at < text.length; ) {
    const lead = text[at]!
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 || lead === ESCAPE ? 3 : 4
    if (at + length > text.length) return
    const tail = (i: number) => text[at + i]! & 0x3f
    if (lead === ESCAPE) yield { byte: ((text[at + 1]! & 0x03) << 6) | tail(2) }
    else if (length === 1) yield { code: lead }
    else if (length === 2) yield { code: ((lead & 0x1f) << 6) | tail(1) }
    else if (length === 3) yield { code: ((lead & 0x0f) << 12) | (tail(1) << 6) | tail(2) }
    else yield { code: ((lead & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3) }
    at += length
  }
}

/** Writes text into memory that is used again for the next chunk. */
export class TextBuffer {
  #bytes = Buffer.alloc(0)
  #length = 0

  /** Empties it and makes room for so many bytes. */
  begin(most: number): void {
    if (this.#bytes.length < most) this.#bytes = Buffer.allocUnsafeSlow(most)
    this.#length = 0
  }

  get text(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Appends a code point; also half a surrogate pair, which is no UTF-8 then. */
  add(code: number): void {
    const bytes = this.#bytes
    if (code < 0x80) bytes[this.#length++] = code
    else if (code < 0x800) {
      bytes[this.#length++] = 0xc0 | (code >> 6)
      bytes[this.#length++] = 0x80 | (code & 0x3f)
    } else if (code < 0x10000) {
      bytes[this.#length++] = 0xe0 | (code >> 12)
      bytes[this.#length++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[this.#length++] = 0x80 | (code & 0x3f)
    } else {
      bytes[this.#length++] = 0xf0 | (code >> 18)
      bytes[this.#length++] = 0x80 | ((code >> 12) & 0x3f)
      bytes[this.#length++] = 0x80 | ((code >> 6) & 0x3f)
      bytes[this.#length++] = 0x80 | (code & 0x3f)
    }
  }

  escape(byte: number): void {
    for (const one of escapeByte(byte)) this.#bytes[this.#length++] = one
  }
}
