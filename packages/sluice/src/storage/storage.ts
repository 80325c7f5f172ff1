/** An object as its storage lists it. */
export interface StoredObject {
  key: string
  bytes: number
  modified: Date
  /** Differs when the content does: an ETag, or the time of the last change. */
  version: string
}

/**
 * Where uploads wait until they are loaded. Two implementations, one suite of tests: `local.ts`, a folder, and `s3.ts`. A key is a
 * path of names of letters, digits, `.`, `_` and `-`, made by sluice and never by a client.
 *
 * Every method throws SluiceError SLUICE_STORAGE when the storage cannot be reached or refuses.
 */
export interface ObjectStorage {
  /** For messages: the folder or the bucket, without secrets. */
  readonly label: string
  /** Tells it from every other storage, and is the same for all processes that share it. */
  readonly id: string
  /**
   * Streams a body into an object, which is there whole or not at all: when the body fails or the signal is aborted, nothing is left
   * behind. Nothing is read ahead beyond a few MB, so that a slow storage makes the body wait. A chunk is done with when the next one is
   * asked for: its memory may be used again.
   * @param options.mostBytes what the body cannot be longer than, in bytes; less memory is taken for a short one
   * @returns Its size in bytes and its SHA-256 in hex, both taken in passing
   * @throws what the body throws
   */
  put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    options?: { signal?: AbortSignal | undefined; mostBytes?: number | undefined },
  ): Promise<{ bytes: number; sha256: string }>
  /**
   * The bytes of an object from an offset on. A stream that breaks is opened again behind what was given out; a short one is an
   * error, never an end. A chunk stays as it is only until the next one is asked for. An aborted signal ends it with SLUICE_INTERRUPTED.
   * @throws SluiceError SLUICE_SOURCE_NOT_FOUND, SLUICE_SOURCE_CHANGED when the object is replaced meanwhile, SLUICE_SOURCE_READ
   */
  read(key: string, fromByte: number, signal?: AbortSignal): AsyncIterable<Uint8Array>
  /** Undefined where there is no such object. */
  stat(key: string): Promise<StoredObject | undefined>
  /** No error when it is gone already. */
  delete(key: string): Promise<void>
  /** The objects whose key begins with `prefix`, in no order that can be relied on. */
  list(prefix: string): AsyncIterable<StoredObject>
  /**
   * Removes what was left behind by uploads that were cut off: multipart uploads and temporary files of keys with this prefix that
   * were begun before `olderThan`.
   */
  sweep(prefix: string, olderThan: Date): Promise<void>
  close(): Promise<void>
}
