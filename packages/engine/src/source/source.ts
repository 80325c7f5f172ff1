import type { Boundaries } from '../boundaries.ts'
import type { RunningDigest } from './digest.ts'

/**
 * Bytes to load. `file.ts` and `bytes.ts` can start anywhere, `stream.ts` begins at its start once; `../unpack.ts` decompresses any of them.
 */
export interface Source {
  /** For messages and the job's record: an absolute path, or the name of a stream. */
  readonly name: string
  /** In bytes; null where it is not known before the end. */
  readonly size: number | null
  /**
   * Tells whether this is the source of an interrupted load: size and samples of a file, null for a stream, whatever the caller
   * says of a source of its own. JSON.
   */
  fingerprint(): Promise<unknown>
  /**
   * SHA-256, in hex, of all bytes as stored: known when they were read from the first to the last, else read for it. Not there where
   * they cannot be read again.
   */
  sha256?(): Promise<string>
  /** Up to `bytes` bytes from the start, and whether that is all there is. */
  head(bytes: number): Promise<Head>
  /**
   * Of what was read so far; null for a file, whose fingerprint tells it. Whoever reads settles, before asking for the next chunk,
   * where no batch ends any more.
   */
  readonly digest: RunningDigest | null
  /**
   * The bytes from offset `from` on. A chunk stays as it is only until the next one is asked for. Nothing is read ahead
   * beyond one chunk, so that whoever does not ask makes the source wait.
   * @param known SHA-256, in hex, of the bytes before `from`, which were loaded before; null where it is not known
   * @param to Where to end; only for what can start anywhere. Default: at the end of the source.
   * @throws SluiceError SLUICE_SOURCE_READ when reading fails, or the source ends before `size`; SLUICE_SOURCE_CHANGED, before
   *   the first chunk, when a stream begins with other bytes than `known` says
   */
  read(from: number, known?: string | null, to?: number): AsyncIterator<Uint8Array, void, void>
  /** Bytes of the source as stored that were taken for the content up to `byte`. Where it is not there, these are the same. */
  storedAt?(byte: number): number
  /** Where records begin, if that is known before it is read. */
  readonly boundaries?: Boundaries | null
  close(): Promise<void>
}

export interface Head {
  bytes: Uint8Array
  complete: boolean
}

export interface Fingerprint {
  size: number
  /** SHA-256, in hex, of samples spread over the content. An edit between two samples that keeps the size goes unseen. */
  samples: string
}

/** Bytes asked of the system at once. With one chunk read ahead, larger ones gained nothing. */
export const CHUNK_BYTES = 256 * 1024
