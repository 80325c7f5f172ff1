import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'
import { quoted } from '../../table-name.ts'
import type { Conflict } from '../database.ts'
import type { Tally } from '../merged.ts'
import { NOW } from './sql.ts'

/** What became of rows of which `lost` were left out by a trigger. */
export interface Merging {
  tally: Tally
  lost: number
}

const NOTHING: Tally = { updated: 0, unchanged: 0, duplicates: 0, duplicateRanks: [] }

/**
 * Takes rows in whose key may be taken. SQLite takes those of an `INSERT … SELECT … ON CONFLICT` one after the other
 * (https://sqlite.org/lang_upsert.html), and nobody else writes meanwhile.
 */
export class Merge {
  readonly #conflict: Conflict
  readonly #hasTriggers: boolean
  readonly #staged: Statements
  readonly #single: Statements
  readonly #taken: StatementSync
  /** Once there were duplicates that must be told, they are looked for before and not after an attempt. */
  #expectsSome = false

  /** @param columns Of the load, in the order of the stage's. */
  constructor(db: DatabaseSync, table: string, conflict: Conflict, columns: string[]) {
    this.#conflict = conflict
    this.#hasTriggers =
      db
        .prepare(`SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE LIMIT 1`)
        .get(table) !== undefined
    const place = { db, table, conflict, columns }
    this.#staged = prepare(place, 'FROM stage.s WHERE rowid BETWEEN ? AND ?', 'ORDER BY rowid')
    this.#single = prepare(place, `FROM (SELECT ${columns.map((_, i) => `? AS c${i}`).join(', ')}) s WHERE true`, '')
    this.#taken = takenInStage(place)
  }

  /**
   * Takes in the staged rows of rank `from` up to `to`. Undefined, and everything must be undone, where only smaller ranges can tell what
   * became of which row.
   */
  range(from: number, to: number): Merging | undefined {
    const bounds = [from + 1, to]
    if (!this.#conflict.told) return this.#merge(this.#staged, bounds, to - from)
    const duplicateRanks = this.#expectsSome
      ? (this.#taken.all(...bounds) as { rank: number }[]).map(({ rank }) => rank)
      : []
    const inserted = changes(this.#staged.insert, bounds)
    const lost = inserted === to - from ? 0 : this.#lost(this.#staged, bounds)
    const missed = to - from - inserted - duplicateRanks.length - lost
    if (missed === 0) return { tally: { ...NOTHING, duplicateRanks }, lost }
    if (to - from === 1) return { tally: { ...NOTHING, duplicateRanks: [from] }, lost: 0 }
    this.#expectsSome = true
    return undefined
  }

  /** Takes in one row by its values. */
  row(rank: number, values: SQLInputValue[]): Merging | undefined {
    const done = this.#merge(this.#single, values, 1)
    if (!this.#conflict.told || done?.tally.duplicates !== 1) return done
    return { tally: { ...NOTHING, duplicateRanks: [rank] }, lost: 0 }
  }

  #merge(statements: Statements, params: SQLInputValue[], sent: number): Merging | undefined {
    const inserted = changes(statements.insert, params)
    if (inserted === sent) return { tally: NOTHING, lost: 0 }
    const lost = this.#lost(statements, params)
    if (this.#conflict.action === 'skip') {
      if (statements.renew) changes(statements.renew, params)
      return { tally: { ...NOTHING, duplicates: sent - inserted - lost }, lost }
    }
    // A trigger may have changed what came in, so that it looks like a row that comes again.
    if (this.#hasTriggers && sent > 1) return undefined
    // What has just come in for the first time is equal to itself: what changes now came again.
    const updated = statements.update ? changes(statements.update, params) : 0
    return { tally: { ...NOTHING, updated, unchanged: sent - inserted - lost - updated }, lost }
  }

  /** Rows that a trigger has left out: no row has their key. */
  #lost({ lost }: Statements, params: SQLInputValue[]): number {
    return this.#hasTriggers ? Number((lost.get(...params) as { rows: number }).rows) : 0
  }
}

interface MergeTarget {
  db: DatabaseSync
  table: string
  conflict: Conflict
  columns: string[]
}

interface Statements {
  insert: StatementSync
  renew: StatementSync | undefined
  update: StatementSync | undefined
  lost: StatementSync
}

/** @param from Where the rows come from, ending in a condition. `order`: theirs. */
function prepare({ db, table, conflict, columns }: MergeTarget, from: string, order: string): Statements {
  const { key, action, renews } = conflict
  const into = `INSERT OR ABORT INTO main.${quoted(table)} AS t (${columns.map(quoted).join(', ')})`
  const values = columns.map((_, i) => `c${i}`).join(', ')
  const cells = key.map((name) => `c${columns.indexOf(name)}`)
  const hasKey = cells.map((cell) => `${cell} IS NOT NULL`).join(' AND ')
  const onConflict = `ON CONFLICT (${key.map(quoted).join(', ')})`
  const others = columns.filter((name) => !key.includes(name)).map(quoted)
  // Byte by byte, whatever the collation is: what is written in another way is a change. In one comparison, as SQLite nests an OR of each
  // column only 1,000 deep.
  const [old, excluded] = [others.map((name) => `t.${name} COLLATE BINARY`), others.map((name) => `excluded.${name}`)]
  const differs = `(${old.join(', ')}) IS NOT (${excluded.join(', ')})`
  const set = others.map((name) => `${name} = excluded.${name}`).join(', ')
  // The table's column comes first: its affinity and its collation are those of the comparison.
  const equal = key.map((name, i) => `t.${quoted(name)} = s.${cells[i]}`).join(' AND ')
  return {
    insert: db.prepare(`${into} SELECT ${values} ${from} ${order} ${onConflict} DO NOTHING`),
    renew: renews
      ? db.prepare(`UPDATE main.${quoted(table)} SET ${quoted(renews)} = ${NOW}
          WHERE ${quoted(key[0]!)} IN (SELECT ${cells[0]} ${from})`)
      : undefined,
    update:
      action === 'update' && others.length > 0
        ? db.prepare(
            `${into} SELECT ${values} ${from} AND ${hasKey} ${order} ${onConflict} DO UPDATE SET ${set} WHERE ${differs}`,
          )
        : undefined,
    lost: db.prepare(
      `SELECT count(*) AS rows FROM (SELECT * ${from}) s WHERE ${cells.map((cell) => `s.${cell} IS NOT NULL`).join(' AND ')}
         AND NOT EXISTS (SELECT 1 FROM main.${quoted(table)} t WHERE ${equal})`,
    ),
  }
}

/** Finds the ranks of staged rows whose key the table has, or a row before them. */
function takenInStage({ db, table, conflict: { key }, columns }: MergeTarget): StatementSync {
  const cells = key.map((name) => `c${columns.indexOf(name)}`)
  const equal = key.map((name, i) => `t.${quoted(name)} = s.${cells[i]}`).join(' AND ')
  const collations = collationsOf(db, table, key)
  const partition = cells.map((cell, i) => `s.${cell} COLLATE ${quoted(collations[i]!)}`).join(', ')
  return db.prepare(`SELECT rank FROM (
      SELECT s.rowid - 1 AS rank, row_number() OVER (PARTITION BY ${partition} ORDER BY s.rowid) AS nth,
        EXISTS (SELECT 1 FROM main.${quoted(table)} t WHERE ${equal}) AS known
      FROM stage.s s WHERE s.rowid BETWEEN ? AND ? AND ${cells.map((cell) => `s.${cell} IS NOT NULL`).join(' AND ')}
    ) WHERE known OR nth > 1 ORDER BY rank`)
}

/** By which the key's columns are told apart; those of the rowid have none. */
function collationsOf(db: DatabaseSync, table: string, key: string[]): string[] {
  const rows = db
    .prepare(
      `SELECT x.name, x.coll FROM pragma_index_list(?, 'main') l JOIN pragma_index_xinfo(l.name, 'main') x
         WHERE l."unique" AND NOT l.partial AND x.key`,
    )
    .all(table) as { name: string; coll: string }[]
  return key.map((column) => rows.find(({ name }) => name === column)?.coll ?? 'BINARY')
}

/** Rows that the statement itself put in or changed, not its triggers (https://sqlite.org/c3ref/changes.html). */
function changes(statement: StatementSync, params: SQLInputValue[]): number {
  return Number(statement.run(...params).changes)
}
