import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { Worker } from 'node:worker_threads'
import { murmur3 } from '../src/dedupe/murmur3.ts'
import { BloomFilter, SluiceError } from '../src/index.ts'

describe('BloomFilter', () => {
  it('never takes an added key for a new one, also far beyond what it was made for', () => {
    const filter = new BloomFilter({ expectedRows: 1_000 })
    for (let i = 0; i < 50_000; i++) filter.add(`key ${i}`)
    for (let i = 0; i < 50_000; i++) assert.ok(filter.has(`key ${i}`) && !filter.add(`key ${i}`))
  })

  it('fails to prove as many keys new as it was made for', () => {
    for (const falsePositiveRate of [0.1, 0.01, 0.0001]) {
      const rows = 200_000
      const filter = new BloomFilter({ expectedRows: rows, falsePositiveRate })
      for (let i = 0; i < rows; i++) filter.add(String(i))
      let wrong = 0
      for (let i = 0; i < rows; i++) if (filter.has(`x${i}`)) wrong++
      const most = falsePositiveRate * 1.15 + 5 / rows
      assert.ok(
        wrong / rows <= most && wrong / rows >= falsePositiveRate * 0.75 - 5 / rows,
        `${wrong / rows} of ${falsePositiveRate}`,
      )
    }
  })

  it('takes 131 MB for 100,000,000 keys', () => {
    const megabytes = new BloomFilter().memory.byteLength / 1e6
    assert.ok(megabytes > 128 && megabytes <= 132, `${megabytes} MB`)
  })

  it('takes two words of a hash as they are', () => {
    const rows = 100_000
    const filter = new BloomFilter({ expectedRows: rows })
    const words = (i: number) => {
      const digest = hash('sha256', String(i), 'buffer')
      return [digest.readInt32LE(0), digest.readInt32LE(4)] as const
    }
    let wrong = 0
    for (let i = 0; i < rows; i++) if (!filter.addHash(...words(i))) wrong++
    for (let i = 0; i < rows; i++) assert.ok(!filter.addHash(...words(i)))
    assert.ok(wrong / rows < 0.01, `${wrong} of ${rows}`)
  })

  it('does the same in memory that no other thread can have', () => {
    const shared = new BloomFilter({ expectedRows: 1_000 })
    const own = new BloomFilter({ memory: new ArrayBuffer(shared.memory.byteLength) })
    for (let i = 0; i < 5_000; i++) {
      const key = `key ${i % 3_000}`
      assert.equal(own.add(key), shared.add(key), key)
      assert.ok(own.has(key))
    }
    assert.deepEqual(Buffer.from(own.memory as ArrayBuffer), Buffer.from(new Uint8Array(shared.memory)))
  })

  it('takes text as its UTF-8, however long it is', () => {
    const filter = new BloomFilter({ expectedRows: 10 })
    const long = 'né'.repeat(200)
    assert.ok(filter.add(long))
    assert.ok(filter.has(Buffer.from(long)) && !filter.has(long.slice(1)))
    assert.ok(filter.add('naïve'))
    assert.ok(filter.has(Buffer.from('naïve')) && !filter.has('naive'))
  })

  it('tells at most one of several threads that a key is new, and forgets none', async () => {
    const [threads, keys] = [4, 40_000]
    const filter = new BloomFilter({ expectedRows: keys })
    const start = new Int32Array(new SharedArrayBuffer(4))
    const url = new URL('../src/dedupe/bloom.ts', import.meta.url).href
    const program = `
      import { parentPort, workerData } from 'node:worker_threads'
      const { BloomFilter } = await import(${JSON.stringify(url)})
      const { memory, start, keys, threads } = workerData
      const filter = new BloomFilter({ memory })
      Atomics.add(start, 0, 1)
      while (Atomics.load(start, 0) < threads);
      const proven = []
      for (let i = 0; i < keys; i++) if (filter.add('key ' + i)) proven.push(i)
      parentPort.postMessage(proven)`
    const script = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
    const proven = await Promise.all(
      Array.from({ length: threads }, async () => {
        const worker = new Worker(script, { workerData: { memory: filter.memory, start, keys, threads } })
        return (await once(worker, 'message'))[0] as number[]
      }),
    )
    const all = proven.flat()
    assert.equal(new Set(all).size, all.length)
    assert.ok(all.length > keys * 0.98, `${all.length} of ${keys} were proven new`)
    for (let i = 0; i < keys; i++) assert.ok(filter.has(`key ${i}`))
  })

  it('refuses what it cannot be made of', () => {
    for (const options of [
      { expectedRows: 0 },
      { expectedRows: 1.5 },
      { expectedRows: 1e15 },
      { falsePositiveRate: 1 },
      { memory: new SharedArrayBuffer(33) },
    ]) {
      assert.throws(
        () => new BloomFilter(options),
        (error) => error instanceof SluiceError && error.code === 'SLUICE_CONFIG',
      )
    }
  })

  it('hashes as MurmurHash3 does', () => {
    const hashOf = (text: string, seed: number) => murmur3(Buffer.from(text), text.length, seed)
    assert.equal(hashOf('The quick brown fox jumps over the lazy dog', 0x9747b28c), 0x2fa826cd)
    assert.equal(hashOf('', 1), 0x514e28b7)
    assert.equal(hashOf('abc', 0x9747b28c), 0xc84a62dd)
  })
})
