import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { ObjectStorage } from '../src/storage/storage.ts'

export interface StorageSubject {
  storage: ObjectStorage
  /** Everything that is stored, whole or not: objects, temporary files, multipart uploads. */
  traces(): Promise<string[]>
}

const KIB = 1024
const MIB = 1024 * KIB

/** Bytes that differ at every place. */
export function pattern(bytes: number): Buffer {
  const words = new Uint32Array(Math.ceil(bytes / 4)).map((_, i) => Math.imul(i + 1, 2_654_435_761))
  return Buffer.from(words.buffer, 0, bytes)
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function read(storage: ObjectStorage, key: string, from: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of storage.read(key, from)) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}

/** What every storage does alike. */
export function storageSuite(open: () => Promise<StorageSubject>): void {
  for (const size of [0, 1, 100 * KIB, 10 * MIB, 10 * MIB + 1, 12 * MIB + 345]) {
    test(`an object of ${size} bytes is there whole, from any byte on`, async () => {
      const { storage } = await open()
      const bytes = pattern(size)
      const stored = await storage.put('uploads/whole', inPieces(bytes, 65_537))
      assert.deepEqual(stored, { bytes: size, sha256: createHash('sha256').update(bytes).digest('hex') })
      const found = await storage.stat('uploads/whole')
      assert.equal(found?.bytes, size)
      for (const from of new Set([0, Math.min(1, size), Math.floor(size / 2), Math.max(0, size - 1), size])) {
        assert.ok((await read(storage, 'uploads/whole', from)).equals(bytes.subarray(from)), `from ${from}`)
      }
      await storage.delete('uploads/whole')
      assert.equal(await storage.stat('uploads/whole'), undefined)
    })
  }

  test('a new content has a new version', async () => {
    const { storage } = await open()
    const versions = new Set<string>()
    for (const text of ['one', 'two', 'three']) {
      await storage.put('uploads/changing', inPieces(Buffer.from(text), 1))
      versions.add((await storage.stat('uploads/changing'))!.version)
      assert.equal((await read(storage, 'uploads/changing', 0)).toString(), text)
    }
    assert.equal(versions.size, 3)
    await storage.delete('uploads/changing')
  })

  test('objects are listed by the beginning of their keys', async () => {
    const { storage } = await open()
    for (const key of ['uploads/a', 'uploads/b', 'others/c']) await storage.put(key, inPieces(pattern(7), 7))
    const listed = await Array.fromAsync(storage.list('uploads/'))
    assert.deepEqual(listed.map(({ key, bytes }) => [key, bytes]).sort(), [
      ['uploads/a', 7],
      ['uploads/b', 7],
    ])
    assert.deepEqual(await Array.fromAsync(storage.list('nothing/')), [])
    for (const { key } of [...listed, { key: 'others/c' }]) await storage.delete(key)
  })

  test('what is not there', async () => {
    const { storage } = await open()
    assert.equal(await storage.stat('uploads/none'), undefined)
    await storage.delete('uploads/none')
    await assert.rejects(read(storage, 'uploads/none', 0), {
      code: 'SLUICE_SOURCE_NOT_FOUND',
      message: /uploads\/none/,
    })
  })

  for (const sent of [0, 3 * MIB, 13 * MIB]) {
    test(`a body that fails after ${sent} bytes leaves nothing behind, and throws its own error`, async () => {
      const { storage, traces } = await open()
      async function* failing(): AsyncGenerator<Uint8Array> {
        yield* inPieces(pattern(sent), 256 * KIB)
        throw new RangeError('the client is gone')
      }
      await assert.rejects(storage.put('uploads/failing', failing()), RangeError)
      assert.deepEqual(await traces(), [])
    })

    test(`an abort after ${sent} bytes leaves nothing behind, though the body hangs`, { timeout: 20_000 }, async () => {
      const { storage, traces } = await open()
      const abort = new AbortController()
      async function* hanging(): AsyncGenerator<Uint8Array> {
        yield* inPieces(pattern(sent), 256 * KIB)
        setImmediate(() => abort.abort(new RangeError('aborted')))
        await new Promise((resolve) => abort.signal.addEventListener('abort', () => setTimeout(resolve, 50)))
      }
      await assert.rejects(storage.put('uploads/aborted', hanging(), { signal: abort.signal }), RangeError)
      assert.deepEqual(await traces(), [])
    })
  }

  test('an abort ends a read', async () => {
    const { storage } = await open()
    await storage.put('uploads/long', inPieces(pattern(4 * MIB), MIB))
    const abort = new AbortController()
    const reading = (async () => {
      for await (const _ of storage.read('uploads/long', 0, abort.signal)) abort.abort()
    })()
    await assert.rejects(reading, { code: 'SLUICE_INTERRUPTED' })
    await storage.delete('uploads/long')
  })
}
