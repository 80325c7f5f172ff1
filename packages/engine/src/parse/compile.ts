import type { ColumnType, Encoding, Program, ProgramColumn, Storage, Transform } from '../schema/program.ts'
import { type Composed, composedOf, type NamedColumn } from './compose.ts'
import { align } from './kernel.ts'
import { dateShapes, USUAL, usualWay } from './usual.ts'

// The layout of kernel/program.ts; both sides keep the same offsets.
const COLUMN = 128
const AT = {
  type: 0,
  storage: 1,
  flags: 2,
  cell: 4,
  transforms: 8,
  minLength: 16,
  maxLength: 20,
  min: 24,
  max: 32,
  minPointer: 40,
  maxPointer: 44,
  enum: 48,
  trueWords: 52,
  falseWords: 56,
  formats: 60,
  precision: 64,
  scale: 68,
  decimalChar: 72,
  groupChar: 73,
  jsonTop: 74,
  usual: 75,
  constant: 76,
  constantLength: 80,
  dateShapes: 84,
  name: 92,
  nameLength: 96,
} as const

const FROM_CONSTANT = 0xffffffff
const FROM_LINE = 0xfffffffe
const FROM_CONTENT = 0xfffffffd
const FROM_MEMBERS = 0xfffffffc
const NONE = 0xffffffff

const HAS = { required: 1, transforms: 2, min: 4, max: 8, length: 16, enum: 32, test: 64 } as const

const TYPES: Record<ColumnType['kind'], number> = {
  text: 0,
  other: 0,
  integer: 1,
  numeric: 2,
  float8: 3,
  boolean: 4,
  date: 5,
  time: 6,
  timestamp: 7,
  timestamptz: 8,
  uuid: 9,
  email: 10,
  json: 11,
}

const STORAGES: Record<Storage, number> = {
  'pg-text': 0,
  'pg-int2': 1,
  'pg-int4': 2,
  'pg-int8': 3,
  'pg-numeric': 4,
  'pg-float8': 5,
  'pg-bool': 6,
  'pg-date': 7,
  'pg-time': 8,
  'pg-timestamp': 9,
  'pg-timestamptz': 12,
  'pg-uuid': 10,
  'pg-jsonb': 11,
  'sqlite-text': 16,
  'sqlite-integer': 17,
  'sqlite-real': 18,
  'sqlite-number': 19,
  'sqlite-exact': 20,
}

const TRANSFORMS: Record<Transform, number> = { trim: 1, collapse: 2, lowercase: 3, uppercase: 4, nullIfEmpty: 5 }

export const ENCODINGS: Record<Encoding, number> = { 'pg-binary': 0, 'pg-text': 1, 'sqlite-page': 2 }

const JSON_TOPS = { any: 0, object: 1, array: 2 } as const

/** A program in the kernel's own form. */
export interface CompiledProgram {
  /** To be put at the address that {@link compileProgram} was given. */
  bytes: Uint8Array
  nullWords: number
  /** Bytes a row may take beside its cells' texts. */
  rowOverhead: number
  /** How many bytes a byte of a cell may become. */
  textFactor: number
  /** What is made of several cells; null: nothing. */
  composed: CompiledComposed | null
}

/** Where its columns stand, and how many. */
interface CompiledComposed extends Pick<Composed, 'factor' | 'overhead'> {
  content: number
  contentCount: number
  members: number
  memberCount: number
}

/** Writes a program for the kernel, to stand at `address`. Throws a RangeError where a bound is no value of its column's type. */
export function compileProgram(
  program: Program,
  nullWords: string[],
  encoding: Encoding,
  address: number,
): CompiledProgram {
  const area = new Area(address, program.columns.length * COLUMN)
  // The usual ways take an empty cell for NULL, and nothing else.
  const hasUsual = encoding !== 'pg-text' && nullWords.length === 1 && nullWords[0] === ''
  program.columns.forEach((column, i) => {
    writeColumn(area, i * COLUMN, column)
    if (hasUsual) writeUsual(area, i * COLUMN, column)
  })
  const changesCase = program.columns.some(({ transforms }) =>
    transforms.some((t) => t === 'lowercase' || t === 'uppercase'),
  )
  const constants = program.columns.map(({ from }) => ('constant' in from ? Buffer.byteLength(from.constant ?? '') : 0))
  const escapes = encoding === 'pg-text' ? 2 : 1
  const composed = composeProgram(area, program)
  const growth = changesCase ? 3 : 1
  return {
    nullWords: area.words(nullWords),
    bytes: area.finish(),
    // 64 bytes hold every value that is not a text with its length or separator; JavaScript's longest case mapping
    // makes 6 bytes of 2 (ΐ, ΰ in upper case).
    rowOverhead: 256 + program.columns.length * 64 + (sum(constants) * 3 + (composed?.overhead ?? 0)) * escapes,
    textFactor: escapes * Math.max(growth, composed?.factor ?? 1),
    composed,
  }
}

/** Appends the columns of what is made of several cells. */
function composeProgram(area: Area, program: Program): CompiledComposed | null {
  const composed = composedOf(program)
  if (!composed) return null
  const append = (columns: NamedColumn[]): number => {
    const address = area.append(Buffer.alloc(columns.length * COLUMN))
    const first = area.offsetOf(address)
    columns.forEach(({ label, column }, i) => {
      const at = first + i * COLUMN
      writeColumn(area, at, column)
      const name = Buffer.from(label)
      area.view.setUint32(at + AT.nameLength, name.length, true)
      area.point(at + AT.name, area.append(name))
    })
    return address
  }
  const { content, members, ...sizes } = composed
  return {
    ...sizes,
    content: append(content),
    contentCount: content.length,
    members: append(members),
    memberCount: members.length,
  }
}

function writeColumn(area: Area, at: number, column: ProgramColumn): void {
  const { view } = area
  const { type, from } = column
  let flags = 0
  view.setUint8(at + AT.type, TYPES[type.kind])
  view.setUint8(at + AT.storage, STORAGES[column.storage])
  view.setUint32(at + AT.cell, placeOf(from), true)
  if ('constant' in from) {
    const text = Buffer.from(from.constant ?? '')
    area.view.setUint32(at + AT.constantLength, from.constant === null ? NONE : text.length, true)
    area.point(at + AT.constant, area.append(text))
  }
  if (column.required) flags |= HAS.required
  if (column.transforms.length > 0) {
    flags |= HAS.transforms
    if (column.transforms.length > 7) throw new RangeError(`${column.name} has more than 7 transforms`)
    column.transforms.forEach((transform, i) => {
      area.view.setUint8(at + AT.transforms + i, TRANSFORMS[transform])
    })
  }
  if (column.minLength !== undefined || column.maxLength !== undefined) flags |= HAS.length
  area.view.setUint32(at + AT.minLength, column.minLength ?? 0, true)
  area.view.setUint32(at + AT.maxLength, column.maxLength ?? NONE, true)
  if (column.minimum !== undefined) flags |= HAS.min
  if (column.maximum !== undefined) flags |= HAS.max
  writeBounds(area, at, column)
  if (column.enum) {
    flags |= HAS.enum
    area.point(at + AT.enum, area.words(column.enum))
  }
  if (column.trueWords.length > 0) area.point(at + AT.trueWords, area.words(column.trueWords))
  if (column.falseWords.length > 0) area.point(at + AT.falseWords, area.words(column.falseWords))
  if (column.formats.length > 0) area.point(at + AT.formats, area.words(column.formats))
  const exact = type.kind === 'numeric' ? type : { precision: null, scale: null }
  area.view.setInt32(at + AT.precision, exact.precision ?? -1, true)
  area.view.setInt32(at + AT.scale, exact.scale ?? 0, true)
  area.view.setUint8(at + AT.decimalChar, column.decimalChar.charCodeAt(0))
  area.view.setUint8(at + AT.groupChar, column.groupChar?.charCodeAt(0) ?? 0)
  area.view.setUint8(at + AT.jsonTop, type.kind === 'json' ? JSON_TOPS[type.top] : 0)
  if (column.test) flags |= HAS.test
  area.view.setUint16(at + AT.flags, flags, true)
}

function placeOf(from: ProgramColumn['from']): number {
  if ('cell' in from) return from.cell
  if ('line' in from) return FROM_LINE
  if ('hashOf' in from) return FROM_CONTENT
  return 'members' in from ? FROM_MEMBERS : FROM_CONSTANT
}

function writeUsual(area: Area, at: number, column: ProgramColumn): void {
  const usual = usualWay(column)
  area.view.setUint8(at + AT.usual, usual)
  if (usual !== USUAL.date) return
  dateShapes(column.formats).forEach(([order, separator], i) => {
    area.view.setUint8(at + AT.dateShapes + 2 * i, order)
    area.view.setUint8(at + AT.dateShapes + 2 * i + 1, separator)
  })
}

function writeBounds(area: Area, at: number, column: ProgramColumn): void {
  const { type, minimum, maximum } = column
  if (type.kind === 'integer') {
    const limit = 2n ** BigInt(type.bytes * 8 - 1)
    area.view.setBigInt64(at + AT.min, -limit, true)
    area.view.setBigInt64(at + AT.max, limit - 1n, true)
    if (minimum !== undefined) area.point(at + AT.minPointer, area.int64(toInteger(minimum)))
    if (maximum !== undefined) area.point(at + AT.maxPointer, area.int64(toInteger(maximum)))
    return
  }
  const write = (bound: string, value: number, pointer: number) => {
    if (type.kind === 'numeric') area.point(at + pointer, area.append(decimal(bound)))
    else if (type.kind === 'float8') area.view.setFloat64(at + value, toDouble(bound), true)
    else area.view.setBigInt64(at + value, toTicks(type, bound), true)
  }
  if (minimum !== undefined) write(minimum, AT.min, AT.minPointer)
  if (maximum !== undefined) write(maximum, AT.max, AT.maxPointer)
}

function toInteger(bound: string): bigint {
  if (!/^[+-]?\d+$/.test(bound)) throw new RangeError(`${bound} is not an integer`)
  const value = BigInt(bound.replace(/^\+/, ''))
  // A bound beyond int64 bounds nothing more than the type does.
  return BigInt.asIntN(64, value) === value ? value : value < 0n ? -(2n ** 63n) : 2n ** 63n - 1n
}

function toDouble(bound: string): number {
  const value = Number(bound)
  if (bound.trim() === '' || Number.isNaN(value)) throw new RangeError(`${bound} is not a number`)
  return value
}

/** Days for a date, microseconds for times, both as the kernel counts: from 2000-01-01. */
function toTicks(type: ColumnType, bound: string): bigint {
  const match = /^(?:(\d{4}-\d\d-\d\d))?(?:[Tt ]?(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?)?(Z|z|[+-]\d\d:?\d\d)?$/.exec(
    bound,
  )
  if (!match || (match[1] === undefined && match[2] === undefined))
    throw new RangeError(`${bound} is not a date or time`)
  const [, date = '2000-01-01', clock = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match
  const offset = zone.toUpperCase() === 'Z' ? 'Z' : zone.replace(/^(...):?(..)$/, '$1:$2')
  const ms = Date.parse(`${date}T${clock}:${seconds}${offset}`)
  if (Number.isNaN(ms)) throw new RangeError(`${bound} is not a date or time`)
  const sinceEpoch = BigInt(ms) - BigInt(Date.UTC(2000, 0, 1))
  return type.kind === 'date' ? sinceEpoch / 86_400_000n : sinceEpoch * 1000n + BigInt(fraction.padEnd(6, '0') || '0')
}

/** A decimal as kernel/columns/number.ts compares it: sign, special, lengths of its two parts, their digits. */
function decimal(bound: string): Buffer {
  const match = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(bound.trim())
  if (!match || `${match[2]}${match[3]}` === '') throw new RangeError(`${bound} is not a number`)
  const [, sign, whole = '', fraction = '', exponent = '0'] = match
  const digits = whole + fraction
  const point = whole.length + Number(exponent)
  if (Math.abs(point) > 150_000) throw new RangeError(`${bound} is not a number that numeric can hold`)
  const padded = digits.padStart(digits.length + Math.max(0, -point), '0').padEnd(point, '0')
  const split = Math.max(0, point)
  const before = padded.slice(0, split).replace(/^0+/, '')
  const behind = padded.slice(split).replace(/0+$/, '')
  const head = Buffer.alloc(12)
  head.writeUInt8(sign === '-' ? 1 : 0, 0)
  head.writeUInt32LE(before.length, 4)
  head.writeUInt32LE(behind.length, 8)
  return Buffer.concat([head, Buffer.from(before + behind)])
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0)
}

/** Bytes that grow at the end, with pointers to them in the fixed part at the start. */
class Area {
  view: DataView
  readonly #address: number
  #bytes: Buffer
  #end: number

  constructor(address: number, fixed: number) {
    this.#address = address
    this.#bytes = Buffer.alloc(align(fixed, 16) + 4096)
    this.#end = align(fixed, 16)
    this.view = this.#viewOf()
  }

  /** Appends bytes, aligned to 8; returns their address. */
  append(bytes: Uint8Array): number {
    const at = this.#end
    this.#end = align(at + bytes.length, 8)
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.alloc(this.#end * 2)
      this.#bytes.copy(larger)
      this.#bytes = larger
      this.view = this.#viewOf()
    }
    this.#bytes.set(bytes, at)
    return this.#address + at
  }

  offsetOf(address: number): number {
    return address - this.#address
  }

  int64(value: bigint): number {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return this.append(bytes)
  }

  /** A list of words: a u32 count, then a u32 length and the bytes of each. */
  words(words: string[]): number {
    const parts = [uint32(words.length)]
    for (const word of words) {
      const bytes = Buffer.from(word)
      parts.push(uint32(bytes.length), bytes)
    }
    return this.append(Buffer.concat(parts))
  }

  /** Stores a pointer in the fixed part. */
  point(at: number, address: number): void {
    this.view.setUint32(at, address, true)
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#end)
  }

  #viewOf(): DataView {
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
