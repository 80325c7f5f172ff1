import { dirname, resolve } from 'node:path'
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { SluiceError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { Sql, SqlValue } from '../database.ts'

/** Statements that stay compiled; those of a load are a handful. */
const KEPT_STATEMENTS = 32
/**
 * Of the database's pages, in KiB. With a unique index on random text, batches of 50,000 rows took 1,740 ms of CPU per 400,000
 * rows with SQLite's default of 2,000, 1,550 with 8,000, 1,320 with 16,000 and 1,270 with 32,000; without one all are equal. 16,000 made
 * the process 8 MB larger, beyond the 128 MB that a load is to take.
 */
const CACHE = 8_000

/** An open file. Its methods throw what node:sqlite throws. */
export class Connection implements Sql {
  readonly db: DatabaseSync
  /** Where the file is; for one in memory null. */
  readonly folder: string | null
  readonly #statements = new Map<string, StatementSync>()

  /**
   * @param path Made when it is missing. The journal mode stays as the file has it.
   * @param busyTimeout How long to wait for another process's lock, in ms.
   * @throws SluiceError SLUICE_CONNECT
   */
  constructor(path: string, busyTimeout: number) {
    this.folder = path === ':memory:' ? null : dirname(resolve(path))
    try {
      this.db = new DatabaseSync(path, { timeout: busyTimeout, enableForeignKeyConstraints: true })
    } catch (cause) {
      throw unusable(path, cause)
    }
    try {
      this.db.exec(`PRAGMA synchronous = FULL; PRAGMA main.cache_size = -${CACHE}`)
      // SQLite reads the file only now, and says so when it is something else.
      this.db.prepare('SELECT count(*) FROM main.sqlite_schema').get()
    } catch (cause) {
      this.db.close()
      throw unusable(path, cause)
    }
  }

  async query<Row = Record<string, SqlValue>>(text: string, params: SqlValue[] = []): Promise<Row[]> {
    failpoint('sqlite-query')
    const named = Object.fromEntries(params.map((value, i) => [`$${i + 1}`, toSqlite(value)]))
    return this.#statement(text).all(named).map(fromSqlite) as Row[]
  }

  close(): void {
    this.#statements.clear()
    this.db.close()
  }

  #statement(text: string): StatementSync {
    const kept = this.#statements.get(text)
    if (kept) return kept
    const statement = this.db.prepare(text)
    statement.setReadBigInts(true)
    const [oldest] = this.#statements.keys()
    if (oldest !== undefined && this.#statements.size === KEPT_STATEMENTS) this.#statements.delete(oldest)
    this.#statements.set(text, statement)
    return statement
  }
}

/** node:sqlite binds every number as REAL, and no boolean. */
function toSqlite(value: SqlValue): SQLInputValue {
  if (typeof value === 'boolean') return value ? 1n : 0n
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value
}

/** Integers are read as bigint, because node:sqlite throws at one that a number cannot hold. */
function fromSqlite(row: Record<string, SqlValue>): Record<string, SqlValue> {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value !== 'bigint') continue
    const number = Number(value)
    if (Number.isSafeInteger(number)) row[name] = number
  }
  return row
}

function unusable(path: string, cause: unknown): SluiceError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SluiceError(
    'SLUICE_CONNECT',
    `Cannot open ${path} as an SQLite database: ${why}. Check the path, the folder, and your rights to both`,
    { cause },
  )
}
