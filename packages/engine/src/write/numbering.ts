import { randomBytes } from 'node:crypto'
import { quoted } from '../table-name.ts'
import type { Conflict, Statement } from './database.ts'

/** Of what stands before the content's hash as long as a row waits. */
const PLACE_DIGITS = 32

/** Rows that wait and have an equal one before them, with their numbers; it lives for one transaction. */
export const TWINS = 'sluice_twins'

/**
 * Equal rows of one load, told apart by their numbers: the content of the first one is told by its hash, that of the n-th by `hash:n`. So a
 * load of the same rows finds all of them there, and adds none.
 *
 * They are counted by the database, when all of them wait in one table: then no number depends on batches, kills and resumes, and no memory on
 * how many there are. Until then a place stands before the hash, which keeps the rows apart under the unique index that this table
 * has as well, and tells their order.
 */
export class Numbering {
  /** Holds the hashes. */
  readonly column: string
  /** Of the target, gets the current time where a row is there already. */
  readonly renews: string | undefined
  // Ascending in the source's order, also behind a resume, so that the index only grows at its end. Nobody else has the lease, and a clock that
  // goes back costs the order and nothing else.
  readonly #run = Date.now().toString(16).padStart(12, '0') + randomBytes(4).toString('hex')
  #rows = 0

  constructor({ key, renews }: Pick<Conflict, 'key' | 'renews'>) {
    this.column = key[0]!
    this.renews = renews
  }

  /** A hash, behind a place that no other row of the job has. */
  readonly placed = (digest: string): string => {
    this.#rows++
    return this.#run + this.#rows.toString(16).padStart(PLACE_DIGITS - this.#run.length, '0') + digest
  }

  /** Counts the twins of a table. To be called before {@link numbered} is used. */
  counting(staging: string): Statement[] {
    const hash = `substr(${quoted(this.column)}, ${PLACE_DIGITS + 1})`
    const nth = `row_number() OVER (PARTITION BY ${hash} ORDER BY ${quoted(this.column)})`
    return [
      {
        text: `CREATE TEMP TABLE ${TWINS} AS SELECT place, nth FROM (
          SELECT ${quoted(this.column)} AS place, ${nth} AS nth FROM ${staging}) AS counted WHERE nth > 1`,
      },
    ]
  }

  /** What is behind FROM for the rows of a table, called `s`, with their numbers, and what the target's column gets then. */
  numbered(staging: string): { rows: string; hash: string } {
    const column = `s.${quoted(this.column)}`
    return {
      rows: `${staging} s LEFT JOIN ${TWINS} twin ON twin.place = ${column}`,
      hash: `substr(${column}, ${PLACE_DIGITS + 1}) || coalesce(':' || twin.nth, '')`,
    }
  }

  get clearing(): Statement {
    return { text: `DROP TABLE ${TWINS}` }
  }
}
