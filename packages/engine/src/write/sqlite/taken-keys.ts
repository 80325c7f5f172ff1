import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Batch } from '../../parse/batch.ts'
import { quoted } from '../../table-name.ts'
import type { TakenRow } from '../taken.ts'
import { decodeRecord } from './record.ts'

/** Finds the rows of a batch whose key a table has already. */
export class TakenKeys {
  readonly #inStage: StatementSync
  readonly #inRow: StatementSync

  /** @param columns Of the load, in the order of the stage's. */
  constructor(db: DatabaseSync, table: string, keys: string[][], columns: string[]) {
    // The table's column comes first: its affinity and its collation are those of the comparison.
    const isTaken = keys.map((key, i) => {
      const equal = key.map((column) => `t.${quoted(column)} = s.c${columns.indexOf(column)}`).join(' AND ')
      return `WHEN EXISTS (SELECT 1 FROM main.${quoted(table)} t WHERE ${equal}) THEN ${i}`
    })
    const key = `CASE ${isTaken.join(' ')} END`
    this.#inStage = db.prepare(
      `SELECT * FROM (SELECT s.rowid - 1 AS rank, ${key} AS key FROM stage.s s) WHERE key IS NOT NULL ORDER BY rank`,
    )
    this.#inRow = db.prepare(`SELECT ${key} AS key FROM (SELECT ${columns.map((_, i) => `? AS c${i}`).join(', ')}) s`)
  }

  find({ large }: Pick<Batch, 'large'>): TakenRow[] {
    const staged = this.#inStage.all() as unknown as TakenRow[]
    const single = large.flatMap(({ rank, record }) => {
      const { key } = this.#inRow.get(...decodeRecord(record)) as { key: number | null }
      return key === null ? [] : [{ rank, key }]
    })
    return [...staged, ...single].sort((a, b) => a.rank - b.rank)
  }
}
