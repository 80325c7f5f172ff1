import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { chunksOf } from '../src/chunks.ts'
import { releasing } from '../src/spent-buffers.ts'

test('the memory of a chunk is freed when the next one is asked for, and that of the pool of Node is not', async () => {
  const own = Buffer.allocUnsafeSlow(64 * 1024)
  const large = Buffer.allocUnsafeSlow(200 * 1024)
  const halves = [large.subarray(0, 100 * 1024), large.subarray(100 * 1024)]
  const pooled = Buffer.from('in the pool')
  const given = [own, ...halves, pooled]
  async function* body() {
    yield* given
  }
  const left: number[][] = []
  for await (const _ of releasing(body())) left.push(given.map(({ length }) => length))
  const [k64, k100, text] = [64 * 1024, 100 * 1024, pooled.length]
  assert.deepEqual(left, [
    [k64, k100, k100, text],
    [0, k100, k100, text],
    [0, k100, k100, text],
    [0, 0, 0, text],
  ])
  assert.equal(pooled.toString(), 'in the pool')
})

test('the event loop turns between chunks that are long to work on', async () => {
  const stream = Readable.from(Array.from({ length: 20 }, () => Buffer.alloc(1024)))
  let turns = 0
  const count = (): void => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  try {
    let seen = 0
    for await (const _ of chunksOf(stream)) {
      const end = performance.now() + 5
      while (performance.now() < end);
      seen++
      assert.ok(turns >= seen - 1, `${turns} turns and ${seen} chunks`)
    }
    assert.equal(seen, 20)
  } finally {
    clearImmediate(next)
  }
})
