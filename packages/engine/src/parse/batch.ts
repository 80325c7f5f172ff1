import type { Reject } from '../reject/reject.ts'
import type { Position } from './position.ts'

/**
 * Records that are committed in one transaction: the rows in the database's own form, and the records refused before
 * it saw them. Everything is in memory that threads can share, so a batch is handed over without a copy.
 */
export interface Batch {
  /** Rows in `output`. A row's rank in the batch counts from 0. */
  rows: number
  /**
   * The rows, encoded. `pg-binary`: tuples of the binary COPY format without its header and trailer. `pg-text`: lines of
   * the text COPY format. `sqlite-page`: whole 64 KiB leaf pages of a table b-tree, rowid = rank + 1.
   */
  output: Uint8Array<SharedArrayBuffer>
  /** `sqlite-page` only: rows too big for a page, as SQLite records (header and body), in order of rank; their rowids are missing from the pages. */
  large: { rank: number; record: Uint8Array }[]
  /** The source's bytes from `from` to `to`. */
  input: Uint8Array<SharedArrayBuffer>
  /** For each row, by rank, where its record begins in `input`. */
  rowStarts: Uint32Array<SharedArrayBuffer>
  /** Records refused by the checks, in order. */
  rejects: Reject[]
  from: Position
  to: Position
}
