import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Queue } from '../src/queue/queue.ts'

export const SMALL = { bytes: 1_000 }
export const LARGE = { bytes: 5_000_000_000 }

/** A handler whose calls end when they are told to, or by themselves. */
export class Work {
  readonly running = new Map<string, () => void>()
  readonly done: string[] = []
  most = 0
  /** Those that end by themselves. */
  readonly #quick: RegExp

  constructor(quick = /^$/) {
    this.#quick = quick
  }

  handler = async (id: string, signal: AbortSignal): Promise<void> => {
    assert.ok(!this.running.has(id), `${id} runs twice at once`)
    await new Promise<void>((resolve) => {
      this.running.set(id, resolve)
      this.most = Math.max(this.most, this.running.size)
      signal.addEventListener('abort', () => resolve())
      if (this.#quick.test(id)) setImmediate(resolve)
    })
    this.running.delete(id)
    this.done.push(id)
  }

  async until(what: () => boolean): Promise<void> {
    for (let turns = 0; !what(); turns++) {
      assert.ok(turns < 2_000, `${[...this.running.keys()]} run, ${this.done} are done`)
      await delay(5)
    }
  }
}

/**
 * What every queue keeps to.
 * @param open a new queue, empty
 * @param quietMs after which what has not begun does not begin
 */
export function queueSuite(open: () => Promise<Queue>, quietMs: number): void {
  for (const concurrency of [2, 3, 8]) {
    test(`a hundred small ones do not wait behind large ones, ${concurrency} at once`, async () => {
      const queue = await open()
      const work = new Work(/^small/)
      for (let i = 0; i < concurrency + 2; i++) await queue.add(`large ${i}`, LARGE)
      for (let i = 0; i < 100; i++) await queue.add(`small ${i}`, SMALL)
      await queue.work(work.handler, { concurrency })
      await work.until(() => work.done.length === 100)
      await work.until(() => work.running.size > 0)
      assert.ok([...work.running.keys()].every((id) => id.startsWith('large')))
      assert.ok(work.most <= concurrency)
      await queue.close()
      assert.equal(work.running.size, 0)
    })
  }

  test('a large one does not wait behind an endless row of small ones', async () => {
    const queue = await open()
    const work = new Work()
    await queue.work(work.handler, { concurrency: 3 })
    for (let i = 0; i < 50; i++) await queue.add(`small ${i}`, SMALL)
    await queue.add('large', LARGE)
    await work.until(() => work.running.has('large'))
    await queue.close()
  })

  test('what is queued or at work is not added again, and what is done may be', async () => {
    const queue = await open()
    const work = new Work()
    await queue.work(work.handler, { concurrency: 2 })
    for (let i = 0; i < 3; i++) {
      await queue.add('one', SMALL)
      await queue.add('two', SMALL)
    }
    await work.until(() => work.running.has('one'))
    work.running.get('one')!()
    await work.until(() => work.running.has('two'))
    work.running.get('two')!()
    await work.until(() => work.done.length === 2)
    await delay(quietMs)
    assert.equal(work.running.size, 0)
    await queue.add('one', SMALL)
    await work.until(() => work.running.has('one'))
    await queue.close()
    assert.deepEqual(work.done, ['one', 'two', 'one'])
  })

  test('a size that is not known is large', async () => {
    const queue = await open()
    const work = new Work()
    await queue.work(work.handler, { concurrency: 2 })
    for (const id of ['a', 'b']) await queue.add(id, { bytes: null })
    await work.until(() => work.running.has('a'))
    await queue.add('small', SMALL)
    await work.until(() => work.running.has('small'))
    assert.deepEqual([...work.running.keys()], ['a', 'small'])
    await queue.close()
  })

  test('closing asks what runs to end, waits for it, and begins nothing more', async () => {
    const queue = await open()
    const work = new Work()
    await queue.work(work.handler, { concurrency: 2 })
    for (const id of ['a', 'b', 'c']) await queue.add(id, SMALL)
    await work.until(() => work.running.has('a'))
    await queue.close()
    await queue.add('d', SMALL)
    assert.deepEqual(work.done, ['a'])
  })

  test('a handler that fails frees its lane', async () => {
    const queue = await open()
    const work = new Work()
    const failing = async (id: string) => {
      work.done.push(id)
      if (id === 'a') throw new Error('no')
    }
    await queue.work(failing, { concurrency: 2 })
    for (const id of ['a', 'b']) await queue.add(id, SMALL)
    await work.until(() => work.done.length === 2)
    assert.deepEqual(work.done, ['a', 'b'])
    await queue.close()
  })
}
