/** Random choices from a seed: the same seed makes the same choices on every machine (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** An integer from 0 to below − 1. */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }

  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  chance(percent: number): boolean {
    return this.below(1000) < percent * 10
  }

  pick<T>(choices: ArrayLike<T>): T {
    return choices[this.below(choices.length)]!
  }

  /** `length` characters of an alphabet. */
  text(alphabet: ArrayLike<string>, length: number): string {
    return Array.from({ length }, () => this.pick(alphabet)).join('')
  }
}
