import type { DatabaseSync, StatementResultingChanges, StatementSync } from 'node:sqlite'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { saveBatch } from '../../checkpoint/save-batch.ts'
import { saveReplay } from '../../checkpoint/save-replay.ts'
import { failpoint } from '../../failpoint.ts'
import type { Batch } from '../../parse/batch.ts'
import type { Position } from '../../parse/position.ts'
import { quoted } from '../../table-name.ts'
import type { LoadPlan, Outcome, Replay } from '../database.ts'
import { isolate, leftOut, type Refusal } from '../isolate.ts'
import { settle } from '../locate.ts'
import { Merged, type Tally } from '../merged.ts'
import { keysAmong, refusedForTarget, type TakenRow } from '../taken.ts'
import { MOST_TOGETHER } from './channel.ts'
import type { Connection } from './connection.ts'
import { classify, isSqliteError, rejectCode, type SqliteError } from './errors.ts'
import { ForeignKeys, refersToItself } from './foreign-keys.ts'
import { Merge } from './merge.ts'
import { decodeRecord } from './record.ts'
import { NOW } from './sql.ts'
import { Stage } from './stage.ts'
import { TakenKeys } from './taken-keys.ts'

/** What the thread knows of a plan: its columns' functions cannot be sent. */
export type ThreadPlan = Omit<LoadPlan, 'columns'> & { columns: string[] }

/** Characters of a message that are kept: a trigger may put a whole value into it. */
const MESSAGE_LIMIT = 1_000

/**
 * Of the database's pages, in KiB, where rows come into a table without an index, which are as fast with as much as SQLite's default. The
 * process of 5,000,000 records with 50,000 rejects was 6 MB smaller (120 MB) than with the cache that an index wants.
 */
const UNINDEXED_CACHE = 2_000

/** Bytes of a row behind which garbage is collected, which takes some 5 ms: with records of 15 MB 120 MB less are held. */
const MOST_GARBAGE = 4 * 1024 * 1024

/** SQLITE_ERROR: for a statement that compiles, what a function says of a value (`malformed JSON`, `integer overflow`). */
const GENERIC_ERROR = 1
/** SQLITE_CONSTRAINT_FOREIGNKEY */
const FOREIGN_KEY = 787

/** Rows of a batch that go in by one statement. `record`: a row that is too big for a page. */
interface Part {
  from: number
  to: number
  record?: Uint8Array
}

/** Makes the attempt be made again in halves. */
const SEEN_BY_HALVES: Refusal = { code: 'duplicate', message: 'a row of this key is loaded already', column: null }

/**
 * Commits batches to one table. The kernel's pages become a database file beside the real one, and one
 * `INSERT … SELECT` moves the rows: SQLite then takes them at the speed of its own virtual machine, without a call a row.
 */
export class Load {
  readonly #connection: Connection
  readonly #plan: ThreadPlan
  /** The table's name as SQLite's messages have it. */
  readonly #table: string
  /** One for each batch of a transaction: SQLite does not look at a file again before the transaction that has read it ends. */
  readonly #stages: Stage[] = []
  readonly #insertRanges: StatementSync[] = []
  readonly #insertOne: StatementSync
  /** Writes nothing, with the right to write. */
  readonly #lock: StatementSync
  /** Of the batch's image. */
  #insertRange: StatementSync
  /** Looked at by ourselves: once a deferred one has failed, and where {@link #ownKeysWait}. */
  #foreignKeys: ForeignKeys | undefined
  /** The rows wait in another table, and refer to each other: that is checked when they are published, all together. */
  readonly #ownKeysWait: boolean
  readonly #refersToItself: boolean
  /** Keys that the table for which the rows are staged must not have. */
  readonly #keys: string[][]
  readonly #takenKeys: TakenKeys | undefined
  /** Rows of the batch that do not go in with those beside them: too big for a page, or, without a record, not to go in. */
  #apart: { rank: number; record?: Uint8Array }[] = []
  /** Ranges of the batch that are in the transaction. */
  #loaded: { from: number; to: number }[] = []
  /** Where a key may be taken without the row being refused. */
  #merge: Merge | undefined
  /** Batches may share a transaction: nothing but an error undoes it, neither a trigger nor a deferred foreign key. */
  readonly takesSeveral: boolean
  #merged = new Merged(undefined)

  constructor(connection: Connection, plan: ThreadPlan, table: string) {
    this.#connection = connection
    this.#plan = plan
    this.#table = table
    this.#keys = keysAmong(plan.stagedFor, plan.columns, plan.conflict)
    const { db } = connection
    this.#refersToItself = refersToItself(db, table)
    this.takesSeveral = !plan.conflict && this.#keys.length === 0 && isPlain(db, table)
    this.#ownKeysWait = plan.stagedFor !== undefined && this.#refersToItself
    try {
      // OR ABORT, also where the table says otherwise: a refused row must be seen, and undo its statement and no more.
      const into = `INSERT OR ABORT INTO main.${quoted(table)} (${plan.columns.map(quoted).join(', ')})`
      for (let nth = 0; nth < MOST_TOGETHER; nth++) {
        const stage = new Stage(connection, nth === 0 ? 'stage' : `stage${nth}`, plan.columns.length)
        this.#stages.push(stage)
        stage.attach()
        this.#insertRanges.push(stage.insert(into))
      }
      this.#insertRange = this.#insertRanges[0]!
      this.#lock = db.prepare(`DELETE FROM main.${quoted(table)} WHERE false`)
      this.#insertOne = db.prepare(`${into} VALUES (${plan.columns.map(() => '?').join(', ')})`)
      if (this.#ownKeysWait) this.#foreignKeys = new ForeignKeys(db, table, plan.columns, table)
      if (this.#keys.length > 0)
        this.#takenKeys = new TakenKeys(db, plan.stagedFor!.table.table, this.#keys, plan.columns)
      if (![table, plan.stagedFor?.table.table].some((name) => hasIndex(db, name))) {
        db.exec(`PRAGMA main.cache_size = -${UNINDEXED_CACHE}`)
      }
      if (plan.conflict && !plan.conflict.late) this.#merge = new Merge(db, table, plan.conflict, plan.columns)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** Commits a batch in a transaction of its own. */
  async commit(batch: Batch, to: Position, replay?: Replay): Promise<Outcome> {
    const { db } = this.#connection
    // Not possible within a transaction: https://sqlite.org/pragma.html#pragma_foreign_keys
    if (this.#ownKeysWait) db.exec('PRAGMA foreign_keys = OFF')
    try {
      return await this.#commitAlone(batch, to, replay)
    } catch (error) {
      // Only COMMIT fails so late, and only by a deferred foreign key. From now on every attempt looks for its rows.
      if (this.#foreignKeys || !(isSqliteError(error) && error.errcode === FOREIGN_KEY)) throw error
      this.#foreignKeys = new ForeignKeys(db, this.#table, this.#plan.columns)
      return await this.#commitAlone(batch, to, replay)
    } finally {
      if (this.#ownKeysWait) db.exec('PRAGMA foreign_keys = ON')
    }
  }

  async #commitAlone(batch: Batch, to: Position, replay?: Replay): Promise<Outcome> {
    try {
      const outcome = await this.bringIn(batch, to, 0, replay)
      this.end()
      return outcome
    } catch (error) {
      this.undo()
      throw error
    }
  }

  /**
   * Brings a batch into the transaction, which is begun with the first one: its rows, rejects and checkpoint.
   * @param nth of the transaction, below {@link MOST_TOGETHER}. After an error it is for {@link undo} to end the transaction
   */
  async bringIn(batch: Batch, to: Position, nth: number, replay?: Replay): Promise<Outcome> {
    this.#stages[nth]!.write(batch.output)
    this.#insertRange = this.#insertRanges[nth]!
    this.#loaded = []
    this.#merged = new Merged(this.#plan.conflict)
    if (nth === 0) {
      failpoint('before-begin')
      this.#begin()
      this.#lookForKey()
    }
    const taken = this.#takenKeys?.find(batch) ?? []
    this.#apart = rowsApart(batch, taken)
    const guilty = await isolate(batch.rows, async (from, to) => this.#attempt(batch, from, to))
    failpoint('after-rows')
    const refused = refusedForTarget(guilty, taken, this.#keys, this.#plan)
    const naming = { ...this.#plan, names: this.#plan.columns }
    const settled = settle(batch, this.#merged.guilty(refused), this.#merged, naming)
    const { from } = batch
    if (replay) await saveReplay(this.#connection, NOW, 'sqlite', this.#plan, settled, replay, from)
    else await saveBatch(this.#connection, NOW, 'sqlite', this.#plan, settled, from, to)
    return settled.outcome
  }

  /**
   * Waits for other writers here, where nothing is lost by it. BEGIN IMMEDIATE would look at the stages, too, which take their rows later
   * (https://sqlite.org/lang_transaction.html).
   */
  #begin(): void {
    this.#connection.db.exec('BEGIN')
    this.#lock.run()
  }

  /** Commits the transaction. */
  end(): void {
    failpoint('before-commit')
    this.#connection.db.exec('COMMIT')
    failpoint('after-commit')
  }

  /** Rolls the transaction back. */
  undo(): void {
    const { db } = this.#connection
    // SQLite may have done it by itself: https://sqlite.org/lang_transaction.html#response_to_errors_within_a_transaction
    if (db.isTransaction) db.exec('ROLLBACK')
  }

  close(): void {
    for (const stage of this.#stages) stage.close()
  }

  /** Where the unique index of the key was not there: somebody else may have built it since. */
  #lookForKey(): void {
    const { conflict, columns } = this.#plan
    if (!conflict?.late || this.#merge) return
    const { db } = this.#connection
    if (hasKey(db, this.#table, conflict.key)) this.#merge = new Merge(db, this.#table, conflict, columns)
  }

  /** Loads the rows of rank `from` up to `to`, or changes nothing and says why. */
  #attempt(batch: Batch, from: number, to: number): Refusal | undefined {
    const { db } = this.#connection
    let refusal: Refusal | undefined
    // A trigger's RAISE(FAIL) leaves what its statement did before.
    db.exec('SAVEPOINT attempt')
    try {
      const done = this.#bringIn(from, to)
      refusal = 'refusal' in done ? done.refusal : this.#foreignKeys?.refuse(batch, from, to)
      if (!refusal && 'tallies' in done) for (const tally of done.tallies) this.#merged.add(tally)
    } catch (error) {
      if (!(isSqliteError(error) && this.#isData(error))) throw error
      refusal = this.#refusal(error)
    }
    if (!refusal) {
      db.exec('RELEASE attempt')
      this.#loaded.push({ from, to })
    } else if (db.isTransaction) db.exec('ROLLBACK TO attempt; RELEASE attempt')
    else this.#loadAgain()
    return refusal
  }

  #bringIn(from: number, to: number): { refusal: Refusal } | { tallies: Tally[] } {
    const tallies: Tally[] = []
    let lost = 0
    for (const part of this.#parts(from, to)) {
      const done = this.#bringInPart(part)
      if (!done) return { refusal: SEEN_BY_HALVES }
      if (done.tally) tallies.push(done.tally)
      lost += done.lost
    }
    const refusal = leftOut(to - from - lost, to - from)
    return refusal ? { refusal } : { tallies }
  }

  /** The rows from rank `from` up to `to`, cut where one goes in by itself. Those that are not to go in are left out. */
  *#parts(from: number, to: number): Generator<Part> {
    let next = from
    for (const { rank, record } of this.#apart) {
      if (rank < from) continue
      if (rank >= to) break
      if (next < rank) yield { from: next, to: rank }
      if (record) yield { from: rank, to: rank + 1, record }
      next = rank + 1
    }
    if (next < to) yield { from: next, to }
  }

  #bringInPart({ from, to, record }: Part): { lost: number; tally?: Tally } | undefined {
    if (record) return this.#bringInOne(from, record)
    if (this.#merge) return this.#merge.range(from, to)
    return { lost: to - from - changes(this.#insertRange.run(from + 1, to)) }
  }

  /** A row that is too big for a page. Its texts are up to 16 MB of garbage then, of which V8 would let several wait. */
  #bringInOne(rank: number, record: Uint8Array): { lost: number; tally?: Tally } | undefined {
    try {
      const values = decodeRecord(record)
      return this.#merge ? this.#merge.row(rank, values) : { lost: 1 - changes(this.#insertOne.run(...values)) }
    } finally {
      if (record.length > MOST_GARBAGE) collectGarbage()
    }
  }

  /** A trigger's RAISE(ROLLBACK) has undone the whole transaction. */
  #loadAgain(): void {
    this.#begin()
    for (const { from, to } of this.#loaded) this.#bringIn(from, to)
  }

  #isData(error: SqliteError): boolean {
    return classify(error) === 'data' || (error.errcode === GENERIC_ERROR && this.#compiles())
  }

  #compiles(): boolean {
    try {
      this.#connection.db.prepare(this.#insertRange.sourceSQL)
      return true
    } catch (error) {
      // The table or a column of it is gone.
      if (isSqliteError(error)) return false
      throw error
    }
  }

  #refusal(error: SqliteError): Refusal {
    const { message } = error
    const place = /(?:constraint failed:|column) (.*)$/s.exec(message)?.[1]
    // Of several columns, the first; names may hold commas and dots, so they are looked for instead of cut out.
    const column = this.#plan.columns.find((name) => {
      const full = `${this.#table}.${name}`
      return place === full || place?.startsWith(`${full}, ${this.#table}.`)
    })
    return {
      code: rejectCode(error),
      message: message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT)}…`.toWellFormed() : message,
      column: column ?? null,
      waits: this.#refersToItself && error.errcode === FOREIGN_KEY,
    }
  }
}

/** Node's way to V8's own, without a flag at the start of the process. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

/** Without triggers and foreign keys. */
function isPlain(db: DatabaseSync, table: string): boolean {
  const found = db.prepare(
    `SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = $1 COLLATE NOCASE
     UNION ALL SELECT 1 FROM pragma_foreign_key_list($1, 'main') LIMIT 1`,
  )
  return found.get({ $1: table }) === undefined
}

/** Beside the tree of the rows itself, in which an INTEGER PRIMARY KEY is. */
function hasIndex(db: DatabaseSync, table = ''): boolean {
  return db.prepare(`SELECT 1 FROM pragma_index_list(?, 'main') LIMIT 1`).get(table) !== undefined
}

function hasKey(db: DatabaseSync, table: string, key: string[]): boolean {
  const indexes = db.prepare(
    `SELECT (SELECT json_group_array(i.name ORDER BY i.seqno) FROM pragma_index_info(l.name, 'main') i) AS columns
       FROM pragma_index_list(?, 'main') l WHERE l."unique" AND NOT l.partial`,
  )
  return indexes.all(table).some(({ columns }) => columns === JSON.stringify(key))
}

/** Rows that the statement itself put in, not its triggers (https://sqlite.org/c3ref/changes.html). */
function changes({ changes }: StatementResultingChanges): number {
  return Number(changes)
}

function rowsApart({ large }: Batch, taken: TakenRow[]): { rank: number; record?: Uint8Array }[] {
  if (taken.length === 0) return large
  const ranks = new Set(taken.map(({ rank }) => rank))
  return [...large.filter(({ rank }) => !ranks.has(rank)), ...taken.map(({ rank }) => ({ rank }))].sort(
    (a, b) => a.rank - b.rank,
  )
}
