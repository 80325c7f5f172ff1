import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../src/errors.ts'
import { load } from '../src/index.ts'
import { refuseLongRecords } from '../src/record-memory.ts'

const MB = 2 ** 20

test('records for which there is no memory are refused before anything is read', async () => {
  const refusal = { code: 'SLUICE_USAGE', message: /--max-record-bytes.*this process may have/ }
  assert.throws(() => refuseLongRecords(600 * MB, 512 * MB), refusal)
  const source = 'no-such-file.csv'
  await assert.rejects(load({ source, to: 'sqlite:none.db', maxRecordBytes: 2 ** 50 }), refusal)
})

test('a limit that fits is taken, and the default always', () => {
  for (const [bytes, memory] of [
    [undefined, 64 * MB],
    [16 * MB, 64 * MB],
    [16 * MB + 1, 512 * MB],
    [600 * MB, 8192 * MB],
  ] as const) {
    refuseLongRecords(bytes, memory)
  }
  assert.throws(
    () => refuseLongRecords(16 * MB + 1, 128 * MB),
    (error) => error instanceof SluiceError && /at most 16MB/.test(error.message),
  )
})
