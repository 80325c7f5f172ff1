import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { mkdir, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { openLocalStorage } from '../src/storage/local.ts'
import { pattern, storageSuite } from './storage-suite.ts'

async function open() {
  const folder = join(temporaryFolder(), 'data')
  const files = () => globSync('**', { cwd: folder, withFileTypes: true }).filter((one) => one.isFile())
  return { folder, storage: await openLocalStorage(folder), traces: async () => files().map(({ name }) => name) }
}

storageSuite(open)

test('an object that is cut while it is read is an error, never an end', async () => {
  const { folder, storage } = await open()
  await storage.put('uploads/cut', [pattern(4_000_000)] as unknown as AsyncIterable<Uint8Array>)
  const reading = (async () => {
    for await (const _ of storage.read('uploads/cut', 0)) await truncate(join(folder, 'objects/uploads/cut'), 1_000_000)
  })()
  await assert.rejects(reading, { code: 'SLUICE_SOURCE_READ', message: /4000000/ })
  await storage.delete('uploads/cut')
})

test('a sweep takes old temporary files of a prefix and leaves the others', async () => {
  const { folder, storage, traces } = await open()
  const old = new Date(Date.now() - 60_000)
  for (const [name, time] of [
    ['uploads~old~1', old],
    ['uploads~new~2', new Date()],
    ['others~old~3', old],
  ] as const) {
    await writeFile(join(folder, 'incoming', name), 'x')
    await utimes(join(folder, 'incoming', name), time, time)
  }
  await storage.sweep('uploads/', new Date(Date.now() - 30_000))
  assert.deepEqual((await traces()).sort(), ['others~old~3', 'uploads~new~2'])
  await storage.sweep('uploads/new', new Date(Date.now() + 1_000))
  await storage.sweep('others/', new Date(Date.now() + 1_000))
  assert.deepEqual(await traces(), [])
})

test('a folder is told from others by all that open it, also by those that are the first together', async () => {
  const folder = join(temporaryFolder(), 'shared')
  const ids = await Promise.all([1, 2, 3, 4].map(async () => (await openLocalStorage(folder)).id))
  const later = await openLocalStorage(folder)
  assert.deepEqual(ids, Array(4).fill(later.id))
  assert.match(later.id, /^[\da-f-]{36}$/)
  assert.notEqual((await open()).storage.id, later.id)
})

test('no key leads out of the folder', async () => {
  const { storage } = await open()
  for (const key of ['../out', 'a/../../out', '/etc/passwd', '', 'a//b', '.hidden', 'a\0b']) {
    await assert.rejects(storage.stat(key), { code: 'SLUICE_INTERNAL' })
    await assert.rejects(storage.put(key, [pattern(1)] as unknown as AsyncIterable<Uint8Array>), {
      code: 'SLUICE_INTERNAL',
    })
  }
})

test('a folder that cannot be made is told', async () => {
  const file = join(temporaryFolder(), 'file')
  await mkdir(join(file, '..'), { recursive: true })
  await writeFile(file, '')
  await assert.rejects(openLocalStorage(file), { code: 'SLUICE_STORAGE' })
})
