import assert from 'node:assert/strict'
import { type Batch, BatchBuffer, type BatchLimits } from '../../src/parse/batch.ts'
import { type Filled, Parser, type ParserOptions } from '../../src/parse/parser.ts'
import { type Position, START } from '../../src/parse/position.ts'
import type { Encoding } from '../../src/schema/program.ts'
import type { TwinOptions, TwinResult, TwinRow } from '../twin/twin.ts'

export interface RunOptions extends TwinOptions {
  /** Sizes of the pieces in which the bytes arrive, over and over. */
  pieces: number[]
  limits?: BatchLimits
  /** Ends a batch each time the parser asks for more. */
  closeEarly?: boolean
}

/** What the kernel makes of a source, in the form in which the twin gives it. Checks that the batches join up. */
export function runKernel(
  source: Uint8Array,
  options: RunOptions,
  makeParser: (options: ParserOptions) => Pick<Parser, 'push' | 'end' | 'close'> & {
    fill(batch: BatchBuffer): Filled
  } = (given) => new Parser(given),
): TwinResult {
  const { program, dialect, encoding, maxRecordBytes } = options
  const { bytes, position } = behindMark(source, options.position ?? START)
  const { pieces, limits = { records: 50_000, bytes: 10_000_000 }, closeEarly = false } = options
  const parser = makeParser({ program, dialect, encoding, maxRecordBytes, position })
  const batch = new BatchBuffer(limits, false)
  batch.begin(position)
  const result: TwinResult = { rows: [], rejects: [], records: 0 }
  let reached = position
  let at = 0
  let waiting: Uint8Array = new Uint8Array()
  let piece = 0
  let takenNothing = 0

  const take = (): void => {
    assert.deepEqual(batch.from, reached, 'a batch begins where the one before it ended')
    const { rows, rejects } = batchContents(batch, encoding)
    const covered = bytes.subarray(batch.from.byte - position.byte, batch.to.byte - position.byte)
    assert.ok(Buffer.from(covered).subarray(0, batch.input.length).equals(batch.input), 'the input is the source')
    assert.equal(batch.to.record - batch.from.record, rows.length + rejects.length, 'each record has one fate')
    result.rows.push(...rows)
    result.rejects.push(...rejects)
    result.records += rows.length + rejects.length
    reached = batch.to
    batch.begin(reached)
  }

  for (;;) {
    const filled = parser.fill(batch)
    if (filled === 'end') break
    if (filled === 'full') {
      take()
      continue
    }
    if (closeEarly) {
      parser.close(batch)
      take()
    }
    if (waiting.length === 0) {
      const size = pieces[piece++ % pieces.length]!
      waiting = bytes.subarray(at, at + size)
      at += waiting.length
    }
    if (waiting.length === 0) {
      parser.end()
    } else {
      const taken = parser.push(waiting)
      takenNothing = taken > 0 ? 0 : takenNothing + 1
      assert.ok(takenNothing < 2, 'takes something when it asks for input')
      waiting = waiting.subarray(taken)
    }
  }
  take()
  const end = { byte: bytes.length + position.byte, line: countLines(bytes, dialect.lineEnd) + position.line }
  assert.deepEqual(reached, { ...end, record: position.record + result.records }, 'the last batch ends with the source')
  return result
}

/** A load gives the parser what follows a byte order mark. */
function behindMark(source: Uint8Array, position: Position): { bytes: Uint8Array; position: Position } {
  const marked = position.byte === 0 && Buffer.from(source.subarray(0, 3)).toString('hex') === 'efbbbf'
  return marked ? { bytes: source.subarray(3), position: { ...position, byte: 3 } } : { bytes: source, position }
}

/** Rows and rejects of a batch; the records of its rows follow from the order of both. */
function batchContents(batch: Batch, encoding: Encoding): Pick<TwinResult, 'rows' | 'rejects'> {
  const encoded = { 'pg-binary': splitTuples, 'pg-text': splitLines, 'sqlite-page': readPages }[encoding](batch)
  assert.equal(encoded.length, batch.rows, 'as many rows as the batch says')
  const rejects = structuredClone(batch.rejects)
  let refused = 0
  const rows = encoded.map((bytes, rank): TwinRow => {
    const start = batch.from.byte + batch.rowStarts[rank]!
    while (refused < rejects.length && rejects[refused]!.byteOffset < start) refused++
    return { record: batch.from.record + rank + refused + 1, start, bytes }
  })
  return { rows, rejects }
}

function splitTuples({ output }: Batch): Uint8Array[] {
  const view = new DataView(output.buffer, output.byteOffset, output.length)
  const tuples: Uint8Array[] = []
  for (let at = 0; at < output.length; ) {
    let end = at + 2
    for (let fields = view.getInt16(at); fields > 0; fields--) end += 4 + Math.max(0, view.getInt32(end))
    tuples.push(output.slice(at, end))
    at = end
  }
  return tuples
}

function splitLines({ output }: Batch): Uint8Array[] {
  const lines: Uint8Array[] = []
  for (let at = 0; at < output.length; ) {
    const end = output.indexOf(0x0a, at) + 1
    assert.ok(end > 0, 'the last line is complete')
    lines.push(output.slice(at, end))
    at = end
  }
  return lines
}

const PAGE = 65_536

/** The records of leaf pages of a table b-tree (SQLite file format, "B-tree Pages"), and those too large for one. */
export function readPages({ output, large, rows }: Pick<Batch, 'output' | 'large' | 'rows'>): Uint8Array[] {
  assert.equal(output.length % PAGE, 0, 'whole pages')
  const records = new Map<number, Uint8Array>(large.map(({ rank, record }) => [rank + 1, record]))
  let last = 0
  for (let start = 0; start < output.length; start += PAGE) {
    const page = output.slice(start, start + PAGE)
    const view = new DataView(page.buffer)
    assert.deepEqual([page[0], view.getUint16(1), page[7]], [13, 0, 0], 'a leaf without freeblocks or fragments')
    const cells = view.getUint16(3)
    assert.ok(cells > 0, 'no empty page')
    const content = view.getUint16(5) || PAGE
    assert.ok(content >= 8 + cells * 2, 'pointers and cells do not overlap')
    let used = 0
    for (let cell = 0; cell < cells; cell++) {
      const at = view.getUint16(8 + cell * 2)
      const length = readVarint(page, at)
      const rowid = readVarint(page, length.next)
      assert.ok(rowid.value > last, 'rowids ascend')
      assert.ok(length.value <= PAGE - 35, 'no cell overflows its page')
      last = rowid.value
      used += rowid.next + length.value - at
      records.set(rowid.value, page.slice(rowid.next, rowid.next + length.value))
    }
    assert.equal(used, PAGE - content, 'cells fill the content area')
  }
  return Array.from({ length: rows }, (_, rank) => records.get(rank + 1) ?? assert.fail(`no row ${rank + 1}`))
}

function readVarint(bytes: Uint8Array, at: number): { value: number; next: number } {
  let value = 0
  for (let next = at; ; next++) {
    value = value * 128 + (bytes[next]! & 127)
    if (bytes[next]! < 128) return { value, next: next + 1 }
  }
}

function countLines(bytes: Uint8Array, lineEnd: 'lf' | 'cr' | 'any'): number {
  const ends = { lf: /\n/g, cr: /\r/g, any: /\r\n|\r|\n/g }[lineEnd]
  return Buffer.from(bytes).toString('latin1').match(ends)?.length ?? 0
}
