import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '@sluice/engine'
import { FileStore } from '@tus/file-store'
import type { DataStore } from '@tus/server'

/** Pieces of resumable uploads in the folder of local storage: the file of an object grows in its place, what is known of it lies beside. */
export function openLocalPieces(folder: string, ttlSeconds: number): DataStore {
  return new LocalPieces({ directory: join(folder, 'objects'), expirationPeriodInMilliseconds: ttlSeconds * 1000 })
}

class LocalPieces extends FileStore {
  /** What a client is told to be there survives a power failure. */
  override async write(...[body, key, offset]: Parameters<FileStore['write']>): Promise<number> {
    try {
      const end = await super.write(body, key, offset)
      await using file = await open(join(this.directory, key), 'r+')
      await file.sync()
      return end
    } catch (cause) {
      throw new SluiceError('SLUICE_STORAGE', 'The folder of uploads cannot take a piece of one', { cause })
    }
  }
}
