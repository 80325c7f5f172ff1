import type { Reason } from '../reject/messages.ts'
import { RAW_LIMIT } from '../reject/reject.ts'
import type { Dialect } from './dialect.ts'

const LF = 10
const CR = 13

/** What the scanner found before the buffer was full; without a reason the line is a comment. */
export interface EndlessFound {
  reason: Reason | undefined
  cell: number
  /** Line ends in the bytes at hand: those inside quotes. */
  lines: number
  /** In JSON a CR is white space, and part of a line end only before a LF. */
  isJson: boolean
}

/**
 * A record that is longer than the buffer and whose physical line goes on: only its first bytes and its length are kept,
 * while `pass` looks for the line end.
 */
export class EndlessLine {
  readonly found: EndlessFound
  /** Bytes without the line end; settled once it is `complete`, or the source has ended. */
  length: number
  lineEndLength = 0
  /** Whether a line end was seen; CRs before the source's end are bytes of one, and end no physical line. */
  complete = false
  /** Line ends before the one that ends the line. */
  readonly lines: number
  /** What stands between the record before and this one, and the line ends in it. */
  readonly before: Buffer = Buffer.alloc(0)
  readonly linesBefore = 0
  readonly #lineEnd: Dialect['lineEnd']
  /** CRs at the end of what was seen: part of the line end if a LF follows. */
  #returns: number
  readonly #first = Buffer.alloc(RAW_LIMIT)
  #kept = 0

  constructor(bytes: Uint8Array, lineEnd: Dialect['lineEnd'], found: EndlessFound) {
    this.found = found
    this.length = 0
    this.#add(bytes)
    this.#lineEnd = lineEnd
    this.#returns = lineEnd === 'cr' ? 0 : trailingReturns(bytes)
    this.lines = found.lines - (lineEnd === 'any' ? this.#returns : 0)
  }

  /** The first bytes, without the line end. */
  get raw(): Uint8Array {
    return this.#first.subarray(0, Math.min(this.length, this.#kept))
  }

  /** Bytes so far, a line end among them. */
  get passed(): number {
    return this.length + this.lineEndLength
  }

  /** The source has ended: what was seen last is settled. */
  end(): void {
    if (this.complete || this.#returns === 0 || this.found.isJson) return
    const isAny = this.#lineEnd === 'any'
    this.lineEndLength = isAny ? 1 : this.#returns
    this.length -= this.lineEndLength
    this.complete = isAny
  }

  /** Takes bytes up to the line end; returns how many belong to this line. */
  pass(bytes: Uint8Array): number {
    if (this.complete || bytes.length === 0) return 0
    if (this.#lineEnd === 'any') return this.#passAny(bytes)
    const at = bytes.indexOf(this.#lineEnd === 'cr' ? CR : LF)
    const content = at === -1 ? bytes : bytes.subarray(0, at)
    if (this.#lineEnd === 'lf') {
      const returns = trailingReturns(content)
      this.#returns = returns === content.length ? this.#returns + returns : returns
    }
    this.#add(content)
    if (at === -1) return bytes.length
    this.length -= this.#returns
    this.lineEndLength = this.#returns + 1
    this.complete = true
    return at + 1
  }

  #passAny(bytes: Uint8Array): number {
    if (this.#returns > 0) {
      // A CR was the last byte seen: the line has ended, and a LF would be its other half.
      const pair = bytes[0] === LF
      this.length -= 1
      this.lineEndLength = pair ? 2 : 1
      this.complete = true
      return pair ? 1 : 0
    }
    const at = bytes.findIndex((byte) => byte === LF || byte === CR)
    if (at === -1) {
      this.#add(bytes)
      return bytes.length
    }
    if (bytes[at] === CR && at + 1 === bytes.length) {
      this.#add(bytes)
      this.#returns = 1
      return bytes.length
    }
    this.#add(bytes.subarray(0, at))
    this.lineEndLength = bytes[at] === CR && bytes[at + 1] === LF ? 2 : 1
    this.complete = true
    return at + this.lineEndLength
  }

  #add(bytes: Uint8Array): void {
    if (this.#kept < RAW_LIMIT) {
      const first = bytes.subarray(0, RAW_LIMIT - this.#kept)
      this.#first.set(first, this.#kept)
      this.#kept += first.length
    }
    this.length += bytes.length
  }
}

function trailingReturns(bytes: Uint8Array): number {
  let count = 0
  while (count < bytes.length && bytes[bytes.length - 1 - count] === CR) count++
  return count
}
