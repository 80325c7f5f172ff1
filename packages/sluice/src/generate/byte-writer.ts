/** A chunk is yielded once it holds this much. Between 64 KB and 1 MB the size made no difference that could be measured. */
const CHUNK = 256 * 1024
/** Longest record there is, with much to spare; a chunk always has this much room for the next one. */
const RECORD = 8 * 1024

const ZERO = 48
const HEX = Buffer.from('0123456789abcdef')

/** Writes records as bytes. Making strings and encoding them took four times as long. */
export class ByteWriter {
  #chunk = Buffer.allocUnsafeSlow(CHUNK + RECORD)
  at = 0

  get full(): boolean {
    return this.at >= CHUNK
  }

  /** What was written, which the caller may keep; the next record goes into a new chunk. */
  take(): Buffer {
    const taken = this.#chunk.subarray(0, this.at)
    this.#chunk = Buffer.allocUnsafeSlow(CHUNK + RECORD)
    this.at = 0
    return taken
  }

  byte(code: number): void {
    this.#chunk[this.at++] = code
  }

  bytes(source: Uint8Array): void {
    const chunk = this.#chunk
    let at = this.at
    // A loop and not `set`: most pieces have less than 16 bytes.
    for (let i = 0; i < source.length; i++) chunk[at++] = source[i]!
    this.at = at
  }

  /** A whole number below 2⁵³, without leading zeros. */
  integer(value: number): void {
    let digits = 1
    for (let limit = 10; value >= limit; limit *= 10) digits++
    this.padded(value, digits)
  }

  padded(value: number, digits: number): void {
    let rest = value
    for (let at = this.at + digits - 1; at >= this.at; at--) {
      const tenth = Math.floor(rest / 10)
      this.#chunk[at] = ZERO + (rest - tenth * 10)
      rest = tenth
    }
    this.at += digits
  }

  /** The lowest `digits` hexadecimal digits of a 32-bit number. */
  hex(value: number, digits: number): void {
    for (let shift = (digits - 1) * 4; shift >= 0; shift -= 4) this.#chunk[this.at++] = HEX[(value >>> shift) & 15]!
  }

  /** ASCII letters from `start` on to upper case. */
  upperCase(start: number): void {
    for (let i = start; i < this.at; i++) {
      const code = this.#chunk[i]!
      if (code >= 97 && code <= 122) this.#chunk[i] = code - 32
    }
  }

  text(start: number, end: number): string {
    return this.#chunk.toString('utf8', start, end)
  }
}
