import type { Conflict } from './database.ts'
import type { GuiltyRow } from './isolate.ts'

/** What became of rows whose key was taken. */
export interface Tally {
  updated: number
  unchanged: number
  /** Those that nobody asks the places of. */
  duplicates: number
  /** Ranks of the other ones, in ascending order. */
  duplicateRanks: number[]
}

/** What became of such rows of a whole batch, over all attempts that went in. */
export class Merged {
  readonly told: boolean
  updated = 0
  unchanged = 0
  duplicates = 0
  readonly #key: string[]
  readonly #ranks: number[] = []

  constructor(conflict: Conflict | undefined) {
    this.told = conflict?.told ?? false
    this.#key = conflict?.key ?? []
  }

  add({ updated, unchanged, duplicates, duplicateRanks }: Tally): void {
    this.updated += updated
    this.unchanged += unchanged
    this.duplicates += duplicates
    for (const rank of duplicateRanks) this.#ranks.push(rank)
  }

  /** Rows that the database refused and those that are duplicates, in ascending order. */
  guilty(refused: GuiltyRow[]): GuiltyRow[] {
    if (this.#ranks.length === 0) return refused
    return [...refused, ...this.#ranks.map((rank) => duplicate(rank, this.#key))].sort((a, b) => a.rank - b.rank)
  }
}

export function duplicate(rank: number, key: string[]): GuiltyRow {
  const message = `a row with this ${key.join(', ')} is loaded already`
  return { rank, refusal: { code: 'duplicate', message, column: key[0] ?? null } }
}
