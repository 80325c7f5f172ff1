import { type FileHandle, open } from 'node:fs/promises'
import { SluiceError } from '../errors.ts'
import type { Reject } from './reject.ts'

/** A file that gets the rejects of each batch after its commit. */
export class RejectFile {
  readonly #file: FileHandle
  readonly #path: string
  readonly #toLine: (reject: Reject & { segment: number }) => Uint8Array

  private constructor(file: FileHandle, path: string, toLine: (reject: Reject & { segment: number }) => Uint8Array) {
    this.#file = file
    this.#path = path
    this.#toLine = toLine
  }

  /**
   * Makes the file, or empties it, and writes its first line.
   * @throws SluiceError SLUICE_CONFIG when it cannot be written
   */
  static async open(
    path: string,
    head: Uint8Array,
    toLine: (reject: Reject & { segment: number }) => Uint8Array,
  ): Promise<RejectFile> {
    try {
      const file = await open(path, 'w')
      await file.write(head)
      return new RejectFile(file, path, toLine)
    } catch (cause) {
      throw new SluiceError(
        'SLUICE_CONFIG',
        `The file of rejects, ${path}, cannot be written: ${(cause as Error).message}`,
        { cause },
      )
    }
  }

  /** @throws SluiceError SLUICE_CONFIG when writing fails, as on a full disk */
  async append(rejects: (Reject & { segment: number })[]): Promise<void> {
    if (rejects.length === 0) return
    try {
      await this.#file.appendFile(Buffer.concat(rejects.map(this.#toLine)))
    } catch (cause) {
      throw new SluiceError(
        'SLUICE_CONFIG',
        `Writing the file of rejects, ${this.#path}, failed: ${(cause as Error).message}; ` +
          'they are in the table failed_imports, and the same command goes on from here',
        { cause },
      )
    }
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
