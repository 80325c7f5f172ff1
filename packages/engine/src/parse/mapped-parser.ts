import type { Program } from '../schema/program.ts'
import type { BatchBuffer } from './batch.ts'
import { Detour, type PlacedRecord, rejectAt } from './detour.ts'
import { CSV, type Dialect } from './dialect.ts'
import { EndlessLine } from './endless.ts'
import { faultError, type SoundRecord } from './fault.ts'
import { EndlessElement, spaceWithoutEnd, truncated } from './json-structure.ts'
import { csvRecord, type MapRow, RowMapper } from './mapped-row.ts'
import type { Filled, ParserOptions } from './parser.ts'
import { Passage } from './passage.ts'
import type { Position } from './position.ts'
import { MAX_RECORD_BYTES, readRecords, type SourceRecord } from './records.ts'

export interface MappedParserOptions extends ParserOptions {
  map: MapRow
}

/** Bytes read, or made, before they are checked together. */
const CHUNK = 256 * 1024
/** Bytes of an unfinished record from which on it is not read anew for each piece that comes. */
const PATIENCE = 4 * 1024

const CR = 13

/**
 * A {@link Parser} with a user's function before its checks. Records are read into strings, go through the function and, written
 * as CSV, to a parser; positions, rejects and the input of batches are those of the source. A record that is broken as
 * such (a fault, cells too many or too few, a loaded cell that is not UTF-8) does not get to the function: it becomes the reject that it
 * would be without one.
 */
export class MappedParser {
  readonly #dialect: Dialect
  readonly #sound: SoundRecord
  readonly #mapper: RowMapper
  readonly #mapped: Detour
  /** Takes records as they are, those that are broken as such. Most sources have none. */
  #broken: Detour | undefined
  readonly #options: MappedParserOptions

  /** The source's bytes; those before `#taken` are in a batch. */
  #bytes = Buffer.allocUnsafeSlow(2 * CHUNK)
  #have = 0
  #taken = 0
  #ended = false
  /** Bytes there must be before reading again makes sense. */
  #needed = 1
  readonly #passage: Passage
  #fed = false
  /** Whether an array of JSON is not at its first element. */
  #begun: boolean
  #position: Position

  constructor(options: MappedParserOptions) {
    const { map, program, dialect, encoding, maxRecordBytes = MAX_RECORD_BYTES, position, onDigest } = options
    const { sourceColumns } = program
    this.#options = options
    this.#dialect = dialect
    this.#sound = { sourceColumns, maxRecordBytes }
    this.#passage = new Passage(this.#sound)
    this.#mapper = new RowMapper(map, program, dialect, maxRecordBytes)
    // Quotes at both ends of a cell, those within it doubled, and a line number.
    const longest = 2 * maxRecordBytes + 3 * sourceColumns.length + 32
    this.#mapped = new Detour({
      program: lineAsCell(program),
      dialect: CSV,
      encoding,
      maxRecordBytes: longest,
      onDigest,
    })
    this.#begun = options.begun ?? false
    this.#position = { ...position }
  }

  /** Where the next record that is in no batch begins. */
  get position(): Position {
    return this.#position
  }

  /** Where the bytes end that are not kept: no batch ends between {@link position} and here. */
  get passed(): number {
    return this.#position.byte + this.#passage.bytes
  }

  /** Takes as many of the bytes as there is room for, at least one after `fill` said `input`; returns how many. */
  push(bytes: Uint8Array): number {
    this.#fed = true
    if (this.#passage.isOpen) return this.#passage.push(bytes)
    if (this.#taken > 0) {
      this.#bytes.copyWithin(0, this.#taken, this.#have)
      this.#have -= this.#taken
      this.#taken = 0
    }
    const size = Math.min(bytes.length, this.#bytes.length - this.#have)
    this.#bytes.set(bytes.subarray(0, size), this.#have)
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
   * @throws SluiceError SLUICE_MAP when the function throws, or gives back what is no row
   */
  fill(batch: BatchBuffer): Filled {
    for (;;) {
      if (batch.isFull) return this.#finish(batch, 'full')
      if (this.#passage.isOpen) {
        const { next, position } = this.#passage.settle(batch, this.#position, this.#ended)
        this.#position = position
        if (next === 'input') return 'input'
        if (next === 'cut') return this.#finishCut(batch)
        if (next !== 'over') return this.#finish(batch, next)
        this.#begun = true
        continue
      }
      const waiting = this.#have - this.#taken
      if (waiting === 0 && this.#ended) {
        // A checkpoint is at the source's end only if the array was closed there.
        return this.#isArray && (this.#fed || !this.#begun) ? this.#finishCut(batch) : this.#finish(batch, 'end')
      }
      if (waiting < this.#needed) return 'input'
      const before = this.#position.byte
      this.#read(batch, this.#ended, batch.recordsLeft)
      if (this.#position.byte > before) this.#needed = this.#ended ? 0 : 1
      else if (this.#ended && this.#isArray && !this.#passage.isTail) return this.#finishCut(batch)
      else if (!this.#passage.isTail) this.#wantMore(batch)
    }
  }

  /** Ends a batch before it is full, after `fill` said `input`. */
  close(batch: BatchBuffer): void {
    this.#finish(batch, 'full')
  }

  /** Takes a chunk of at most `most` records into the batch. `final`: the last one may end where the bytes end. */
  #read(batch: BatchBuffer, final: boolean, most: number): void {
    const { record: first, ...at } = this.#position
    const records = readRecords(this.#bytes.subarray(this.#taken, this.#have), this.#dialect, {
      final,
      maxRecordBytes: this.#sound.maxRecordBytes,
      position: this.#position,
      columns: this.#sound.sourceColumns,
      begun: this.#begun,
    })
    let [to, count] = [at, 0]
    let closed: number | undefined
    while (count < most && to.byte - at.byte < CHUNK && this.#mapped.waiting < CHUNK) {
      const { value, done } = records.next()
      if (done) {
        // A checkpoint must not be behind the bracket of an array, where what is around it is not closed yet.
        if (!this.#isArray) to = value
        else if (value.closed) closed = value.byte
        break
      }
      this.#take(value, first + ++count, batch)
      to = { byte: value.next, line: value.nextLine }
    }
    this.#broken?.run(batch, !this.#isArray && this.#ended && to.byte - at.byte === this.#have - this.#taken)
    this.#mapped.run(batch)
    batch.addInput(this.#sourceBytes(at.byte, to.byte))
    this.#taken += to.byte - at.byte
    this.#position = { byte: to.byte, line: to.line, record: first + count }
    this.#begun ||= count > 0
    if (closed !== undefined) this.#beginTail(closed)
  }

  #take(source: SourceRecord, record: number, batch: BatchBuffer): void {
    const { line, byteOffset, end, next, fault } = source
    const place: PlacedRecord = { record, line, byteOffset, bytes: this.#sourceBytes(byteOffset, end) }
    if (fault) {
      batch.addReject(rejectAt(place, [faultError(fault.reason, fault.cell, this.#sound, fault.text)]))
    } else if (this.#mapper.takes(source)) {
      const { values, errors } = this.#mapper.map(source, record)
      if (errors.length > 0) batch.addReject(rejectAt(place, errors))
      else this.#mapped.add(csvRecord([...values, `${line}`]), place)
    } else {
      this.#broken ??= new Detour({ ...this.#options, begun: false })
      // Behind a lone CR, where it ends a line, a LF might follow; a LF is never half a line end.
      const lineEnd = this.#isArray ? ',' : next === end ? '' : this.#dialect.lineEnd === 'cr' ? '\r' : '\n'
      this.#broken.add(Buffer.concat([place.bytes, Buffer.from(lineEnd)]), place)
    }
  }

  /** No record is complete. A buffer that is full holds one that is too long, or a comment. */
  #wantMore(batch: BatchBuffer): void {
    const waiting = this.#have - this.#taken
    const most = this.#sound.maxRecordBytes + CHUNK
    if (waiting >= most) {
      this.#beginEndless(batch)
      return
    }
    this.#needed = Math.min(waiting > PATIENCE ? waiting + (waiting >> 2) : waiting + 1, most)
    if (this.#needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.min(this.#bytes.length * 2, most))
    this.#bytes.copy(larger, 0, this.#taken, this.#have)
    this.#bytes = larger
    this.#have = waiting
    this.#taken = 0
  }

  get #isArray(): boolean {
    return this.#dialect.json?.form === 'array'
  }

  /** @param closed the offset behind the array's bracket */
  #beginTail(closed: number): void {
    const rest = this.#bytes.subarray(this.#taken, this.#have)
    this.#passage.openTail(this.#dialect.json!.path.length, rest, closed - this.#position.byte)
    this.#have = 0
    this.#taken = 0
  }

  /** The source ends within an array: what came before that is committed first. */
  #finishCut(batch: BatchBuffer): Filled {
    if (batch.isEmpty) throw truncated(this.#position)
    return this.#finish(batch, 'full')
  }

  #beginEndless(batch: BatchBuffer): void {
    const { line } = this.#position
    const bytes = this.#bytes.subarray(this.#taken, this.#have)
    if (this.#isArray) {
      const element = new EndlessElement(bytes)
      if (element.length <= this.#sound.maxRecordBytes) throw spaceWithoutEnd(this.#position, bytes.length)
      this.#passage.open(element)
      this.#have = 0
      this.#taken = 0
      return
    }
    const [record] = readRecords(bytes, this.#dialect, {
      maxRecordBytes: this.#sound.maxRecordBytes,
      position: this.#position,
      columns: this.#sound.sourceColumns,
    })
    // A fault whose line has ended, though what was read behind it may go on.
    const last = record && bytes[record.next - 1 - this.#position.byte]
    const ended = record !== undefined && record.next > record.end && (last !== CR || this.#dialect.lineEnd === 'cr')
    if (ended) {
      this.#read(batch, true, 1)
      return
    }
    const found = {
      reason: record?.fault?.reason,
      cell: record?.fault?.cell ?? 0,
      lines: record ? record.nextLine - line : 0,
      isJson: this.#dialect.json !== undefined,
    }
    this.#passage.open(new EndlessLine(bytes, this.#dialect.lineEnd, found))
    this.#have = 0
    this.#taken = 0
  }

  #finish(batch: BatchBuffer, result: Filled): Filled {
    this.#mapped.close(batch)
    batch.rejects.sort((a, b) => a.record - b.record)
    batch.to = this.#position
    return result
  }

  /** What is in the buffer from one offset in the source to another. */
  #sourceBytes(from: number, to: number): Buffer {
    const start = this.#taken - this.#position.byte
    return this.#bytes.subarray(start + from, start + to)
  }
}

/** The program for mapped records: their last cell is the line on which they start in the source. */
function lineAsCell({ sourceColumns, columns }: Program): Program {
  const cell = sourceColumns.length
  const name = columns.find(({ from }) => 'line' in from)?.name ?? ''
  return {
    sourceColumns: [...sourceColumns, name],
    columns: columns.map((column) => ('line' in column.from ? { ...column, from: { cell } } : column)),
  }
}
