import { randomUUID } from 'node:crypto'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { SluiceError } from '@sluice/engine'
import type { ObjectStorage, StoredObject } from './storage.ts'
import { Tally } from './tally.ts'

/** Bytes asked of the system at once. */
const CHUNK_BYTES = 256 * 1024

/**
 * Keeps objects in a folder: `objects/KEY`, and `incoming/` for what is being written; `id/` tells it from others. Several processes may share it.
 * @throws SluiceError SLUICE_STORAGE when the folder cannot be made
 */
export async function openLocalStorage(folder: string): Promise<ObjectStorage> {
  const storage = new LocalStorage(folder)
  await storage.open()
  return storage
}

class LocalStorage implements ObjectStorage {
  readonly label: string
  id = ''
  readonly #folder: string
  readonly #objects: string
  readonly #incoming: string

  constructor(folder: string) {
    this.label = folder
    this.#folder = folder
    this.#objects = join(folder, 'objects')
    this.#incoming = join(folder, 'incoming')
  }

  async open(): Promise<void> {
    await this.#told('be made', async () => {
      await mkdir(this.#objects, { recursive: true })
      await mkdir(this.#incoming, { recursive: true })
      this.id = await idOf(this.#folder, this.#incoming)
    })
  }

  async put(
    key: string,
    body: AsyncIterable<Uint8Array>,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<{ bytes: number; sha256: string }> {
    const path = this.#pathOf(key)
    // The key's first part, so that a sweep knows whose it is.
    const incoming = join(this.#incoming, `${key.replaceAll('/', '~')}~${randomUUID()}`)
    const tally = new Tally()
    try {
      await this.#write(incoming, tally.of(body), signal)
      await mkdir(dirname(path), { recursive: true })
      await rename(incoming, path)
      await flushFolder(dirname(path))
    } catch (error) {
      await rm(incoming, { force: true })
      if (signal?.aborted) throw signal.reason
      if (tally.failure) throw tally.failure.error
      throw this.#failed('take an object', error)
    }
    return tally.result()
  }

  /** Chunk by chunk: a stream would keep those that wait. An abort ends it also where the body hangs. */
  async #write(path: string, chunks: AsyncGenerator<Uint8Array, void>, signal?: AbortSignal): Promise<void> {
    let fail = (_: unknown): void => undefined
    const abort = () => fail(signal?.reason)
    const next = () =>
      // Not a race, in which each chunk would be kept until the last.
      new Promise<IteratorResult<Uint8Array, void>>((resolve, reject) => {
        fail = reject
        if (signal?.aborted) abort()
        chunks.next().then(resolve, reject)
      })
    signal?.addEventListener('abort', abort, { once: true })
    await using file = await open(path, 'wx')
    try {
      for (let { value, done } = await next(); !done; { value, done } = await next()) await writeWhole(file, value!)
      await file.sync()
    } finally {
      signal?.removeEventListener('abort', abort)
      chunks.return().catch(() => undefined)
    }
  }

  async *read(key: string, fromByte: number, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const path = this.#pathOf(key)
    const found = await this.stat(key)
    if (!found) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `There is no object ${key} in ${this.label}`)
    if (fromByte >= found.bytes) return
    let at = fromByte
    try {
      for await (const chunk of piecesOf(path, fromByte, found.bytes)) {
        signal?.throwIfAborted()
        at += chunk.length
        yield chunk
      }
    } catch (cause) {
      if (signal?.aborted) throw new SluiceError('SLUICE_INTERRUPTED', `Interrupted while ${key} was read`)
      throw new SluiceError('SLUICE_SOURCE_READ', `Reading ${key} failed at byte ${at}: ${(cause as Error).message}`, {
        cause,
      })
    }
    if (at === found.bytes) return
    throw new SluiceError('SLUICE_SOURCE_READ', `${key} had ${found.bytes} bytes and ends at byte ${at} now`)
  }

  async stat(key: string): Promise<StoredObject | undefined> {
    return this.#told('be looked into', async () => {
      const info = await orUndefined(stat(this.#pathOf(key)))
      if (!info?.isFile()) return undefined
      return { key, bytes: info.size, modified: info.mtime, version: `${info.ino}-${info.mtimeMs}-${info.size}` }
    })
  }

  async delete(key: string): Promise<void> {
    await this.#told('let go of an object', () => rm(this.#pathOf(key), { force: true }))
  }

  async *list(prefix: string): AsyncGenerator<StoredObject, void, void> {
    const entries = await this.#told('be listed', () => readdir(this.#objects, { recursive: true }))
    for (const entry of entries) {
      const key = entry.split(sep).join('/')
      const found = key.startsWith(prefix) ? await this.stat(key) : undefined
      if (found) yield found
    }
  }

  async sweep(prefix: string, olderThan: Date): Promise<void> {
    const begin = prefix.replaceAll('/', '~')
    await this.#told('be swept', async () => {
      for (const name of await readdir(this.#incoming)) {
        const path = join(this.#incoming, name)
        const info = name.startsWith(begin) ? await orUndefined(stat(path)) : undefined
        if (info && info.mtime < olderThan) await rm(path, { force: true })
      }
    })
  }

  async close(): Promise<void> {
    // Nothing is held open.
  }

  /** Keys are made by sluice, but a path out of the folder would be too bad a mistake. */
  #pathOf(key: string): string {
    if (!/^[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)*$/.test(key))
      throw new SluiceError('SLUICE_INTERNAL', `${JSON.stringify(key)} is no key of an object`)
    return join(this.#objects, key)
  }

  async #told<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#failed(what, error)
    }
  }

  #failed(what: string, cause: unknown): SluiceError {
    if (cause instanceof SluiceError) return cause
    return new SluiceError('SLUICE_STORAGE', `The folder ${this.label} cannot ${what}: ${(cause as Error).message}`, {
      cause,
    })
  }
}

/** The name of the one folder in `id/`, which the first process makes; a path is not the same on every machine. */
async function idOf(folder: string, temporary: string): Promise<string> {
  const known = join(folder, 'id')
  if (!(await orUndefined(stat(known)))) {
    const made = join(temporary, `id~${randomUUID()}`)
    await mkdir(join(made, randomUUID()), { recursive: true })
    try {
      await rename(made, known)
    } catch (error) {
      // Another process was first: no folder takes the place of one that is not empty.
      await rm(made, { recursive: true })
      if (!(await orUndefined(stat(known)))) throw error
    }
  }
  return (await readdir(known))[0]!
}

/** The bytes of a file, in two buffers in turn: while one is worked on, the other one is filled. */
async function* piecesOf(path: string, from: number, to: number): AsyncGenerator<Uint8Array, void, void> {
  await using file = await open(path)
  const buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)] as const
  const readInto = (buffer: Buffer, at: number) => file.read(buffer, 0, Math.min(CHUNK_BYTES, to - at), at)
  let [at, turn] = [from, 0]
  let reading = readInto(buffers[0], at)
  try {
    for (;;) {
      const { bytesRead, buffer } = await reading
      if (bytesRead === 0) return
      at += bytesRead
      turn = 1 - turn
      reading = readInto(buffers[turn as 0 | 1], at)
      // Its error is told when it is waited for.
      reading.catch(() => undefined)
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    // The file must not be closed under a read.
    await reading.catch(() => undefined)
  }
}

async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at)).bytesWritten
}

async function orUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** A rename is durable when its folder is. */
async function flushFolder(folder: string): Promise<void> {
  await using handle = await open(folder)
  await handle.sync()
}
