import { type FileHandle, open, rm } from 'node:fs/promises'
import { SluiceError } from '../errors.ts'
import type { PlacedReject } from './reject.ts'

/** A file that gets the rejects of each batch after its commit. */
export class RejectFile {
  readonly #file: FileHandle
  readonly #path: string
  readonly #isNew: boolean
  #toLine: ((reject: PlacedReject) => Uint8Array) | undefined

  private constructor(file: FileHandle, path: string, isNew: boolean) {
    this.#file = file
    this.#path = path
    this.#isNew = isNew
  }

  /**
   * Makes the file, or finds that it can be written; what it holds stays until {@link begin}.
   * @throws SluiceError SLUICE_CONFIG when it cannot be written
   */
  static async open(path: string): Promise<RejectFile> {
    try {
      // Where it exists, it may be a pipe.
      const made = await open(path, 'ax').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') return undefined
        throw error
      })
      return new RejectFile(made ?? (await open(path, 'a')), path, made !== undefined)
    } catch (cause) {
      throw failure(path, cause)
    }
  }

  /**
   * Empties the file and writes its first line.
   * @throws SluiceError SLUICE_CONFIG when it cannot be written
   */
  async begin(head: Uint8Array, toLine: (reject: PlacedReject) => Uint8Array): Promise<void> {
    try {
      if ((await this.#file.stat()).isFile()) await this.#file.truncate()
      await this.#file.appendFile(head)
      this.#toLine = toLine
    } catch (cause) {
      throw failure(this.#path, cause)
    }
  }

  /** @throws SluiceError SLUICE_CONFIG when writing fails, as on a full disk */
  async append(rejects: PlacedReject[]): Promise<void> {
    if (rejects.length === 0 || !this.#toLine) return
    try {
      for (let i = 0; i < rejects.length; i += LINES_A_WRITE) {
        await this.#file.appendFile(Buffer.concat(rejects.slice(i, i + LINES_A_WRITE).map(this.#toLine)))
      }
    } catch (cause) {
      throw new SluiceError(
        'SLUICE_CONFIG',
        `Writing the file of rejects, ${this.#path}, failed: ${(cause as Error).message}; ` +
          'they are in the table of rejects, and the same command goes on from here',
        { cause },
      )
    }
  }

  /** Leaves no file behind that was not begun. */
  async close(): Promise<void> {
    await this.#file.close()
    if (this.#isNew && !this.#toLine) await rm(this.#path, { force: true })
  }
}

/** With 64 KB each they are at worst 32 MB of text. */
const LINES_A_WRITE = 256

function failure(path: string, cause: unknown): SluiceError {
  return new SluiceError(
    'SLUICE_CONFIG',
    `The file of rejects, ${path}, cannot be written: ${(cause as Error).message}`,
    { cause },
  )
}
