import type { Random } from './random.ts'

/** What a record is to be: sound with its own id, broken, or sound but with the id of an earlier sound record. */
export type Fate = 'sound' | 'bad' | 'duplicate'

/**
 * Draws one fate after the other so that there are exactly `bad` and `duplicates` of them among `rows`, every choice of
 * places being as likely as any other: selection sampling (Knuth, The Art of Computer Programming, volume 2, 3.4.2,
 * algorithm S). The one exception: the first record that is not bad is sound, since a duplicate needs an earlier one.
 */
export class Fates {
  #sound: number
  readonly #left: { bad: number; duplicates: number }
  #seenSound = false
  readonly #random: Random

  constructor(rows: number, bad: number, duplicates: number, random: Random) {
    this.#sound = rows - bad - duplicates
    this.#left = { bad, duplicates }
    this.#random = random
  }

  next(): Fate {
    const left = this.#left
    const drawn = this.#random.below(this.#sound + left.bad + left.duplicates)
    if (drawn < left.bad) {
      left.bad--
      return 'bad'
    }
    if (this.#seenSound && drawn < left.bad + left.duplicates) {
      left.duplicates--
      return 'duplicate'
    }
    this.#seenSound = true
    this.#sound--
    return 'sound'
  }
}

/** Earlier ids that duplicates are drawn from; few enough to be nothing in memory, and spread over the whole file. */
const KEPT = 4096

/** Keeps a uniform sample of the ids it has seen: reservoir sampling (Vitter, algorithm R). */
export class EarlierIds {
  readonly #kept: number[] = []
  #seen = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  add(id: number): void {
    const slot = this.#seen < KEPT ? this.#seen : this.#random.below(this.#seen + 1)
    if (slot < KEPT) this.#kept[slot] = id
    this.#seen++
  }

  pick(): number {
    return this.#kept[this.#random.below(this.#kept.length)]!
  }
}
