import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InProcessQueue } from '../src/queue/in-process.ts'
import { LARGE, queueSuite, SMALL, Work } from './queue-suite.ts'

queueSuite(async () => new InProcessQueue(), 20)

test('all lanes but one are taken by whichever comes', async () => {
  for (const [mine, other] of [
    [LARGE, SMALL],
    [SMALL, LARGE],
  ] as const) {
    const queue = new InProcessQueue()
    const work = new Work()
    await queue.work(work.handler, { concurrency: 4 })
    for (let i = 0; i < 6; i++) await queue.add(`${i}`, mine)
    assert.equal(work.running.size, 3)
    await queue.add('other', other)
    assert.ok(work.running.has('other'))
    await queue.close()
  }
})
