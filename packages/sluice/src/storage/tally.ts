import { createHash } from 'node:crypto'

/** Passes a body on, and takes its size and SHA-256 in passing. */
export class Tally {
  readonly #hash = createHash('sha256')
  #bytes = 0
  /** What the body threw, to tell it from what the storage did. */
  failure: { error: unknown } | undefined

  async *of(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    try {
      for await (const chunk of body) {
        this.#hash.update(chunk)
        this.#bytes += chunk.length
        yield chunk
      }
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }

  /** To be called once, at the end. */
  result(): { bytes: number; sha256: string } {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}
