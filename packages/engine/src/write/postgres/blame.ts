import type { DatabaseError } from 'pg'
import type { Sql } from '../database.ts'
import type { Refusal } from '../isolate.ts'
import { reason, rejectCode } from './errors.ts'

/** Characters of a message that are kept: PostgreSQL repeats a refused value in full. */
const MESSAGE_LIMIT = 1_000

const FOREIGN_KEY_VIOLATION = '23503'

/** Reads from data errors what is known of the row: its rank, its column, what to call it. For one table. */
export class Blame {
  readonly #oid: number
  readonly #table: string
  readonly #columns: Set<string>
  readonly #refersToItself: boolean
  /** First column of each constraint and unique index that was violated so far. */
  readonly #firstColumns = new Map<string, string | null>()

  constructor({ oid, refersToItself }: { oid: number; refersToItself: boolean }, table: string, columns: string[]) {
    this.#oid = oid
    this.#refersToItself = refersToItself
    this.#table = table
    this.#columns = new Set(columns)
  }

  /** `from`: rank of the statement's first row. */
  async refusal(sql: Sql, error: DatabaseError, from: number): Promise<Refusal> {
    const place = this.#place(error.where ?? '')
    const column = error.column ?? place?.column ?? (await this.#firstColumn(sql, error))
    const message = reason(error)
    return {
      code: rejectCode(error),
      message: message.length > MESSAGE_LIMIT ? `${message.slice(0, MESSAGE_LIMIT)}…`.toWellFormed() : message,
      // A trigger may have failed in another table.
      column: column !== null && this.#columns.has(column) ? column : null,
      row: place === undefined ? undefined : from + place.line - 1,
      waits: this.#refersToItself && error.code === FOREIGN_KEY_VIOLATION,
    }
  }

  /** From "COPY t, line 3, column c: …", in whatever language the server speaks; undefined where it says no such thing. */
  #place(where: string): { line: number; column: string | null } | undefined {
    const prefix = `COPY ${this.#table}, `
    const copy = where.split('\n').find((line) => line.startsWith(prefix))
    const words = copy === undefined ? null : /^\S+ (\d+)(?:, \S+ (.+?))?(?:: |$)/s.exec(copy.slice(prefix.length))
    return words === null ? undefined : { line: Number(words[1]), column: words[2] ?? null }
  }

  async #firstColumn(sql: Sql, { schema, table, constraint }: DatabaseError): Promise<string | null> {
    if (schema === undefined || table === undefined || constraint === undefined) return null
    const key = JSON.stringify([schema, table, constraint])
    const known = this.#firstColumns.get(key)
    if (known !== undefined) return known
    // The server names the partition that holds the row. A unique index may have no constraint.
    const [found] = await sql.query<{ name: string }>(
      `WITH relation AS (
         SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = $1 AND c.relname = $2 AND $4::oid IN (c.oid, pg_catalog.pg_partition_root(c.oid))
       ), violated AS (
         SELECT conrelid AS relation, conkey[1] AS column FROM pg_catalog.pg_constraint WHERE conname = $3
         UNION ALL
         SELECT i.indrelid, i.indkey[0] FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE c.relname = $3
       )
       SELECT a.attname AS name FROM violated v JOIN relation r ON r.oid = v.relation
       JOIN pg_catalog.pg_attribute a ON a.attrelid = v.relation AND a.attnum = v.column LIMIT 1`,
      [schema, table, constraint, this.#oid],
    )
    const name = found?.name ?? null
    this.#firstColumns.set(key, name)
    return name
  }
}
