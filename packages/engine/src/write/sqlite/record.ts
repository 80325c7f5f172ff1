import type { SQLInputValue } from 'node:sqlite'

/** The values of an SQLite record (https://sqlite.org/fileformat2.html#record_format). */
export function decodeRecord(record: Uint8Array): SQLInputValue[] {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength)
  const values: SQLInputValue[] = []
  let [headerLength, at] = readVarint(record, 0)
  let body = headerLength
  while (at < headerLength) {
    const [serialType, next] = readVarint(record, at)
    const length = lengthOf(serialType)
    values.push(decodeValue(view, record, serialType, body, length))
    at = next
    body += length
  }
  return values
}

/** A varint below 2^53 and the offset behind it: groups of seven bits, the highest first. */
export function readVarint(bytes: Uint8Array, at: number): [value: number, next: number] {
  let value = 0
  for (let next = at; ; next++) {
    const byte = bytes[next]!
    value = value * 128 + (byte & 0x7f)
    if (byte < 0x80) return [value, next + 1]
  }
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8]

function lengthOf(serialType: number): number {
  if (serialType >= 12) return (serialType - 12) >>> 1
  return serialType === 7 ? 8 : (INTEGER_BYTES[serialType] ?? 0)
}

function decodeValue(
  view: DataView,
  record: Uint8Array,
  serialType: number,
  at: number,
  length: number,
): SQLInputValue {
  if (serialType === 0) return null
  if (serialType === 7) return view.getFloat64(at)
  if (serialType === 8) return 0n
  if (serialType === 9) return 1n
  if (serialType < 12) return readInteger(record, at, length)
  if (serialType % 2 === 0) return record.slice(at, at + length)
  // Unlike a TextDecoder this reads shared memory without a copy, and keeps a byte order mark, which in a cell is text.
  return Buffer.from(record.buffer, record.byteOffset + at, length).toString()
}

function readInteger(record: Uint8Array, at: number, length: number): bigint {
  let value = 0n
  for (let i = 0; i < length; i++) value = (value << 8n) | BigInt(record[at + i]!)
  return BigInt.asIntN(length * 8, value)
}
