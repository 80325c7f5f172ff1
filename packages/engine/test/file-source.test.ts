import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openFile } from '../src/source/file.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const content = randomBytes(3_000_000)
const sha256 = createHash('sha256').update(content).digest('hex')

for (const { from, again } of [
  { from: 0, again: false },
  { from: 77, again: false },
  { from: 2_000_000, again: true },
]) {
  test(`read from byte ${from}: the SHA-256 is that of all bytes, ${again ? 'read for it' : 'taken in passing'}`, async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'content')
    writeFileSync(path, content)
    const file = await openFile(path)
    try {
      let at = from
      for (const reader = file.read(from); ; ) {
        const { done, value } = await reader.next()
        if (done) break
        assert.ok(content.subarray(at, at + value.length).equals(value))
        at += value.length
      }
      assert.equal(at, content.length)
      if (!again) truncateSync(path)
      assert.equal(await file.sha256!(), sha256)
    } finally {
      await file.close()
    }
  })
}
