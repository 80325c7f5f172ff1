import { hash } from 'node:crypto'
import type { Conflict, LoadPlan, Sql } from '../database.ts'
import { leftOut, type Refusal } from '../isolate.ts'
import type { Tally } from '../merged.ts'
import { keysAmong, type TakenRow } from '../taken.ts'
import { quoteName, quoteTable } from './identifier.ts'
import { copyRows, type LoadRows, unnestRows } from './load-rows.ts'
import type { Session } from './session.ts'

/** Tells the rows of a batch apart, and their order. */
const ROW = 'sluice_row'
/** The schema of what only the session sees. */
const SESSION = 'pg_temp'
/** From so many statements for one attempt on an index pays for itself. */
const INDEXED_RUNS = 8

/** What may have become of the rows of an attempt. */
export type Merging = { refusal: Refusal } | { tally: Tally; taken: TakenRow[] }

/** How rows whose key may be taken come into one table. */
interface Target {
  /** Definitions of the columns of a load as the table has them. */
  definitions: string[]
  /** Base types of these columns, where rows travel as arrays. */
  baseTypes: string[] | undefined
  /** Nothing that happens to a row depends on other rows, but by its key. */
  isIndependent: boolean
}

/**
 * Rows whose key may be taken go by COPY into a table of the session, and from there with `INSERT … ON CONFLICT` into theirs
 * (https://www.postgresql.org/docs/current/sql-insert.html#SQL-ON-CONFLICT): the server settles what others do at the same time.
 */
export class Merge {
  /** Fills the session's table. */
  readonly stage: LoadRows
  readonly #conflict: Conflict
  readonly #target: Target
  readonly #name: string
  readonly #statements: ReturnType<typeof statements>
  readonly #keys: string[][]

  constructor(plan: LoadPlan, conflict: Conflict, target: Target) {
    this.#conflict = conflict
    this.#target = target
    // One for all sources of a job with the same columns.
    const table = `sluice_batch_${hash('sha256', [plan.jobId, ...target.definitions].join()).slice(0, 16)}`
    const batch = { ...plan, table: { schema: SESSION, table } }
    this.#name = quoteTable(batch.table)
    this.stage = target.baseTypes ? unnestRows(batch, target.baseTypes) : copyRows(batch)
    const names = plan.columns.map(({ name }) => name)
    this.#keys = keysAmong(plan.stagedFor, names, conflict)
    this.#statements = statements(table, plan, conflict, target.isIndependent, this.#keys)
  }

  /** Makes the session's table where it is missing; to be called in the transaction of each batch, for a pooler lends another session to each. */
  async open(session: Session): Promise<void> {
    const definitions = [`${ROW} bigint GENERATED ALWAYS AS IDENTITY (CACHE 1000)`, ...this.#target.definitions]
    const atEnd = session.backend === null ? 'DROP' : 'DELETE ROWS'
    await session.run(
      `SET LOCAL client_min_messages = warning; CREATE TEMP TABLE IF NOT EXISTS ${this.#name} (${definitions.join(', ')}) ON COMMIT ${atEnd}`,
    )
  }

  /** Empties it, in front of the savepoint of the next attempt. */
  get clearing(): string {
    return `TRUNCATE ${this.#name}`
  }

  /** Takes the rows of rank `from` up to `to`, which are the session's table now, to theirs. */
  async merge(session: Session, from: number, to: number): Promise<Merging> {
    const [first] = await session.query<{ row: number | null }>(`SELECT min(${ROW}) AS row FROM ${this.#name}`)
    const base = first!.row ?? 0
    const taken = await this.#removeTaken(session, base, from)
    const rows = to - from - taken.length
    const tally =
      this.#conflict.action === 'update' ? await this.#update(session, rows) : await this.#skip(session, rows)
    if (!this.#target.isIndependent && tally.unchanged + tally.duplicates + tally.duplicateRanks.length > 0) {
      const [lost] = await session.query<{ rows: number }>(this.#statements.lost)
      const refusal = leftOut(rows - lost!.rows, rows)
      if (refusal) return { refusal }
    }
    return { taken, tally: { ...tally, duplicateRanks: tally.duplicateRanks.map((row) => row - base + from) } }
  }

  /** Where the rows wait in a table for another one: those whose key that one has. */
  async #removeTaken(session: Session, base: number, from: number): Promise<TakenRow[]> {
    if (this.#keys.length === 0) return []
    const found = await session.query<{ row: number; key: number }>(this.#statements.removeTaken)
    return found.map(({ row, key }) => ({ rank: row - base + from, key }))
  }

  async #skip(session: Session, rows: number): Promise<Tally> {
    const tally = { updated: 0, unchanged: 0, duplicates: 0, duplicateRanks: [] as number[] }
    if (this.#conflict.told) {
      const found = await session.query<{ row: number }>(this.#statements.skipTelling)
      return { ...tally, duplicateRanks: found.map(({ row }) => row) }
    }
    const [done] = await session.query<{ inserted: number }>(this.#statements.skip)
    return { ...tally, duplicates: rows - done!.inserted }
  }

  /** One statement cannot change a row twice, so each begins where a key comes again. */
  async #update(session: Session, rows: number): Promise<Tally> {
    const again = await session.query<{ row: number; before: number }>(this.#statements.repeated)
    const starts: number[] = [0]
    for (const { row, before } of again) if (before >= starts.at(-1)!) starts.push(row)
    if (starts.length >= INDEXED_RUNS) await session.run(this.#statements.index)
    const done = { inserted: 0, updated: 0 }
    for (const [i, start] of starts.entries()) {
      const end = starts[i + 1] ?? Number.MAX_SAFE_INTEGER
      const [run] = await session.query<typeof done>(this.#statements.update, [start, end])
      done.inserted += run!.inserted
      done.updated += run!.updated
    }
    const unchanged = rows - done.inserted - done.updated
    return { updated: done.updated, unchanged, duplicates: 0, duplicateRanks: [] }
  }
}

function statements(table: string, plan: LoadPlan, conflict: Conflict, isIndependent: boolean, keys: string[][]) {
  const batch = quoteTable({ schema: SESSION, table })
  const names = plan.columns.map(({ name }) => quoteName(name))
  const columns = names.join(', ')
  const key = conflict.key.map(quoteName)
  const keyList = key.join(', ')
  const others = names.filter((name) => !key.includes(name))
  const hasKey = key.map((name) => `${name} IS NOT NULL`).join(' AND ')
  const equal = (a: string, b: string) => key.map((name) => `${a}.${name} = ${b}.${name}`).join(' AND ')
  // In the order of the key two loads of the same rows wait for each other but never in a circle, and an index is filled from one end to
  // the other. Where another index or a trigger could tell the rows' order, it is that of the source.
  const order = isIndependent ? `${keyList}, ${ROW}` : ROW
  const into = `INSERT INTO ${quoteTable(plan.table)} AS t (${columns})`
  const counted = `SELECT CAST(count(*) FILTER (WHERE fresh) AS int) AS inserted, CAST(count(*) FILTER (WHERE NOT fresh) AS int) AS updated FROM moved`
  // Of a row that this statement has changed, xmax is its own lock.
  const fresh = 'RETURNING t.xmax = 0 AS fresh'
  const skipping = `${into} SELECT ${columns} FROM ${batch} ORDER BY ${order} ON CONFLICT (${keyList}) DO NOTHING`
  const first = `SELECT DISTINCT ON (${keyList}) ${columns} FROM ${batch} ORDER BY ${keyList}, ${ROW}`
  const renewing =
    conflict.renews &&
    `${into} ${first} ON CONFLICT (${keyList}) DO UPDATE SET ${quoteName(conflict.renews)} = now() ${fresh}`
  // As images, so that what is written in another way is a change, and types without an equality can be compared.
  const differs = `ROW(${others.map((name) => `t.${name}`).join(', ')})::record *<> ROW(${others.map((name) => `EXCLUDED.${name}`).join(', ')})::record`
  const replacing =
    others.length === 0
      ? 'DO NOTHING'
      : `DO UPDATE SET ${others.map((name) => `${name} = EXCLUDED.${name}`).join(', ')} WHERE ${differs}`
  const isTaken = keys.map((columns, i) => {
    const same = columns.map((column) => `t.${quoteName(column)} = s.${quoteName(column)}`).join(' AND ')
    return `WHEN EXISTS (SELECT FROM ${quoteTable(plan.stagedFor!.table)} t WHERE ${same}) THEN ${i}`
  })
  return {
    skip: renewing
      ? `WITH moved AS (${renewing}) ${counted}`
      : `WITH moved AS (${skipping} RETURNING true AS fresh) ${counted}`,
    skipTelling: `WITH moved AS (${skipping} RETURNING ${key.map((name) => `t.${name}`).join(', ')})
      SELECT s.${ROW} AS row FROM (
        SELECT ${ROW}, ${keyList}, row_number() OVER (PARTITION BY ${keyList} ORDER BY ${ROW}) AS nth FROM ${batch} WHERE ${hasKey}
      ) s LEFT JOIN moved m ON ${equal('m', 's')} WHERE s.nth > 1 OR m.${key[0]} IS NULL ORDER BY 1`,
    repeated: `SELECT ${ROW} AS row, before FROM (
        SELECT ${ROW}, lag(${ROW}) OVER (PARTITION BY ${keyList} ORDER BY ${ROW}) AS before FROM ${batch} WHERE ${hasKey}
      ) s WHERE before IS NOT NULL ORDER BY 1`,
    index: `CREATE INDEX IF NOT EXISTS ${quoteName(`${table}_row`)} ON ${batch} (${ROW})`,
    update: `WITH moved AS (${into} SELECT ${columns} FROM ${batch} WHERE ${ROW} >= $1 AND ${ROW} < $2 ORDER BY ${order}
        ON CONFLICT (${keyList}) ${replacing} ${fresh}) ${counted}`,
    lost: `SELECT CAST(count(*) AS int) AS rows FROM ${batch} s WHERE ${hasKey}
        AND NOT EXISTS (SELECT FROM ${quoteTable(plan.table)} t WHERE ${equal('t', 's')})`,
    removeTaken: `WITH taken AS (
        SELECT ${ROW}, CASE ${isTaken.join(' ')} END AS key FROM ${batch} s
      ), gone AS (
        DELETE FROM ${batch} d USING taken k WHERE d.${ROW} = k.${ROW} AND k.key IS NOT NULL
      ) SELECT ${ROW} AS row, key FROM taken WHERE key IS NOT NULL ORDER BY 1`,
  }
}

/** Definitions of columns for a table of the session: their types, and the collations by which keys are told apart. */
export async function columnDefinitions(sql: Sql, oid: number, columns: string[]): Promise<string[]> {
  const rows = await sql.query<{ name: string; definition: string }>(
    `SELECT a.attname AS name, concat(pg_catalog.format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.attcollation <> 0 THEN pg_catalog.format(' COLLATE %I.%I', n.nspname, c.collname) END) AS definition
     FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
     LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
     WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped`,
    [oid],
  )
  const known = new Map(rows.map(({ name, definition }) => [name, definition]))
  return columns.map((name) => `${quoteName(name)} ${known.get(name)}`)
}
