import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { RunningDigest } from '../src/source/digest.ts'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('the digest of every place at which a batch ends is that of the bytes before it, however they come', () => {
  const step = fc.record({
    size: fc.oneof({ weight: 8, arbitrary: fc.nat(60) }, fc.integer({ min: 3_000, max: 9_000 })),
    /** How far from the last end to all that was read the next one is, and how far behind it bytes are gone already. */
    settled: fc.double({ min: 0, max: 1, noNaN: true }),
    passed: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 4 }),
    ends: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.nat(50), fc.array(step, { maxLength: 40 }), (known, steps) => {
      const total = steps.reduce((sum, { size }) => sum + size, known)
      const source = Buffer.from(Array.from({ length: total }, (_, i) => (i * 31 + (i >> 5)) % 251))
      const digest = new RunningDigest()
      digest.pass(source.subarray(0, known))
      let [read, earliest, passed] = [known, known, known]
      for (const { size, ends, ...share } of steps) {
        const chunk = new Uint8Array(source.subarray(read, read + size))
        digest.add(chunk)
        read += size
        if (passed === earliest || share.settled > 0.5) {
          const end = passed + Math.floor((read - passed) * share.settled)
          if (ends) assert.equal(digest.before(end), sha256(source.subarray(0, end)))
          earliest = end
          passed = end
        }
        // In the midst of bytes that are gone, a batch may still end before them.
        if (ends) assert.equal(digest.before(earliest), sha256(source.subarray(0, earliest)))
        if (share.passed !== null) passed += Math.floor((read - passed) * share.passed)
        digest.settle(earliest, passed)
        digest.keep()
        // The reader's memory is used again for the next chunk, or given back.
        if (ends) chunk.fill(0)
        else chunk.buffer.transfer(0)
      }
      assert.equal(digest.before(earliest), sha256(source.subarray(0, earliest)))
    }),
    { numRuns: 500 },
  )
})

test('a place that was passed over is no end, and neither is one that is not there yet', () => {
  const digest = new RunningDigest()
  digest.add(Buffer.from('0123456789'))
  digest.settle(5)
  assert.throws(() => digest.before(4), { code: 'SLUICE_INTERNAL', message: /byte 4.*byte 5/ })
  assert.throws(() => digest.before(11), { code: 'SLUICE_INTERNAL', message: /byte 11.*byte 10/ })
})
