import { SluiceError } from '../errors.ts'
import { RAW_LIMIT, type Reject } from '../reject/reject.ts'
import type { BatchBuffer, BatchSink } from './batch.ts'
import { Parser, type ParserOptions } from './parser.ts'
import { type Position, START } from './position.ts'

/** Where a record stands in the source. */
export interface PlacedRecord extends Pick<Reject, 'record' | 'line' | 'byteOffset'> {
  /** The whole record without its line end; valid until {@link Detour.run}. */
  bytes: Uint8Array
}

/**
 * A parser that single records are given to, each in a form of its own. What becomes of them goes to a batch of the
 * source, by their places there: to the parser this is a batch, to the batch a parser.
 */
export class Detour implements BatchSink {
  readonly #parser: Parser
  /** By the offset at which the record begins in what the parser is given at once. */
  readonly #places = new Map<number, PlacedRecord>()
  #batch: BatchBuffer | undefined
  #waiting: Uint8Array[] = []
  /** Bytes in `#waiting`. */
  #added = 0
  /** Offset of the first of them in all that the parser was ever given. */
  #base = 0
  /** Those of them that the parser is done with. */
  readonly input = { length: 0 }
  // What is given has to come back at once; whether it fits was seen to before.
  isFull = false
  isClosed = false
  to: Position = START

  constructor(options: Omit<ParserOptions, 'position'>) {
    this.#parser = new Parser({ ...options, position: START })
  }

  get recordsLeft(): number {
    return this.#places.size
  }

  /** Bytes that wait for {@link run}. */
  get waiting(): number {
    return this.#added
  }

  /** Adds a whole record, its line end included. */
  add(record: Uint8Array, place: PlacedRecord): void {
    this.#places.set(this.#added, place)
    this.#waiting.push(record)
    this.#added += record.length
  }

  /** Checks what was added; rows and rejects go to `batch`. With `end` nothing may be added any more. */
  run(batch: BatchBuffer, end = false): void {
    this.#batch = batch
    let bytes: Uint8Array = Buffer.concat(this.#waiting, this.#added)
    while (bytes.length > 0) {
      bytes = bytes.subarray(this.#parser.push(bytes))
      this.#parser.fill(this, true)
    }
    if (end) {
      this.#parser.end()
      this.#parser.fill(this)
    }
    if (this.#places.size > 0) throw new SluiceError('SLUICE_INTERNAL', 'A record that map was given has no fate')
    this.#waiting = []
    this.#base += this.#added
    this.#added = 0
    this.input.length = 0
  }

  /** Completes the batch's pages. */
  close(batch: BatchBuffer): void {
    this.#batch = batch
    this.#parser.close(this)
  }

  addInput(bytes: Buffer): void {
    this.input.length += bytes.length
  }

  addOutput(bytes: Buffer): void {
    this.#batch?.addOutput(bytes)
  }

  addRows(starts: Uint32Array): void {
    const from = this.#batch?.from.byte ?? 0
    this.#batch?.addRows(starts.map((start) => this.#placeOf(start).byteOffset - from))
  }

  addLarge(record: Buffer): void {
    this.#batch?.addLarge(record)
  }

  addReject({ byteOffset, errors }: Reject): void {
    this.#batch?.addReject(rejectAt(this.#placeOf(byteOffset - this.#base), errors))
  }

  #placeOf(start: number): PlacedRecord {
    const place = this.#places.get(start)
    if (!place) throw new SluiceError('SLUICE_INTERNAL', `No record was given to the checks at offset ${start}`)
    this.#places.delete(start)
    return place
  }
}

export function rejectAt({ bytes, ...place }: PlacedRecord, errors: Reject['errors']): Reject {
  return { ...place, errors, raw: Buffer.from(bytes.subarray(0, RAW_LIMIT)), rawLength: bytes.length }
}
