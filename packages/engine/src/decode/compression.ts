import { constants, createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib'
import { SluiceError } from '../errors.ts'

export type Compression = 'gzip' | 'zstd'

/** First bytes, in hex: of gzip (RFC 1952, 2.3.1), of a zstd frame and of a frame to be skipped (RFC 8878, 3.1). */
const MAGIC: [Compression, RegExp][] = [
  ['gzip', /^1f8b08/],
  ['zstd', /^28b52ffd|^5.2a4d18/],
]
/** The same, as long as fewer bytes are there. */
const BEGINNING = /^(?:1f(?:8b)?|28(?:b5(?:2f)?)?|5.(?:2a(?:4d)?)?)$/

/** Bytes that tell a compression. */
export const MAGIC_BYTES = 4

/** How a source is compressed, by its first bytes; null: not at all. `more`: so few bytes could become either. */
export function compressionOf(first: Uint8Array): Compression | 'more' | null {
  const hex = Buffer.from(first.subarray(0, MAGIC_BYTES)).toString('hex')
  if (BEGINNING.test(hex)) return 'more'
  return MAGIC.find(([, magic]) => magic.test(hex))?.[0] ?? null
}

/** Bytes given out at once. Pieces of 16 KiB, the default, took 1.3 times as long. */
const PIECE = 128 * 1024
/**
 * Largest window of zstd, as a power of 2: 8 MiB, which RFC 8878 (3.1.1.1.2) asks of every decoder, and every level up to 19
 * keeps to. `--ultra` and `--long` may ask for 128 MiB and more, which would be the memory of the whole load.
 */
const WINDOW_LOG = 23
const BOUNDS = { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG }
/** One piece is made ahead. */
const AHEAD = { chunkSize: PIECE, readableHighWaterMark: 1 }
/** What a source may grow to, however little it was; beyond, by which factor. Tables of text seldom get 100 times smaller. */
const HARMLESS_BYTES = 100 * 1024 * 1024
const HARMLESS_RATIO = 250

export interface Unpacking {
  compression: Compression
  /** For messages. */
  name: string
  /** Bytes to which the source may grow. Default: 250 times what was read of it, and at least 100 MiB. */
  maxDecodedBytes?: number | undefined
}

/** Decompressed bytes, and how many bytes as stored were taken for everything up to their end. */
export interface Piece {
  bytes: Uint8Array
  stored: number
}

/**
 * Decompresses in a stream: gzip of any number of members, which zeros may follow, or zstd of any number of frames. Decompression runs in
 * a thread of Node's pool while the piece before is worked on; not more than a piece is made ahead.
 * @throws SluiceError SLUICE_CORRUPT where the source is cut or damaged, SLUICE_DECODED_SIZE where it grows beyond its limit; what
 *   `bytes` throws, as it is
 */
export async function* decompress(
  bytes: AsyncIterator<Uint8Array, void, void>,
  { compression, name, maxDecodedBytes }: Unpacking,
): AsyncGenerator<Piece, void, void> {
  const input = new Rest(bytes)
  let [stored, decoded] = [0, 0]
  try {
    do {
      const decoder = compression === 'gzip' ? createGunzip(AHEAD) : createZstdDecompress({ ...AHEAD, params: BOUNDS })
      const feeding = feed(input, decoder)
      try {
        for await (const piece of decoder as AsyncIterable<Buffer>) {
          decoded += piece.length
          const taken = stored + decoder.bytesWritten
          const limit = maxDecodedBytes ?? Math.max(HARMLESS_BYTES, HARMLESS_RATIO * taken)
          if (decoded > limit) throw tooLarge(name, taken, limit)
          yield { bytes: piece, stored: taken }
        }
      } catch (cause) {
        throw cause instanceof SluiceError ? cause : corrupt(name, compression, stored + decoder.bytesWritten, cause)
      } finally {
        decoder.destroy()
      }
      await feeding
      stored += decoder.bytesWritten
      // A decoder ends with what belongs together, whatever follows.
    } while (compression === 'zstd' && (await input.hasMore()))
    for (let rest = await input.next(); rest !== undefined; rest = await input.next()) {
      const odd = rest.findIndex((byte) => byte !== 0)
      if (odd !== -1) throw corrupt(name, compression, stored + odd, new Error('something else follows'))
      stored += rest.length
    }
    yield { bytes: new Uint8Array(0), stored }
  } finally {
    await input.close()
  }
}

/** Gives the decoder bytes until it has had enough, or there are no more. Its errors are the decoder's. */
async function feed(input: Rest, decoder: Gunzip | ZstdDecompress): Promise<void> {
  try {
    for (let chunk = await input.next(); !decoder.destroyed; chunk = await input.next()) {
      if (chunk === undefined) {
        decoder.end()
        return
      }
      const before = decoder.bytesWritten
      // The chunk's memory is used again for the next one. A decoder that is destroyed answers, too, and may still read it.
      await new Promise<void>((resolve) => decoder.write(chunk, () => resolve()))
      const taken = decoder.bytesWritten - before
      if (taken < chunk.length) {
        input.giveBack(chunk.subarray(taken))
        return
      }
      if (decoder.destroyed) return
    }
  } catch (error) {
    decoder.destroy(error as Error)
  }
}

/** The bytes that are still to be decompressed. */
class Rest {
  readonly #bytes: AsyncIterator<Uint8Array, void, void>
  #back: Uint8Array | undefined
  #coming: ReturnType<AsyncIterator<Uint8Array, void, void>['next']> | undefined

  constructor(bytes: AsyncIterator<Uint8Array, void, void>) {
    this.#bytes = bytes
  }

  /** Undefined at the end. */
  async next(): Promise<Uint8Array | undefined> {
    const back = this.#back
    this.#back = undefined
    if (back) return back
    this.#coming = this.#bytes.next()
    const result = await this.#coming
    this.#coming = undefined
    return result.done ? undefined : result.value
  }

  giveBack(bytes: Uint8Array): void {
    this.#back = bytes
  }

  async hasMore(): Promise<boolean> {
    const more = await this.next()
    if (more !== undefined) this.giveBack(more)
    return more !== undefined
  }

  async close(): Promise<void> {
    // A stream that is not read to its end may never answer what it was asked for.
    if (this.#coming) void this.#bytes.return?.()
    else await this.#bytes.return?.()
  }
}

function corrupt(name: string, compression: Compression, stored: number, cause: unknown): SluiceError {
  const { code, message } = cause as NodeJS.ErrnoException
  const what =
    code === 'Z_BUF_ERROR'
      ? `it ends in the middle (byte ${stored}); it is not all there`
      : code === 'ZSTD_error_frameParameter_windowTooLarge'
        ? `it needs a window of more than ${2 ** (WINDOW_LOG - 20)} MiB; compress it without --long and --ultra, or load it with "zstdcat --long=31 … | sluice load -"`
        : `it is damaged near byte ${stored}: ${message}`
  return new SluiceError('SLUICE_CORRUPT', `${name} cannot be decompressed (${compression}): ${what}`, { cause })
}

function tooLarge(name: string, taken: number, limit: number): SluiceError {
  return new SluiceError(
    'SLUICE_DECODED_SIZE',
    `${name} grows beyond ${limit} bytes when it is decompressed, of which the first ${taken} were read: that is what ` +
      'a file made to do harm does. If it is sound, give a limit in bytes (--max-decoded-bytes)',
  )
}
