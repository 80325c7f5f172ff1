import { BloomFilter, bloomBytes } from './bloom.ts'

/** Digits of a SHA-256 in hexadecimal. */
const DIGITS = 64
/** Keys that may repeat, at most, that are kept by name: 6.4 MB of them, and six times that while they are asked for. */
const MOST_KEPT = 100_000
/** Bytes of a source to a record where nobody says how many there are: few, so that the filter is rather too large. */
const RECORD_BYTES = 50
/** Of a source whose size is not known. */
const USUAL_ROWS = 1_000_000
/** What a filter is made for without being asked: 131 MB. */
const MOST_ROWS = 100_000_000

/** Which keys of a source may stand in it more than once: all that a Bloom filter could not prove new when they came. */
export class Repeats {
  /** Not shared with other threads, so that it can be given back at once. */
  readonly #memory: ArrayBuffer
  readonly #filter: BloomFilter
  /** One behind the other. As strings each of them took 200 bytes. */
  readonly #kept = Buffer.allocUnsafeSlow(MOST_KEPT * DIGITS)
  #count = 0

  /** @param sourceBytes null: not known. `expectedRows`: the user's number. */
  constructor(sourceBytes: number | null, expectedRows: number | undefined) {
    const guess = sourceBytes === null ? USUAL_ROWS : Math.ceil(sourceBytes / RECORD_BYTES)
    this.#memory = new ArrayBuffer(bloomBytes(expectedRows ?? Math.max(1, Math.min(guess, MOST_ROWS))))
    this.#filter = new BloomFilter({ memory: this.#memory })
  }

  /** A record's key comes by, in the 64 hexadecimal digits of a SHA-256, and is returned; one that comes twice for the same record does no harm. */
  readonly noted = (key: string): string => {
    // 64 bits of them are as good as all.
    if (this.#filter.addHash(wordAt(key, 0), wordAt(key, 8))) return key
    if (this.#count < MOST_KEPT) this.#kept.write(key, this.#count * DIGITS, 'latin1')
    this.#count++
    return key
  }

  /**
   * No key comes any more. Gives the filter's memory back.
   * @returns keys among which are all that repeat; undefined: they are too many to name
   */
  end(): string[] | undefined {
    if (!this.#memory.detached) this.#memory.transfer(0)
    if (this.#count > MOST_KEPT) return undefined
    const keys = new Set<string>()
    for (let i = 0; i < this.#count; i++) keys.add(this.#kept.toString('latin1', i * DIGITS, (i + 1) * DIGITS))
    return [...keys]
  }
}

/** Eight hexadecimal digits, as a number of 32 bits; in small letters, as Node writes them. */
function wordAt(digits: string, at: number): number {
  let word = 0
  for (let i = at; i < at + 8; i++) {
    const code = digits.charCodeAt(i)
    // Of a letter the lowest bits count from 1. No branch, for of random digits no processor guesses which they are.
    word = (word << 4) | ((code & 15) + 9 * (code >> 6))
  }
  return word
}
