import { compressionOf, decompress, MAGIC_BYTES, type Unpacking } from './decode/compression.ts'
import { SluiceError } from './errors.ts'
import { openBytes } from './source/bytes.ts'
import type { Head, Source } from './source/source.ts'
import { openStream } from './source/stream.ts'

/** Content between two marks: one mark for a piece that decompression makes. */
const MARKED_BYTES = 128 * 1024
/** Marks that are kept: of more content than any batches under way hold. */
const MARKS = 1_024

/** Bytes of a source as stored that were taken for its content up to `byte`. */
export function storedAt(source: Source, byte: number): number {
  return source.storedAt?.(byte) ?? byte
}

/**
 * The content of a source that is compressed, as its first bytes tell; any other source as it is. Offsets are those of the content;
 * name, size and fingerprint are those of the source as stored.
 * @param signal ends the wait for the first bytes
 * @throws SluiceError SLUICE_INTERRUPTED, SLUICE_SOURCE_READ
 */
export async function unpacked(
  stored: Source,
  { maxDecodedBytes, signal }: Pick<Unpacking, 'maxDecodedBytes'> & { signal?: AbortSignal | undefined },
): Promise<Source> {
  for (;;) {
    const { bytes, complete } = await stored.head(MAGIC_BYTES)
    const compression = compressionOf(bytes)
    if (compression === 'more' && !complete) continue
    if (compression === null || compression === 'more') return stored
    return new Unpacked(stored, { compression, name: stored.name, maxDecodedBytes }, signal)
  }
}

class Unpacked implements Source {
  readonly #stored: Source
  readonly #unpacking: Unpacking
  readonly #content: Source
  readonly sha256?: () => Promise<string>
  /** Places in the content, and the bytes as stored that were taken for what is before them. */
  #marks: { end: number; stored: number }[] = []

  constructor(stored: Source, unpacking: Unpacking, signal: AbortSignal | undefined) {
    const { name } = stored
    this.#stored = stored
    this.#unpacking = unpacking
    if (stored.sha256) this.sha256 = () => stored.sha256!()
    // What can be read again is read again: heads of thousands of files must not be kept.
    this.#content = stored.digest
      ? openStream(this.#read(0), name, signal)
      : openBytes({ name, size: null, fingerprint: null, read: (from) => this.#read(from) })
  }

  get name(): string {
    return this.#stored.name
  }

  get size(): number | null {
    return this.#stored.size
  }

  get digest(): Source['digest'] {
    return this.#content.digest
  }

  fingerprint(): Promise<unknown> {
    return this.#stored.fingerprint()
  }

  head(bytes: number): Promise<Head> {
    return this.#content.head(bytes)
  }

  read(from: number, known?: string | null): AsyncIterator<Uint8Array, void, void> {
    return this.#content.read(from, known)
  }

  storedAt(byte: number): number {
    return this.#marks.findLast(({ end }) => end <= byte)?.stored ?? 0
  }

  async close(): Promise<void> {
    await this.#content.close()
    await this.#stored.close()
  }

  #mark(end: number, stored: number): void {
    const before = this.#marks.at(-2)
    if (before && end - before.end < MARKED_BYTES) this.#marks.pop()
    this.#marks.push({ end, stored })
    if (this.#marks.length > MARKS) this.#marks.splice(0, MARKS / 2)
  }

  /** The content from byte `from` on: what is before it is decompressed, too, and dropped. */
  async *#read(from: number): AsyncGenerator<Uint8Array, void, void> {
    this.#marks = []
    let at = 0
    for await (const { bytes, stored } of decompress(this.#stored.read(0), this.#unpacking)) {
      const start = Math.min(bytes.length, Math.max(0, from - at))
      at += bytes.length
      this.#mark(at, stored)
      if (start < bytes.length) yield bytes.subarray(start)
      if (!this.#stored.digest) release(bytes)
    }
    if (at >= from) return
    throw new SluiceError(
      'SLUICE_SOURCE_CHANGED',
      `${this.name} has ${at} bytes when it is decompressed, but the interrupted load has committed everything before byte ${from}. ` +
        'Put the same content back, or use --restart to start over.',
    )
  }
}

/**
 * Frees the memory of a piece that was worked on, where the decoder is done with it, too. Left to the garbage collector, 200 MB of
 * pieces made the process 30 MB larger.
 */
function release({ buffer, byteOffset, length }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteOffset + length === buffer.byteLength) buffer.transfer(0)
}
