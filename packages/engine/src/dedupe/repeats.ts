import { BloomFilter } from './bloom.ts'

/** Keys that may repeat, at most, that are kept by name: some 20 MB of them. */
const MOST_KEPT = 100_000
/** Bytes of a source to a record where nobody says how many there are: few, so that the filter is rather too large. */
const RECORD_BYTES = 50
/** No source has more records than one for so many of its bytes, for all that a filter costs: with 131 MB a load into SQLite took 262 MB. */
const LEAST_RECORD_BYTES = 20
/** Of a source whose size is not known. */
const USUAL_ROWS = 1_000_000
/** What a filter is made for without being asked: 131 MB. */
const MOST_ROWS = 100_000_000

/** Which keys of a source may stand in it more than once: all that a Bloom filter could not prove new when they came. */
export class Repeats {
  readonly #filter: BloomFilter
  #kept: Set<string> | undefined = new Set()

  /** @param sourceBytes null: not known. `expectedRows`: the user's number, which is cut where the source cannot have so many. */
  constructor(sourceBytes: number | null, expectedRows: number | undefined) {
    const guess = sourceBytes === null ? USUAL_ROWS : Math.ceil(sourceBytes / RECORD_BYTES)
    const most = sourceBytes === null ? Number.POSITIVE_INFINITY : Math.ceil(sourceBytes / LEAST_RECORD_BYTES)
    const rows = Math.min(expectedRows ?? Math.min(guess, MOST_ROWS), most)
    this.#filter = new BloomFilter({ expectedRows: Math.max(rows, 1) })
  }

  /** A record's key comes by, in hexadecimal digits of a SHA-256; one that comes twice for the same record does no harm. */
  note(key: string): void {
    // 64 bits of them are as good as all.
    if (this.#filter.add(key.slice(0, 16)) || !this.#kept) return
    if (this.#kept.size < MOST_KEPT) this.#kept.add(key)
    else this.#kept = undefined
  }

  /** Every key that repeats is among these; undefined: they are too many to name. */
  get keys(): string[] | undefined {
    return this.#kept && [...this.#kept]
  }
}
