import { SluiceError } from '../errors.ts'
import { murmur3 } from './murmur3.ts'

/** What a filter is made for, or of. */
export interface BloomOptions {
  /** Keys that it is to hold. Default: 100,000,000, which at 1 % take 131 MB. */
  expectedRows?: number
  /** Of the keys that were never added, the part that is taken for added ones when so many are in. Default: 0.01. */
  falsePositiveRate?: number
  /** The memory of another filter, of this thread or of another one: both are the same filter. Default: its own, which threads can share. */
  memory?: ArrayBufferLike
}

const WORDS = 8
const BLOCK_BYTES = WORDS * 4
/** One for each word of a block; each picks the top five bits of a product. */
const SALTS = [0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31]
/** Seeds of the hash that picks the block, and of the one that picks the bits in it. */
const BLOCK_SEED = 0x53
const BITS_SEED = 0x9747b28c

/**
 * A set that only ever proves "new": for a key that was added it never says so, and for one that was not it seldom fails to. It
 * takes the same memory whatever it holds; filled beyond what it was made for it proves less and less, and never anything wrong.
 *
 * Blocked: a key sets one bit in each of the eight words of one block of 32 bytes, a cache line's half, as the split block filters
 * of Apache Parquet do (https://parquet.apache.org/docs/file-format/bloomfilter/); the hash is MurmurHash3. The memory can be shared: several
 * threads may add at once, without locks.
 *
 * @example
 * const filter = new BloomFilter({ expectedRows: 1_000_000 })
 * filter.add('a@example.com') // true: it is new
 * filter.add('a@example.com') // false: perhaps it is not
 */
export class BloomFilter {
  /** To be sent to other threads, for a {@link BloomOptions.memory} there; or to be kept, and filled again later. */
  readonly memory: ArrayBufferLike
  readonly #words: Int32Array
  readonly #blocks: number
  readonly #isShared: boolean
  readonly #masks = new Int32Array(WORDS)
  readonly #found = new Int32Array(WORDS)
  readonly #text = Buffer.allocUnsafeSlow(256)

  /** @throws SluiceError SLUICE_CONFIG for numbers of which no filter can be made */
  constructor({ expectedRows = 100_000_000, falsePositiveRate = 0.01, memory }: BloomOptions = {}) {
    this.memory = memory ?? new SharedArrayBuffer(bloomBytes(expectedRows, falsePositiveRate))
    if (this.memory.byteLength === 0 || this.memory.byteLength % BLOCK_BYTES !== 0)
      throw new SluiceError('SLUICE_CONFIG', `${this.memory.byteLength} bytes are not the memory of a Bloom filter`)
    this.#words = new Int32Array(this.memory)
    this.#blocks = this.memory.byteLength / BLOCK_BYTES
    this.#isShared = this.memory instanceof SharedArrayBuffer
  }

  /**
   * Adds a key, and tells whether that proves it new. Of all calls that add the same key, in whatever thread, at most one is told true.
   *
   * @param key text, taken as UTF-8, or bytes
   */
  add(key: string | Uint8Array): boolean {
    return this.#addAt(this.#locate(key))
  }

  /**
   * {@link add} for a key that is a hash itself, such as a SHA-256: two of its words, of 32 bits each, stand for it, and nothing is hashed
   * again. To other ways of adding or asking for the key it is another one.
   */
  addHash(first: number, second: number): boolean {
    return this.#addAt(this.#aim(first >>> 0, second))
  }

  #addAt(at: number): boolean {
    return this.#isShared ? this.#addAmongThreads(at) : this.#addAlone(at)
  }

  /** The same in memory of one thread, without atomic operations: with a digest's digits a key took 200 ns, and 480 ns with them. */
  #addAlone(at: number): boolean {
    let isNew = false
    for (let i = 0; i < WORDS; i++) {
      const [word, mask] = [this.#words[at + i]!, this.#masks[i]!]
      if ((word & mask) !== 0) continue
      this.#words[at + i] = word | mask
      isNew = true
    }
    return isNew
  }

  #addAmongThreads(at: number): boolean {
    // The last word that lacks its bit decides, and gets it last: whoever finds another word to be the last one without comes behind
    // somebody who has set the bits of all words before it, and so finds this one set.
    let last = -1
    for (let i = 0; i < WORDS; i++) {
      this.#found[i] = Atomics.load(this.#words, at + i)
      if ((this.#found[i]! & this.#masks[i]!) === 0) last = i
    }
    if (last === -1) return false
    for (let i = 0; i < last; i++) {
      if ((this.#found[i]! & this.#masks[i]!) === 0) Atomics.or(this.#words, at + i, this.#masks[i]!)
    }
    return (Atomics.or(this.#words, at + last, this.#masks[last]!) & this.#masks[last]!) === 0
  }

  /** Whether the key may have been added; false proves that it was not, at the time of the call. */
  has(key: string | Uint8Array): boolean {
    const at = this.#locate(key)
    for (let i = 0; i < WORDS; i++) {
      if ((Atomics.load(this.#words, at + i) & this.#masks[i]!) === 0) return false
    }
    return true
  }

  /** The first word of a key's block; its bits go to `#masks`. */
  #locate(key: string | Uint8Array): number {
    let bytes = key as Uint8Array
    let { length } = key
    if (typeof key === 'string') {
      // A character of UTF-16 is up to three bytes of UTF-8.
      bytes = 3 * length > this.#text.length ? Buffer.from(key) : this.#text
      length = bytes === this.#text ? this.#text.write(key) : bytes.length
    }
    return this.#aim(murmur3(bytes, length, BLOCK_SEED), murmur3(bytes, length, BITS_SEED))
  }

  /** The same of two hashes: an unsigned one for the block, and one for the bits. */
  #aim(block: number, bits: number): number {
    for (let i = 0; i < WORDS; i++) this.#masks[i] = 1 << (Math.imul(bits, SALTS[i]!) >>> 27)
    return Math.floor((block / 2 ** 32) * this.#blocks) * WORDS
  }
}

/**
 * Bytes of a filter for so many rows.
 * @throws SluiceError SLUICE_CONFIG for numbers of which no filter can be made
 */
export function bloomBytes(expectedRows: number, falsePositiveRate = 0.01): number {
  if (!Number.isSafeInteger(expectedRows) || expectedRows < 1)
    throw new SluiceError(
      'SLUICE_CONFIG',
      `A Bloom filter is made for a number of rows, 1 or more; not ${expectedRows}`,
    )
  if (!(falsePositiveRate > 0 && falsePositiveRate < 1))
    throw new SluiceError('SLUICE_CONFIG', `A rate of false positives is between 0 and 1; not ${falsePositiveRate}`)
  // The most keys a block may hold on average, by halves: the rate grows with them.
  let [few, many] = [0, 32 * WORDS]
  for (let i = 0; i < 40; i++) {
    const keys = (few + many) / 2
    if (rateOf(keys) > falsePositiveRate) many = keys
    else few = keys
  }
  const blocks = Math.ceil(expectedRows / few)
  // Of one number of 32 bits there are not more blocks, and ArrayBuffers end before that.
  const bytes = blocks * BLOCK_BYTES
  if (bytes > MOST_BYTES) {
    const needed = `${expectedRows} rows with ${falsePositiveRate} false positives take ${Math.ceil(bytes / 2 ** 30)} GiB`
    throw new SluiceError('SLUICE_CONFIG', `A Bloom filter takes 8 GiB at most, and ${needed}`)
  }
  return bytes
}

const MOST_BYTES = 8 * 2 ** 30

/** False positives where blocks hold so many keys on average: how many one of them holds is a matter of chance (Poisson). */
function rateOf(keys: number): number {
  let chance = Math.exp(-keys)
  let rate = 0
  for (let held = 1; held < keys + 20 * Math.sqrt(keys) + 20; held++) {
    chance *= keys / held
    rate += chance * (1 - (31 / 32) ** held) ** WORDS
  }
  return rate
}
