import { SluiceError } from '../errors.ts'
import { RAW_LIMIT } from '../reject/reject.ts'
import type { EndlessFound } from './endless.ts'
import type { Position } from './position.ts'

const [LF, QUOTE, COMMA, BACKSLASH] = [0x0a, 0x22, 0x2c, 0x5c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]
const SPACES = [0x20, 0x09, LF, 0x0d]

export const isSpace = (byte: number | undefined): boolean => byte !== undefined && SPACES.includes(byte)

/**
 * Tells where things end in JSON that nobody checks: strings end at a quote that no backslash escapes, and outside of
 * them brackets of both kinds are counted. It can stop after any byte.
 */
class Structure {
  /** Brackets that are open; below 0 where more are closed. */
  depth = 0
  inString = false
  #escaped = false

  /** Takes one byte; true where it is a comma or a bracket outside of strings. */
  take(byte: number): boolean {
    if (this.inString) {
      if (this.#escaped) this.#escaped = false
      else if (byte === BACKSLASH) this.#escaped = true
      else if (byte === QUOTE) this.inString = false
      return false
    }
    if (byte === QUOTE) this.inString = true
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) this.depth++
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) this.depth--
    else return byte === COMMA
    return true
  }
}

/**
 * Where the comma or the bracket stands that ends the broken element which begins at `from`, or `end`. A brace too many is
 * taken for a part of it.
 */
export class ElementEnd {
  readonly #structure = new Structure()

  find(bytes: Uint8Array, from: number, end: number): number {
    const structure = this.#structure
    for (let at = from; at < end; at++) {
      if (!structure.take(bytes[at]!)) continue
      const ends = bytes[at] === COMMA ? structure.depth === 0 : structure.depth < 0
      if (ends && bytes[at] !== CLOSE_OBJECT) return at
      if (structure.depth < 0) structure.depth = 0
    }
    return end
  }
}

/** An element over the size limit: only its first bytes and its length are kept, while `pass` looks for its end. */
export class EndlessElement {
  readonly found: EndlessFound = { reason: 'record-too-large', cell: 0, lines: 0, isJson: true }
  /** What stands between the element before and this one, and the line ends in it. */
  readonly before: Buffer
  readonly linesBefore: number
  /** Bytes of the element, without the white space behind it. */
  length = 0
  /** Bytes of that white space. */
  lineEndLength = 0
  /** Line ends in the element and behind it. */
  lines = 0
  complete = false
  readonly #end = new ElementEnd()
  readonly #first = Buffer.alloc(RAW_LIMIT)
  #kept = 0

  /** @param bytes what is there, from where the element before ended */
  constructor(bytes: Uint8Array) {
    let start = 0
    while (isSpace(bytes[start])) start++
    if (bytes[start] === COMMA) start++
    while (isSpace(bytes[start])) start++
    this.before = Buffer.from(bytes.subarray(0, start))
    this.linesBefore = countLines(this.before)
    this.pass(bytes.subarray(start))
  }

  get raw(): Uint8Array {
    return this.#first.subarray(0, Math.min(this.length, this.#kept))
  }

  get passed(): number {
    return this.before.length + this.length + this.lineEndLength
  }

  /** Takes bytes up to the separator; returns how many. */
  pass(bytes: Uint8Array): number {
    if (this.complete) return 0
    const end = this.#end.find(bytes, 0, bytes.length)
    this.complete = end < bytes.length
    const piece = bytes.subarray(0, end)
    const kept = piece.subarray(0, RAW_LIMIT - this.#kept)
    this.#first.set(kept, this.#kept)
    this.#kept += kept.length
    this.lines += countLines(piece)
    let content = end
    while (content > 0 && isSpace(piece[content - 1])) content--
    if (content > 0) this.length += this.lineEndLength + content
    this.lineEndLength = content > 0 ? end - content : this.lineEndLength + end
    return end
  }
}

/** What follows the array: brackets that close what is around it, what else is in them, and then nothing but white space. */
export class JsonTail {
  #structure = new Structure()
  #bytes = 0
  #lines = 0
  /** Line ends before what should not be there. */
  #followed: number | undefined

  /** @param depth brackets that are open around the array */
  constructor(depth: number) {
    this.#structure.depth = depth
  }

  get passed(): number {
    return this.#bytes
  }

  /** Whether something follows the end, or, where the source has `ended`, the document does not close. */
  isBroken(ended: boolean): boolean {
    return this.#followed !== undefined || (ended && this.#structure.depth > 0)
  }

  /**
   * Takes all of the bytes, and returns how many.
   * @param closed bytes at the beginning up to the array's bracket, it included
   */
  pass(bytes: Uint8Array, closed = 0): number {
    const structure = this.#structure
    this.#lines += countLines(bytes.subarray(0, closed))
    for (const byte of bytes.subarray(closed)) {
      if (byte === LF) this.#lines++
      if (structure.depth > 0) structure.take(byte)
      else if (!isSpace(byte)) this.#followed ??= this.#lines
    }
    this.#bytes += bytes.length
    return bytes.length
  }

  /** The end of the source, which began to close at `position`. @throws SluiceError SLUICE_CORRUPT where it {@link isBroken} */
  end(position: Position): Position {
    const { byte, line } = position
    if (this.#followed !== undefined) {
      throw new SluiceError(
        'SLUICE_CORRUPT',
        `The JSON ends, and on line ${line + this.#followed} something follows; all records before it are loaded. ` +
          'Several documents in one file are read where each is an object on a line of its own (--format ndjson)',
      )
    }
    if (this.#structure.depth > 0) throw truncated({ ...position, line: line + this.#lines })
    return { ...position, byte: byte + this.#bytes, line: line + this.#lines }
  }
}

/** The source ends before its array does. */
export function truncated({ line, record }: Position): SluiceError {
  return new SluiceError(
    'SLUICE_CORRUPT',
    `The JSON is cut off: the array that holds the records is not closed behind record ${record}, whose next one begins ` +
      `on line ${line} or behind it. The records before it are loaded. Either the source is incomplete, or a quote or a ` +
      'bracket is missing in that record',
  )
}

/** White space that no buffer holds, where it may not be passed over before it ends. */
export function spaceWithoutEnd({ line }: Position, bytes: number): SluiceError {
  return new SluiceError('SLUICE_CORRUPT', `More than ${bytes} bytes of white space stand behind line ${line}`)
}

function countLines(bytes: Uint8Array): number {
  let lines = 0
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) lines++
  return lines
}
