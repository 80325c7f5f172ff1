import { hash } from 'node:crypto'
import { codeOf, cutValue, describeError, REASONS } from '../reject/messages.ts'
import { ERRORS_LIMIT, RAW_LIMIT, type RejectError } from '../reject/reject.ts'
import type { Encoding, Program } from '../schema/program.ts'
import type { BatchSink } from './batch.ts'
import { cellText, extraMember } from './cell-text.ts'
import type { Dialect } from './dialect.ts'
import { EndlessLine } from './endless.ts'
import { faultError, isFault, type SoundRecord } from './fault.ts'
import { EndlessElement, spaceWithoutEnd, truncated } from './json-structure.ts'
import { CONVERT, ERROR_BYTES, Kernel, type KernelHost, REJECT_BYTES, SCAN } from './kernel.ts'
import { type Areas, CARRY, CHUNK } from './kernel-areas.ts'
import { JSON_STATES, setUp } from './kernel-setup.ts'
import { Passage } from './passage.ts'
import type { Position } from './position.ts'
import { MAX_RECORD_BYTES } from './records.ts'

export interface ParserOptions {
  program: Program
  dialect: Dialect
  encoding: Encoding
  /** Longest record in bytes; default 16 MiB. */
  maxRecordBytes?: number
  /** Where in the source the first pushed byte stands, and how many records come before it. */
  position: Position
  /** Whether records were read before: an array of JSON is not at its first element. Default: false. */
  begun?: boolean
  /**
   * Gets the SHA-256 of each record's content where a column is made of it, some of them more than once, and returns what the column is
   * to hold: ASCII, at most 128 characters. Default: the digest itself.
   */
  onDigest?: ((digest: string) => string) | undefined
}

/** What {@link Parser.fill} stopped at. */
export type Filled =
  /** More bytes are needed. */
  | 'input'
  /** The batch is full. */
  | 'full'
  /** The source has ended and everything is in batches. */
  | 'end'

/**
 * Bytes in, batches out: the kernel with its memory. It does no I/O and never waits; `fill` says what it needs.
 *
 * @example
 * batch.begin(parser.position)
 * while ((filled = parser.fill(batch)) !== 'end') {
 *   if (filled === 'input') parser.push(await nextBytes())
 *   else await write(batch).then(() => batch.begin(parser.position))
 * }
 */
export class Parser {
  readonly #program: Program
  readonly #dialect: Dialect
  readonly #encoding: Encoding
  readonly #maxRecord: number
  readonly #begun: boolean
  readonly #sound: SoundRecord
  readonly #kernel: Kernel
  readonly #areas: Areas
  /** Sentences of users' own checks; the kernel keeps their ordinals. */
  #messages: string[] = []

  readonly #onDigest: (digest: string) => string

  /** Bytes in the input; those before `#taken` are in a batch. */
  #have = 0
  #taken = 0
  #ended = false
  /** Bytes there must be before scanning again makes sense. */
  #needed = 1
  readonly #passage: Passage
  /** Whether anything was ever pushed. */
  #fed = false
  #position: Position

  constructor(options: ParserOptions) {
    const { program, dialect, encoding, maxRecordBytes = MAX_RECORD_BYTES, position, begun = false } = options
    this.#program = program
    this.#dialect = dialect
    this.#encoding = encoding
    this.#maxRecord = maxRecordBytes
    this.#begun = begun
    this.#onDigest = options.onDigest ?? ((digest) => digest)
    this.#sound = { sourceColumns: program.sourceColumns, maxRecordBytes }
    this.#passage = new Passage(this.#sound)
    this.#position = { ...position }
    this.#kernel = new Kernel((kernel) => this.#host(kernel))
    this.#areas = setUp(this.#kernel, options)
  }

  /** Where the next record that is in no batch begins. */
  get position(): Position {
    return this.#position
  }

  /** Where the bytes end that are not kept: no batch ends between {@link position} and here. */
  get passed(): number {
    return this.#position.byte + this.#passage.bytes
  }

  /**
   * Takes as many of the bytes as there is room for, and returns how many. After `fill` said `input` that is at least one, but
   * for bytes that only show that an oversized record has ended before them.
   */
  push(bytes: Uint8Array): number {
    this.#fed = true
    if (this.#passage.isOpen) return this.#passage.push(bytes)
    if (this.#taken > 0) {
      const { input } = this.#areas
      this.#kernel.bytes.copyWithin(input, input + this.#taken, input + this.#have)
      this.#have -= this.#taken
      this.#taken = 0
    }
    const { input, capacity } = this.#areas
    const size = Math.min(bytes.length, capacity - this.#have)
    this.#kernel.bytes.set(size === bytes.length ? bytes : bytes.subarray(0, size), input + this.#have)
    this.#have += size
    return size
  }

  /** Nothing more comes. */
  end(): void {
    this.#ended = true
    this.#needed = 0
  }

  /**
   * Converts what is there into the batch (which was begun at `position`), until it is full or the bytes are used up.
   * A long record that was not complete is looked at again when a quarter more is there; `eager`: now.
   */
  fill(batch: BatchSink, eager = false): Filled {
    const { calls } = this.#kernel
    if (eager) this.#needed = Math.min(this.#needed, 1)
    for (;;) {
      if (batch.isFull) return this.#finish(batch, 'full')
      if (!calls.isIndexEmpty()) {
        this.#convert(batch)
      } else if (this.#passage.isOpen) {
        const { next, position } = this.#passage.settle(batch, this.#position, this.#ended)
        this.#position = position
        if (next === 'input') return 'input'
        if (next === 'cut') return this.#finishCut(batch)
        if (next !== 'over') return this.#finish(batch, next)
        if (this.#isArray) calls.setState(JSON_STATES.separator)
      } else {
        const waiting = this.#have - this.#taken
        if (waiting === 0 && this.#ended) {
          // A checkpoint is at the source's end only if the array was closed there.
          return this.#isArray && (this.#fed || !this.#begun) ? this.#finishCut(batch) : this.#finish(batch, 'end')
        }
        if (waiting < this.#needed) return 'input'
        if (this.#scan(false) === SCAN.truncated) return this.#finishCut(batch)
      }
    }
  }

  /** Ends a batch before it is full, after `fill` said `input`. */
  close(batch: BatchSink): void {
    this.#finish(batch, 'full')
  }

  #scan(careful: boolean): number {
    const { calls } = this.#kernel
    const waiting = this.#have - this.#taken
    const found = calls.scan(this.#taken, this.#have, this.#ended, careful)
    this.#needed = this.#ended ? 0 : 1
    if (found === SCAN.endless) {
      this.#beginEndless()
    } else if (found === SCAN.closed) {
      this.#beginTail()
    } else if (found === SCAN.needMore) {
      // A long record that comes in small pieces must not be scanned anew for each of them.
      const most = this.#maxRecord + CHUNK + CARRY
      this.#needed = Math.min(waiting > CARRY ? waiting + (waiting >> 2) : waiting + 1, most)
      if (waiting >= most) throw spaceWithoutEnd(this.#position, waiting)
      if (this.#needed > this.#areas.capacity) this.#areas.growInput(most, this.#have)
    }
    return found
  }

  #convert(batch: BatchSink): void {
    const { calls } = this.#kernel
    const status = calls.convert(batch.recordsLeft, batch.input.length - this.#taken)
    if (status === CONVERT.grow) {
      this.#areas.growOutput(calls.getWanted(), this.#have)
      return
    }
    this.#take(batch)
    if (status === CONVERT.largeRow) {
      batch.addLarge(this.#kernel.bytes.subarray(calls.getLarge(), calls.getLargeEnd()))
    }
    if (status === CONVERT.rescan) this.#scan(true)
  }

  /** Moves into the batch what became of the input: its bytes, rows, rejects, and whole pages. */
  #take(batch: BatchSink): void {
    const { calls, bytes } = this.#kernel
    const at = calls.getAt()
    const { input, rowStarts } = this.#areas
    batch.addInput(bytes.subarray(input + this.#taken, input + at))
    batch.addRows(new Uint32Array(bytes.buffer, rowStarts, calls.getRows()))
    this.#takeRejects(batch)
    this.#takeOutput(batch)
    const position = this.#position
    this.#position = {
      byte: position.byte + at - this.#taken,
      line: position.line + calls.countLines(this.#taken, at),
      record: position.record + calls.getRecords(),
    }
    this.#taken = at
    this.#messages = []
    calls.listsTaken()
  }

  #takeOutput(batch: BatchSink): void {
    const { calls, bytes } = this.#kernel
    const size = calls.getOut()
    if (size === 0) return
    const { output } = this.#areas
    batch.addOutput(bytes.subarray(output, output + size))
    calls.outputTaken()
  }

  #takeRejects(batch: BatchSink): void {
    const { calls, view } = this.#kernel
    const rejected = calls.getRejected()
    let counted = this.#taken
    let line = this.#position.line
    for (let i = 0; i < rejected; i++) {
      const entry = this.#areas.rejects + i * REJECT_BYTES
      const [start, end, , first, count, ordinal] = Array.from({ length: 6 }, (_, field) =>
        view.getUint32(entry + field * 4, true),
      ) as [number, number, number, number, number, number]
      line += calls.countLines(counted, start)
      counted = start
      const errors = Array.from({ length: count }, (_, error) => this.#error(first + error))
      errors.sort((a, b) => a.cell - b.cell)
      batch.addReject({
        record: this.#position.record + ordinal + 1,
        line,
        byteOffset: this.#position.byte + start - this.#taken,
        errors: errors.slice(0, ERRORS_LIMIT).map(({ error }) => error),
        raw: this.#inputBytes(start, Math.min(end, start + RAW_LIMIT)),
        rawLength: end - start,
      })
    }
  }

  /** The error at `ordinal` of the kernel's list, and the cell by which errors of a record are ordered. */
  #error(ordinal: number): { cell: number; error: RejectError } {
    const { view } = this.#kernel
    const entry = this.#areas.errors + ordinal * ERROR_BYTES
    const which = view.getUint32(entry, true)
    const reason = REASONS[view.getUint32(entry + 4, true) - 1]![0]
    const bytes = this.#inputBytes(view.getUint32(entry + 8, true), view.getUint32(entry + 12, true))
    if (isFault(reason)) return { cell: which, error: faultError(reason, which, this.#sound, bytes.toString()) }
    const text = cellText(bytes, this.#dialect)
    const value = cutValue(text)
    if (reason === 'extra-cell' && this.#dialect.json) return { cell: which, error: extraMember(text) }
    if (reason === 'extra-cell') {
      const detail = { cell: which, expected: this.#program.sourceColumns.length }
      return {
        cell: which,
        error: { column: null, code: codeOf(reason), message: describeError(reason, null, value, detail), value },
      }
    }
    const column = this.#program.columns[which]!
    const message = reason === 'test' ? this.#messages[view.getUint32(entry + 16, true) - 1] : undefined
    const shown = reason === 'missing-cell' || !('cell' in column.from) ? null : value
    return {
      cell: 'cell' in column.from ? column.from.cell : Number.MAX_SAFE_INTEGER,
      error: {
        column: 'cell' in column.from ? this.#program.sourceColumns[column.from.cell]! : column.name,
        code: codeOf(reason),
        message: describeError(reason, column, shown, { message }),
        value: shown,
      },
    }
  }

  #beginEndless(): void {
    const { calls } = this.#kernel
    const line = this.#inputBytes(this.#taken, this.#have)
    const endless = this.#isArray
      ? new EndlessElement(line)
      : new EndlessLine(line, this.#dialect.lineEnd, {
          reason: REASONS[calls.getEndlessReason() - 1]?.[0],
          cell: calls.getEndlessCell(),
          lines: calls.countLines(this.#taken, this.#have),
          isJson: this.#dialect.json !== undefined,
        })
    this.#passage.open(endless)
    this.#have = 0
    this.#taken = 0
  }

  get #isArray(): boolean {
    return this.#dialect.json?.form === 'array'
  }

  #beginTail(): void {
    const from = this.#kernel.calls.getNext()
    const rest = this.#inputBytes(this.#taken, this.#have)
    this.#passage.openTail(this.#dialect.json!.path.length, rest, from - this.#taken)
    this.#have = 0
    this.#taken = 0
  }

  /** The source ends within an array: what came before that is committed first. */
  #finishCut(batch: BatchSink): Filled {
    if (batch.input.length === 0) throw truncated(this.#position)
    this.#needed = 0
    return this.#finish(batch, 'full')
  }

  #finish(batch: BatchSink, result: Filled): Filled {
    const { calls } = this.#kernel
    if (this.#encoding === 'sqlite-page') {
      calls.finishPage()
      this.#takeOutput(batch)
    }
    // Rowids begin anew, and the kernel has not seen the lines of an oversized record.
    calls.setCounters(1n, BigInt(this.#position.line))
    batch.to = this.#position
    return result
  }

  /** A copy of the input from offset `start` to `end`. */
  #inputBytes(start: number, end: number): Buffer {
    const { input } = this.#areas
    return Buffer.from(this.#kernel.bytes.subarray(input + start, input + end))
  }

  #host(kernel: Kernel): KernelHost {
    return {
      parseFloat: (start, end, to) =>
        kernel.view.setFloat64(to, Number(kernel.bytes.toString('latin1', start, end)), true),
      changeCase: (start, end, to, upper) => {
        const text = kernel.bytes.toString('utf8', start, end)
        return kernel.bytes.write(upper ? text.toUpperCase() : text.toLowerCase(), to)
      },
      sha256: (start, end, to) => {
        const digest = hash('sha256', kernel.bytes.subarray(start, end), 'hex')
        return kernel.bytes.write(this.#onDigest(digest), to, 'latin1')
      },
      test: (column, start, end) => {
        const message = this.#program.columns[column]?.test?.(kernel.bytes.toString('utf8', start, end))
        return message === undefined ? 0 : this.#messages.push(message)
      },
    }
  }
}
