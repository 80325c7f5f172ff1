import type { Conflict, LoadPlan, StagedFor } from './database.ts'
import type { GuiltyRow } from './isolate.ts'
import { duplicate } from './merged.ts'

/** A staged row whose key the target has already. */
export interface TakenRow {
  rank: number
  /** Ordinal of the key among {@link keysAmong}. */
  key: number
}

/**
 * The target's unique keys that the columns of a load fill; of the others the target makes new values. The key by which duplicates are
 * known comes first: a row that is one is nothing else.
 */
export function keysAmong(stagedFor: StagedFor | undefined, columns: string[], conflict?: Conflict): string[][] {
  const keys = stagedFor?.keys.filter((key) => key.every((column) => columns.includes(column))) ?? []
  return conflict ? keys.sort((a, b) => Number(isSame(b, conflict.key)) - Number(isSame(a, conflict.key))) : keys
}

function isSame(a: string[], b: string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name))
}

/** Rows of a batch that were refused while they were staged, in ascending order, in terms of the table that they are for. */
export function refusedForTarget(
  guilty: GuiltyRow[],
  taken: TakenRow[],
  keys: string[][],
  { table, stagedFor, conflict }: Pick<LoadPlan, 'table' | 'stagedFor' | 'conflict'>,
): GuiltyRow[] {
  if (!stagedFor) return guilty
  const target = stagedFor.table.table
  const ranks = new Set(taken.map(({ rank }) => rank))
  const here = guilty
    .filter(({ rank }) => !ranks.has(rank))
    .map(({ rank, refusal }) => {
      const message = refusal.message.replaceAll(table.table, target)
      return { rank, refusal: { ...refusal, message } }
    })
  const there = taken.map(({ rank, key }): GuiltyRow => {
    const columns = keys[key]!
    if (conflict && isSame(columns, conflict.key)) return duplicate(rank, conflict.key)
    const message = `${target} has a row with this ${columns.join(', ')} already`
    return { rank, refusal: { code: 'unique-error', message, column: columns[0]! } }
  })
  return [...here, ...there].sort((a, b) => a.rank - b.rank)
}
