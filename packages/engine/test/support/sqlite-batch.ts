import type { Batch } from '../../src/parse/batch.ts'
import { type Position, START } from '../../src/parse/position.ts'
import type { Reject } from '../../src/reject/reject.ts'

/** A safe integer and a bigint travel as INTEGER, any other number as REAL. */
export type Value = number | bigint | string | null

const PAGE = 65_536

/** A batch as the kernel would make it of a file with these rows, one a line; rejects take no line of it. */
export function sqliteBatch(
  rows: Value[][],
  { from = START, rejects = [], pageRows }: { from?: Position; rejects?: Reject[]; pageRows?: number } = {},
): Batch {
  const lines = rows.map((row) => Buffer.from(`${row.map((cell) => cell ?? '').join(',')}\n`))
  const starts = new Uint32Array(new SharedArrayBuffer(rows.length * 4))
  let byte = 0
  for (const [rank, line] of lines.entries()) {
    starts[rank] = byte
    byte += line.length
  }
  const to = {
    byte: from.byte + byte,
    line: from.line + rows.length,
    record: from.record + rows.length + rejects.length,
  }
  const { pages, large } = leafPages(rows.map(encodeRecord), pageRows)
  return { rows: rows.length, output: shared(pages), large, input: shared(lines), rowStarts: starts, rejects, from, to }
}

/** Table-leaf pages; `pageRows` closes a page before it is full. https://sqlite.org/fileformat2.html#b_tree_pages */
export function leafPages(records: Buffer[], pageRows = Number.POSITIVE_INFINITY) {
  const pages: Buffer[] = []
  const large: Batch['large'] = []
  let page: Buffer | undefined
  let cells = 0
  let top = PAGE
  for (const [rank, record] of records.entries()) {
    const cell = Buffer.concat([varint(record.length), varint(rank + 1), record])
    // Longer payloads continue on overflow pages, which leaves have none of.
    if (record.length > PAGE - 35) {
      large.push({ rank, record })
      continue
    }
    if (!page || cells === pageRows || top - cell.length < 8 + 2 * (cells + 1)) {
      page = Buffer.alloc(PAGE)
      page[0] = 0x0d
      pages.push(page)
      cells = 0
      top = PAGE
    }
    top -= cell.length
    cell.copy(page, top)
    page.writeUInt16BE(top, 8 + 2 * cells++)
    page.writeUInt16BE(cells, 3)
    page.writeUInt16BE(top, 5)
  }
  return { pages, large }
}

/** https://sqlite.org/fileformat2.html#record_format */
export function encodeRecord(row: Value[]): Buffer {
  const cells = row.map((value): [type: number, body: Buffer] => {
    if (value === null) return [0, Buffer.alloc(0)]
    const body = Buffer.alloc(8)
    if (typeof value === 'string') return [13 + 2 * Buffer.byteLength(value), Buffer.from(value)]
    if (typeof value === 'number' && !Number.isSafeInteger(value)) body.writeDoubleBE(value)
    else body.writeBigInt64BE(BigInt(value))
    return [typeof value === 'number' && !Number.isSafeInteger(value) ? 7 : 6, body]
  })
  const types = Buffer.concat(cells.map(([type]) => varint(type)))
  let header = varint(types.length + 1)
  header = varint(types.length + header.length)
  return Buffer.concat([header, types, ...cells.map(([, body]) => body)])
}

function varint(value: number): Buffer {
  const bytes = [value & 0x7f]
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes.unshift((rest & 0x7f) | 0x80)
  return Buffer.from(bytes)
}

export function shared(parts: Uint8Array[]): Uint8Array<SharedArrayBuffer> {
  const whole = new Uint8Array(new SharedArrayBuffer(parts.reduce((sum, { length }) => sum + length, 0)))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
