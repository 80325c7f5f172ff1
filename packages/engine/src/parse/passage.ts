import type { BatchSink } from './batch.ts'
import { EndlessLine } from './endless.ts'
import { faultError, isFault, type SoundRecord } from './fault.ts'
import { type EndlessElement, JsonTail } from './json-structure.ts'
import type { Filled } from './parser.ts'
import type { Position } from './position.ts'

/** What {@link Passage.settle} came to, and where the source stands then. */
export interface Passed {
  /** `over`: the next record is to be read. `cut`: the source ends within an array. Else as a parser has it. */
  next: 'over' | 'cut' | Filled
  position: Position
}

/**
 * Bytes that a parser passes over and does not keep: those of a record that no buffer can hold, or of what stands behind an array of JSON.
 */
export class Passage {
  readonly #sound: SoundRecord
  #endless: EndlessLine | EndlessElement | undefined
  #tail: JsonTail | undefined

  constructor(sound: SoundRecord) {
    this.#sound = sound
  }

  get isOpen(): boolean {
    return this.#endless !== undefined || this.#tail !== undefined
  }

  /** Whether it is what stands behind an array. */
  get isTail(): boolean {
    return this.#tail !== undefined
  }

  /** How many so far. */
  get bytes(): number {
    return this.#endless?.passed ?? this.#tail?.passed ?? 0
  }

  /** Begins to look for the end of a record. */
  open(endless: EndlessLine | EndlessElement): void {
    this.#endless = endless
  }

  /**
   * The array has ended.
   * @param depth brackets around it
   * @param closed bytes up to its own bracket, that one included
   */
  openTail(depth: number, bytes: Uint8Array, closed: number): void {
    this.#tail = new JsonTail(depth)
    this.#tail.pass(bytes, closed)
  }

  /** Takes as many of the bytes as belong to it, and returns how many. */
  push(bytes: Uint8Array): number {
    return this.#endless?.pass(bytes) ?? this.#tail!.pass(bytes)
  }

  /**
   * Looks whether it is over; a record goes to the rejects then, and what it took of the source into the position.
   * @throws SluiceError SLUICE_CORRUPT for what may not stand behind an array
   */
  settle(batch: BatchSink, position: Position, ended: boolean): Passed {
    if (this.#endless) return this.#settleRecord(this.#endless, batch, position, ended)
    const tail = this.#tail!
    const isBroken = tail.isBroken(ended)
    if (!(ended || isBroken)) return { next: 'input', position }
    // What came before is committed first.
    if (isBroken && batch.input.length > 0) return { next: 'full', position }
    return { next: 'end', position: tail.end(position) }
  }

  /** The bytes of the record are gone, so the batch, whose input has no gaps, ends with it. */
  #settleRecord(endless: EndlessLine | EndlessElement, batch: BatchSink, position: Position, ended: boolean): Passed {
    const isLine = endless instanceof EndlessLine
    if (!(endless.complete || ended)) return { next: 'input', position }
    if (!(endless.complete || isLine)) return { next: 'cut', position }
    if (isLine) endless.end()
    const byte = position.byte + endless.before.length
    const line = position.line + endless.linesBefore
    const record = position.record + 1
    batch.addInput(endless.before)
    const { reason, cell } = endless.found
    if (reason && isFault(reason)) {
      const errors = [faultError(reason, cell, this.#sound)]
      const { raw, length: rawLength } = endless
      batch.addReject({ record, line, byteOffset: byte, errors, raw, rawLength })
    }
    batch.isClosed = true
    this.#endless = undefined
    return {
      next: 'over',
      position: {
        byte: byte + endless.length + endless.lineEndLength,
        line: line + endless.lines + (isLine && endless.complete ? 1 : 0),
        record: reason ? record : position.record,
      },
    }
  }
}
