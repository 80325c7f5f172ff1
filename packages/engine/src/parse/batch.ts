import type { Reject } from '../reject/reject.ts'
import { type Position, START } from './position.ts'

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
  /** The source's bytes from `from` to `to`; at the end of the batch they may lack those of one oversized, rejected record. */
  input: Uint8Array<SharedArrayBuffer>
  /** For each row, by rank, where its record begins in `input`. */
  rowStarts: Uint32Array<SharedArrayBuffer>
  /** Records refused by the checks, in order. */
  rejects: Reject[]
  from: Position
  to: Position
}

export interface BatchLimits {
  /** Records, rows and rejects together. */
  records: number
  /** Bytes of the source. */
  bytes: number
}

/** A batch under construction. Its memory is used again for the next one. */
export class BatchBuffer implements Batch {
  large: Batch['large'] = []
  rejects: Reject[] = []
  from: Position = START
  to: Position = START
  /** No further record may join. */
  isClosed = false
  readonly #limits: BatchLimits
  readonly #output: Bytes
  readonly #input: Bytes
  #starts: Uint32Array<SharedArrayBuffer>
  #rows = 0
  #mostRecords: number

  constructor(limits: BatchLimits) {
    this.#limits = limits
    this.#mostRecords = limits.records
    // A quarter more than the limit, so that the records that pass it need no second, larger area. Pages that are
    // never touched take no memory.
    this.#output = new Bytes(limits.bytes * 1.25)
    this.#input = new Bytes(limits.bytes * 1.25)
    this.#starts = new Uint32Array(new SharedArrayBuffer(Math.min(limits.records, 4096) * 4))
  }

  get rows(): number {
    return this.#rows
  }

  get output(): Uint8Array<SharedArrayBuffer> {
    return this.#output.used
  }

  get input(): Uint8Array<SharedArrayBuffer> {
    return this.#input.used
  }

  get rowStarts(): Uint32Array<SharedArrayBuffer> {
    return this.#starts.subarray(0, this.#rows)
  }

  get records(): number {
    return this.#rows + this.rejects.length
  }

  get recordsLeft(): number {
    return this.#mostRecords - this.records
  }

  get isEmpty(): boolean {
    return this.records === 0 && this.#input.used.length === 0
  }

  get isFull(): boolean {
    return (
      this.isClosed ||
      this.records >= this.#mostRecords ||
      this.#input.used.length >= this.#limits.bytes ||
      this.#output.used.length >= 2 * this.#limits.bytes
    )
  }

  /** Empties the batch; it starts at `from`, and may hold fewer records than its limit. */
  begin(from: Position, mostRecords = this.#limits.records): void {
    this.#mostRecords = Math.min(mostRecords, this.#limits.records)
    this.#rows = 0
    this.rejects = []
    this.large = []
    this.isClosed = false
    this.#output.clear()
    this.#input.clear()
    this.from = from
    this.to = from
  }

  /** Appends source bytes; returns the offset at which they stand. */
  addInput(bytes: Uint8Array): number {
    return this.#input.append(bytes)
  }

  addOutput(bytes: Uint8Array): void {
    this.#output.append(bytes)
  }

  addRow(start: number): void {
    if (this.#rows === this.#starts.length) {
      const larger = new Uint32Array(new SharedArrayBuffer(this.#rows * 8))
      larger.set(this.#starts)
      this.#starts = larger
    }
    this.#starts[this.#rows++] = start
  }

  /** The row added last does not fit a page. */
  addLarge(record: Uint8Array): void {
    this.large.push({ rank: this.#rows - 1, record })
  }

  addReject(reject: Reject): void {
    this.rejects.push(reject)
  }
}

/** Bytes that grow by doubling. */
class Bytes {
  #bytes: Uint8Array<SharedArrayBuffer>
  #length = 0

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(new SharedArrayBuffer(capacity))
  }

  get used(): Uint8Array<SharedArrayBuffer> {
    return this.#bytes.subarray(0, this.#length)
  }

  append(bytes: Uint8Array): number {
    const at = this.#length
    this.#length += bytes.length
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(new SharedArrayBuffer(Math.max(this.#bytes.length * 2, this.#length)))
      larger.set(this.#bytes.subarray(0, at))
      this.#bytes = larger
    }
    this.#bytes.set(bytes, at)
    return at
  }

  clear(): void {
    this.#length = 0
  }
}
