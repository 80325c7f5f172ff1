import type { BatchBuffer } from '../parse/batch.ts'
import { RAW_LIMIT, type Reject } from '../reject/reject.ts'
import type { Charset } from './charset.ts'

/**
 * Says in terms of the source what a parser says of its text: where a batch ends and where its rejects begin, in bytes; and the rejects'
 * own bytes. A batch is filled in terms of the text and leaves in those of the source.
 */
export class Translation {
  readonly #charset: Charset
  /** Where the batch at hand begins, in the text as the parser counts it and in the source. */
  #text: number
  #source: number

  /** @param from the byte of the source at which the parser begins; it counts on from there */
  constructor(charset: Charset, from: number) {
    this.#charset = charset
    this.#text = from
    this.#source = from
  }

  /** Where in the source the batch at hand begins, or the batches end. */
  get source(): number {
    return this.#source
  }

  /** Where in the source a record begins that the batch at hand holds everything before. */
  sourceOf({ input }: Pick<BatchBuffer, 'input'>, byte: number): number {
    return this.#source + this.#charset.sourceLength(input.subarray(0, byte - this.#text))
  }

  /**
   * Translates a batch that was filled, and goes on to the next one.
   * @param end where in the source the parser has come to: there a batch ends whose last record was too large to be kept
   */
  apply(batch: BatchBuffer, end: number): void {
    const { input, rejects, from, to } = batch
    const sourceLength = (text: Uint8Array) => this.#charset.sourceLength(text)
    let [counted, source] = [0, this.#source]
    const advance = (offset: number) => {
      source += sourceLength(input.subarray(counted, offset))
      counted = offset
      return source
    }
    batch.rejects = rejects.map((reject): Reject => {
      const start = reject.byteOffset - this.#text
      const byteOffset = advance(start)
      const isKept = start + reject.rawLength <= input.length
      const lineEnd = to.byte - reject.byteOffset - reject.rawLength
      const rawLength = isKept
        ? sourceLength(input.subarray(start, start + reject.rawLength))
        : end - byteOffset - lineEnd * sourceLength(NEWLINE)
      return { ...reject, byteOffset, raw: this.#charset.encode(reject.raw).subarray(0, RAW_LIMIT), rawLength }
    })
    const isWhole = to.byte - this.#text === input.length
    const reached = isWhole ? advance(input.length) : end
    batch.from = { ...from, byte: this.#source }
    batch.to = { ...to, byte: reached }
    this.#text = to.byte
    this.#source = reached
  }
}

const NEWLINE = Uint8Array.of(0x0a)
