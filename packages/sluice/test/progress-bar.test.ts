import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProgressBar, progressLine } from '../src/cli/progress-bar.ts'

const PROGRESS = {
  jobId: '7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55',
  recordsRead: 1_234_567,
  inserted: 1_234_000,
  updated: 0,
  unchanged: 0,
  duplicates: 0,
  rejected: 567,
  bytesCommitted: 420,
  bytesTotal: 1_000,
  bytesRead: 430,
  rowsPerSecond: 512_345.6,
  etaSeconds: 83,
}

test('the line has percent, rows, rejects, rate and ETA', () => {
  assert.equal(
    progressLine(PROGRESS, 100),
    ` 42%  [${'='.repeat(13)}${' '.repeat(17)}]  1,234,567 rows  567 rejects  512,346 rows/s  ETA 1:23`,
  )
})

test('without a known size there is no percent and no bar', () => {
  const line = progressLine({ ...PROGRESS, bytesCommitted: 2_345_678, bytesTotal: null, etaSeconds: null }, 100)
  assert.equal(line, '2.3 MB  1,234,567 rows  567 rejects  512,346 rows/s')
})

test('the line fits any width', () => {
  for (let width = 0; width < 120; width++) {
    const line = progressLine(PROGRESS, width)
    assert.ok(line.length <= width, `${line.length} > ${width}`)
    if (width >= 4) assert.match(line, /^ 42%/)
  }
})

test('it is painted at most ten times a second, and cleared', () => {
  const writes: string[] = []
  const bar = new ProgressBar({ columns: 60, write: (text: string) => writes.push(text) > 0 } as NodeJS.WriteStream)
  for (let i = 0; i < 50; i++) bar.update(PROGRESS)
  assert.equal(writes.length, 1)
  bar.clear()
  bar.clear()
  assert.deepEqual(writes.slice(1), ['\r\x1b[K'])
})
