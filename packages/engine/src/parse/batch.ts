import type { Reject } from '../reject/reject.ts'
import { type Position, START } from './position.ts'

/**
 * Records that are committed in one transaction: the rows in the database's own form, and the records refused before
 * it saw them. Its memory may be shared between threads, so that a batch is handed over without a copy.
 */
export interface Batch {
  /** Rows in `output`. A row's rank in the batch counts from 0. */
  rows: number
  /**
   * The rows, encoded. `pg-binary`: tuples of the binary COPY format without its header and trailer. `pg-text`: lines of
   * the text COPY format. `sqlite-page`: whole 64 KiB leaf pages of a table b-tree, rowid = rank + 1.
   */
  output: Uint8Array
  /** `sqlite-page` only: rows too big for a page, as SQLite records (header and body), in order of rank; their rowids are missing from the pages. */
  large: { rank: number; record: Uint8Array }[]
  /** The source's bytes from `from` to `to`; at the end of the batch they may lack those of one oversized, rejected record. */
  input: Uint8Array
  /** For each row, by rank, where its record begins in `input`. */
  rowStarts: Uint32Array
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
  readonly #starts: Bytes
  /** The records of `large`, one behind the other: a thread that gets them shares the memory, which may be that of a 16 MB record. */
  readonly #large: Bytes
  #rows = 0
  #mostRecords: number

  /**
   * @param shared Whether threads share the memory. V8 copies into shared memory word by word, at a third of the speed: 19 % of the
   *   time of the kernel and its binding.
   */
  constructor(limits: BatchLimits, shared: boolean) {
    this.#limits = limits
    this.#mostRecords = limits.records
    // A quarter more than the limit, so that the records that pass it need no second, larger area. Pages that are
    // never touched take no memory.
    this.#output = new Bytes(limits.bytes * 1.25, shared)
    this.#input = new Bytes(limits.bytes * 1.25, shared)
    this.#starts = new Bytes(Math.min(limits.records, 65_536) * 4, shared)
    this.#large = new Bytes(0, shared)
  }

  get rows(): number {
    return this.#rows
  }

  get output(): Uint8Array {
    return this.#output.used
  }

  get input(): Uint8Array {
    return this.#input.used
  }

  get rowStarts(): Uint32Array {
    const { buffer, byteOffset } = this.#starts.used
    return new Uint32Array(buffer, byteOffset, this.#rows)
  }

  get records(): number {
    return this.#rows + this.rejects.length
  }

  get recordsLeft(): number {
    return this.#mostRecords - this.records
  }

  get isEmpty(): boolean {
    // What closes an array of JSON is passed without being kept.
    return this.records === 0 && this.#input.used.length === 0 && this.to.byte === this.from.byte
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
    this.#large.clear()
    this.isClosed = false
    this.#output.clear()
    this.#starts.clear()
    this.#input.clear()
    this.from = from
    this.to = from
  }

  /** Appends source bytes. */
  addInput(bytes: Buffer): void {
    this.#input.append(bytes)
  }

  addOutput(bytes: Buffer): void {
    this.#output.append(bytes)
  }

  /** Appends rows, by where their records begin in `input`. */
  addRows(starts: Uint32Array): void {
    this.#starts.append(Buffer.from(starts.buffer, starts.byteOffset, starts.byteLength))
    this.#rows += starts.length
  }

  /** The row added last does not fit a page. */
  addLarge(record: Buffer): void {
    this.#large.append(record)
    this.large.push({ rank: this.#rows - 1, record: this.#large.used.subarray(-record.length) })
  }

  addReject(reject: Reject): void {
    this.rejects.push(reject)
  }
}

/** What a parser needs of a batch. */
export interface BatchSink
  extends Pick<
    BatchBuffer,
    'isFull' | 'isClosed' | 'recordsLeft' | 'to' | 'addInput' | 'addOutput' | 'addRows' | 'addLarge' | 'addReject'
  > {
  readonly input: { readonly length: number }
}

/** Bytes that grow by doubling. */
class Bytes {
  readonly #shared: boolean
  #bytes: Buffer
  #length = 0

  constructor(capacity: number, shared: boolean) {
    this.#shared = shared
    this.#bytes = this.#allocate(capacity)
  }

  /** Not a Buffer, whose slice() would be a view of memory that is used again. */
  get used(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset, this.#length)
  }

  append(bytes: Buffer): void {
    const length = this.#length + bytes.length
    if (length > this.#bytes.length) {
      const larger = this.#allocate(Math.max(this.#bytes.length * 2, length))
      this.#bytes.copy(larger, 0, 0, this.#length)
      this.#bytes = larger
    }
    bytes.copy(this.#bytes, this.#length)
    this.#length = length
  }

  clear(): void {
    this.#length = 0
  }

  #allocate(size: number): Buffer {
    return this.#shared ? Buffer.from(new SharedArrayBuffer(size)) : Buffer.allocUnsafeSlow(size)
  }
}
