import type { Charset } from './charset.ts'

/** The bytes of a source as text. */
export class Transcoder {
  readonly #charset: Charset
  readonly #bytes: AsyncIterator<Uint8Array, void, void>
  #sourceEnd: number

  /** @param from the byte with which `bytes` begin; a character begins there */
  constructor(charset: Charset, bytes: AsyncIterator<Uint8Array, void, void>, from: number) {
    this.#charset = charset
    this.#bytes = bytes
    this.#sourceEnd = from
  }

  /** Bytes of the source before the end of the text that was given out last. */
  get sourceEnd(): number {
    return this.#sourceEnd
  }

  /** Pieces of text, each valid until the next one is asked for. Nothing is read ahead. */
  async *text(): AsyncGenerator<Uint8Array, void, void> {
    const decoder = this.#charset.decoder()
    try {
      for (;;) {
        const { value, done } = await this.#bytes.next()
        const before = decoder.held
        const text = decoder.decode(value ?? new Uint8Array(0), done === true)
        this.#sourceEnd += before + (value?.length ?? 0) - decoder.held
        if (text.length > 0) yield text
        if (done) return
      }
    } finally {
      await this.#bytes.return?.()
    }
  }
}
