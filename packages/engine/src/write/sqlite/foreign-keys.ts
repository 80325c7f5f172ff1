import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Batch } from '../../parse/batch.ts'
import { quoted } from '../../table-name.ts'
import type { Refusal } from '../isolate.ts'
import { decodeRecord } from './record.ts'

interface ForeignKey {
  /** The first of its columns. */
  column: string
  /** Points to its own table. */
  toItself: boolean
  /** Finds the first staged row of a range that has no parent. */
  inStage: StatementSync
  /** The same for the values of one row. */
  inRow: StatementSync
}

/**
 * Finds rows without a parent where SQLite does not: a foreign key that is DEFERRED does not name a row and not even a statement,
 * but the whole transaction fails at its COMMIT; and foreign keys may be off.
 */
export class ForeignKeys {
  readonly #keys: ForeignKey[]

  /**
   * @param columns Of the table, in the order of the stage's. A key with another column is not looked at.
   * @param except A parent whose keys are not looked at either.
   */
  constructor(db: DatabaseSync, table: string, columns: string[], except?: string) {
    const parts = db.prepare(LIST).all({ $1: table }) as { id: number; parent: string; child: string; key: string }[]
    this.#keys = [...Map.groupBy(parts, ({ id }) => id).values()].flatMap((pairs): ForeignKey[] => {
      if (!pairs.every(({ child }) => columns.includes(child)) || isSame(pairs[0]!.parent, except)) return []
      const staged = ({ child }: { child: string }) => `s.c${columns.indexOf(child)}`
      const filled = pairs.map((pair) => `${staged(pair)} IS NOT NULL`).join(' AND ')
      const equal = pairs.map((pair) => `p.${quoted(pair.key)} = ${staged(pair)}`).join(' AND ')
      const orphan = `${filled} AND NOT EXISTS (SELECT 1 FROM main.${quoted(pairs[0]!.parent)} p WHERE ${equal})`
      const values = columns.map((_, i) => `? AS c${i}`).join(', ')
      return [
        {
          column: pairs[0]!.child,
          toItself: isSame(pairs[0]!.parent, table),
          inStage: db.prepare(
            `SELECT s.rowid - 1 AS rank FROM stage.s WHERE s.rowid BETWEEN ? AND ? AND ${orphan} ORDER BY s.rowid LIMIT 1`,
          ),
          inRow: db.prepare(`SELECT 1 FROM (SELECT ${values}) s WHERE ${orphan}`),
        },
      ]
    })
  }

  /** The first of the rows of rank `from` up to `to` that has no parent, now that all of them are in. */
  refuse(batch: Batch, from: number, to: number): Refusal | undefined {
    const found = this.#keys.flatMap(({ column, toItself, inStage, inRow }) => {
      const ranks = [
        inStage.get(from + 1, to)?.rank as number | undefined,
        batch.large.find((row) => row.rank >= from && row.rank < to && inRow.get(...decodeRecord(row.record)))?.rank,
      ]
      return ranks.flatMap((rank) => (rank === undefined ? [] : [{ rank, column, toItself }]))
    })
    const [first] = found.sort((a, b) => a.rank - b.rank)
    return (
      first && {
        code: 'constraint-error',
        message: 'FOREIGN KEY constraint failed',
        column: first.column,
        row: first.rank,
        waits: first.toItself,
      }
    )
  }
}

/** Whether a foreign key points from the table to itself. */
export function refersToItself(db: DatabaseSync, table: string): boolean {
  const sql = `SELECT 1 FROM pragma_foreign_key_list($1, 'main') WHERE "table" = $1 COLLATE NOCASE`
  return db.prepare(sql).get({ $1: table }) !== undefined
}

/** Names without regard to the case of ASCII, as SQLite has them. */
function isSame(name: string, other: string | undefined): boolean {
  return name.toLowerCase() === other?.toLowerCase()
}

/** A key that names no columns of its parent means the parent's primary key. */
const LIST = `SELECT f.id, f."table" AS parent, f."from" AS child, coalesce(f."to", (
    SELECT name FROM pragma_table_info(f."table", 'main') WHERE pk = f.seq + 1)) AS key
  FROM pragma_foreign_key_list($1, 'main') f ORDER BY f.id, f.seq`
