/**
 * `node bench/bloom.ts [--rows N]`: how many new keys a full Bloom filter fails to prove new, and what a key costs. Default: 100,000,000 keys,
 * 10,000,000 others looked up.
 */
import { parseArgs } from 'node:util'
import { BloomFilter } from '@sluice/engine'

const { values } = parseArgs({ options: { rows: { type: 'string', default: '100000000' } } })
const rows = Number(values.rows)
const filter = new BloomFilter({ expectedRows: rows })
const key = Buffer.alloc(8)

function timed(what: string, count: number, work: (at: number) => void): void {
  const start = performance.now()
  for (let at = 0; at < count; at++) {
    key.writeUInt32LE(at)
    work(at)
  }
  const seconds = (performance.now() - start) / 1000
  console.log(`${what}: ${count.toLocaleString('en')} keys, ${((seconds / count) * 1e9).toFixed(0)} ns each`)
}

let held = 0
let wrong = 0
timed('added', rows, () => {
  if (!filter.add(key)) held++
})
// The others differ in their second half.
key.writeUInt32LE(1, 4)
const others = Math.ceil(rows / 10)
timed('looked up', others, () => {
  if (filter.has(key)) wrong++
})
console.log(`${(filter.memory.byteLength / 1e6).toFixed(1)} MB`)
console.log(
  `${((wrong / others) * 100).toFixed(3)} % of the others were not proven new; while it filled, ${((held / rows) * 100).toFixed(3)} %`,
)
