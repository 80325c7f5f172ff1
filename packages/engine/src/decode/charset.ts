/**
 * A way to write text as bytes. Text is UTF-8 everywhere behind the decoder, and a charset can tell from the UTF-8 alone what it was in
 * the source, byte for byte: so positions and refused records are translated where they leave, and nothing has to be kept beside the text.
 *
 * Bytes that mean nothing become an escape ({@link putEscape}): not UTF-8, so that their record is refused as any other with an
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

/** Writes what stands for a byte of the source that means nothing: three bytes, none of them ASCII. Returns where they end. */
export function putEscape(to: Uint8Array, at: number, byte: number): number {
  to[at] = ESCAPE
  to[at + 1] = 0xc4 | (byte >> 6)
  to[at + 2] = 0x80 | (byte & 0x3f)
  return at + 3
}

/** Writes a code point, also half a surrogate pair, which is no UTF-8 then. Returns where it ends. */
export function putCode(to: Uint8Array, at: number, code: number): number {
  if (code < 0x80) {
    to[at] = code
    return at + 1
  }
  if (code < 0x800) {
    to[at] = 0xc0 | (code >> 6)
    to[at + 1] = 0x80 | (code & 0x3f)
    return at + 2
  }
  if (code < 0x10000) {
    to[at] = 0xe0 | (code >> 12)
    to[at + 1] = 0x80 | ((code >> 6) & 0x3f)
    to[at + 2] = 0x80 | (code & 0x3f)
    return at + 3
  }
  to[at] = 0xf0 | (code >> 18)
  to[at + 1] = 0x80 | ((code >> 12) & 0x3f)
  to[at + 2] = 0x80 | ((code >> 6) & 0x3f)
  to[at + 3] = 0x80 | (code & 0x3f)
  return at + 4
}

/** Bytes of the character, or the escape, that begins with `lead`. */
export function unitLength(lead: number): number {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 || lead === ESCAPE ? 3 : 4
}

/** The code point at `at`; of a lone surrogate, too. For an escape the byte that it stands for, as a negative number less 1. */
export function unitAt(text: Uint8Array, at: number): number {
  const lead = text[at]!
  const tail = (i: number) => text[at + i]! & 0x3f
  if (lead < 0x80) return lead
  if (lead === ESCAPE) return -1 - (((text[at + 1]! & 0x03) << 6) | tail(2))
  if (lead < 0xe0) return ((lead & 0x1f) << 6) | tail(1)
  if (lead < 0xf0) return ((lead & 0x0f) << 12) | (tail(1) << 6) | tail(2)
  return ((lead & 0x07) << 18) | (tail(1) << 12) | (tail(2) << 6) | tail(3)
}

/** What text consists of, see {@link unitAt}; half a character at its end is left out. */
export function* unitsOf(text: Uint8Array): Generator<number, void, void> {
  for (let at = 0; at < text.length; ) {
    const length = unitLength(text[at]!)
    if (at + length > text.length) return
    yield unitAt(text, at)
    at += length
  }
}

/** Memory that is used again for each chunk. */
export class Room {
  #bytes = Buffer.alloc(0)

  /** At least so many bytes, whatever they hold. */
  of(most: number): Buffer {
    if (this.#bytes.length < most) this.#bytes = Buffer.allocUnsafeSlow(most)
    return this.#bytes
  }
}
