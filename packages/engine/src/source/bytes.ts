import type { Boundaries } from '../boundaries.ts'
import { SluiceError } from '../errors.ts'
import type { ByteSource } from '../options.ts'
import { bytesOf, readError } from './chunk.ts'
import { CHUNK_BYTES, type Head, type Source } from './source.ts'

/** A source of the caller's own, which can be read again from any byte. */
export function openBytes(own: ByteSource): Source {
  return new OwnSource(own)
}

class OwnSource implements Source {
  readonly #own: ByteSource

  constructor(own: ByteSource) {
    this.#own = own
  }

  get name(): string {
    return this.#own.name
  }

  get boundaries(): Boundaries | null {
    return this.#own.boundaries ?? null
  }

  get size(): number | null {
    return this.#own.size
  }

  /** Its fingerprint tells whether it is the same. */
  get digest(): null {
    return null
  }

  async fingerprint(): Promise<unknown> {
    const { fingerprint } = this.#own
    try {
      JSON.stringify(fingerprint)
    } catch (cause) {
      throw new SluiceError(
        'SLUICE_USAGE',
        `The fingerprint of ${this.name} cannot be kept as JSON: ${(cause as Error).message}`,
      )
    }
    return fingerprint
  }

  async head(bytes: number): Promise<Head> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.read(0)) {
      chunks.push(Buffer.from(chunk))
      length += chunk.length
      if (length > bytes) break
    }
    return { bytes: Buffer.concat(chunks).subarray(0, bytes), complete: length <= bytes }
  }

  async *read(from: number, _known?: string | null, to?: number): AsyncGenerator<Uint8Array, void, void> {
    const end = to ?? this.size
    let at = from
    try {
      for await (const given of this.#own.read(from, to)) {
        const bytes = bytesOf(given, this.name)
        const chunk = to === undefined ? bytes : bytes.subarray(0, to - at)
        for (let start = 0; start < chunk.length; start += CHUNK_BYTES) yield chunk.subarray(start, start + CHUNK_BYTES)
        at += chunk.length
        if (at === to) return
      }
    } catch (cause) {
      throw readError(cause, this.name)
    }
    if (end === null || at === end) return
    throw new SluiceError(
      'SLUICE_SOURCE_READ',
      `${this.name} has ${this.size} bytes, but reading it ended at byte ${at}`,
    )
  }

  async close(): Promise<void> {
    // Whoever made it closes it.
  }
}
