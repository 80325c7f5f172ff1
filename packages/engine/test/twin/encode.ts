import type { Storage } from '../../src/schema/program.ts'
import { asInteger, type Finite, isZero, type Written } from './number.ts'
import { formatDay, formatMoment, formatTime, MICROS_PER_DAY } from './temporal.ts'
import { fitsInt64, numberOf, survivesAsDouble, type Value } from './values.ts'

/** A value with the column's storage; a null value is NULL. */
export interface Stored {
  storage: Storage
  value: Value | null
}

const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8')

function int(bytes: number, value: bigint | number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeBigInt64BE(BigInt(value))
  return buffer.subarray(8 - bytes)
}

function float(value: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleBE(value)
  return buffer
}

function cannot(storage: Storage, value: Value): never {
  throw new Error(`${storage} does not hold a ${value.kind}`)
}

/** What a text column holds: the cell after its transforms, but dates and times in ISO 8601. */
function asText(value: Value): string {
  switch (value.kind) {
    case 'date':
      return formatDay(value.day)
    case 'time':
      return formatTime(value.micros)
    case 'timestamp':
      return formatMoment(value.micros)
    case 'timestamptz':
      return `${formatMoment(value.micros)}Z`
    default:
      return value.text
  }
}

/** Microseconds since 1970-01-01T00:00 of a value that can be stored as a timestamp. */
function microsOf(storage: Storage, value: Value): bigint {
  if (value.kind === 'date') return value.day * MICROS_PER_DAY
  return value.kind === 'timestamp' || value.kind === 'timestamptz' ? value.micros : cannot(storage, value)
}

function doubleOf(storage: Storage, value: Value): number {
  if (value.kind === 'float8') return value.double
  const number = numberOf(value) ?? cannot(storage, value)
  return Number(number.special ?? number.finite!.plain)
}

/** Days and microseconds from 1970-01-01 to 2000-01-01, PostgreSQL's own epoch. */
const EPOCH_DAYS = 10_957n
const EPOCH_MICROS = EPOCH_DAYS * MICROS_PER_DAY

/** A tuple of PostgreSQL's binary COPY format (documentation of COPY, "Binary Format"). */
export function pgBinaryRow(row: Stored[]): Uint8Array {
  const fields = row.map(({ storage, value }) => {
    if (value === null) return int(4, -1)
    const data = pgBinaryValue(storage, value)
    return Buffer.concat([int(4, data.length), data])
  })
  return Buffer.concat([int(2, row.length), ...fields])
}

function pgBinaryValue(storage: Storage, value: Value): Buffer {
  switch (storage) {
    case 'pg-int2':
    case 'pg-int4':
    case 'pg-int8':
      return value.kind === 'integer' ? int(Number(storage.slice(-1)), value.integer) : cannot(storage, value)
    case 'pg-float8':
      return float(doubleOf(storage, value))
    case 'pg-numeric':
      return pgNumeric(value)
    case 'pg-bool':
      return value.kind === 'boolean' ? int(1, value.boolean ? 1 : 0) : cannot(storage, value)
    case 'pg-date':
      return value.kind === 'date' ? int(4, value.day - EPOCH_DAYS) : cannot(storage, value)
    case 'pg-time':
      return value.kind === 'time' ? int(8, value.micros) : cannot(storage, value)
    case 'pg-timestamp':
    case 'pg-timestamptz':
      return int(8, microsOf(storage, value) - EPOCH_MICROS)
    case 'pg-uuid':
      return value.kind === 'uuid' ? Buffer.from(value.hex.replaceAll('-', ''), 'hex') : cannot(storage, value)
    case 'pg-jsonb':
      return Buffer.concat([int(1, 1), utf8(value.text)])
    case 'pg-text':
      return utf8(asText(value))
    default:
      return cannot(storage, value)
  }
}

const SPECIAL_SIGNS = { NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 }

/** numeric_send: ndigits, weight, sign, dscale, then the digits in base 10,000. */
function pgNumeric(value: Value): Buffer {
  const { special, finite } = numberOf(value) ?? cannot('pg-numeric', value)
  if (special !== undefined) return Buffer.from([0, 0, 0, 0, SPECIAL_SIGNS[special] >> 8, 0, 0, 0])
  const after = fractionDigits(finite!)
  const scale = value.kind === 'numeric' && value.scale !== null ? value.scale : after
  let groups: string[] = []
  let weight = 0
  if (!isZero(finite!)) {
    const [whole, fraction] = split(finite!)
    const before = whole.padStart(Math.ceil(whole.length / 4) * 4, '0')
    const behind = fraction.padEnd(Math.ceil(fraction.length / 4) * 4, '0')
    groups = (before + behind).match(/.{4}/g)!
    weight = before.length / 4 - 1
    while (groups[0] === '0000') {
      groups.shift()
      weight--
    }
    while (groups.at(-1) === '0000') groups.pop()
  }
  const sign = finite!.negative && groups.length > 0 ? 0x4000 : 0
  const head = [int(2, groups.length), int(2, weight), int(2, sign), int(2, scale)]
  return Buffer.concat([...head, ...groups.map((group) => int(2, Number(group)))])
}

/** The digits before and behind the point once the exponent is applied. */
function split(number: Finite): [string, string] {
  const point = number.digits.length - Number(number.fraction) + Number(number.exponent)
  if (point <= 0) return ['', '0'.repeat(-point) + number.digits]
  const digits = number.digits.padEnd(point, '0')
  return [digits.slice(0, point), digits.slice(point)]
}

function fractionDigits(number: Finite): number {
  return Math.max(0, Number(number.fraction - number.exponent))
}

/** A line of PostgreSQL's text COPY format. */
export function pgTextRow(row: Stored[]): Uint8Array {
  const fields = row.map(({ storage, value }) => (value === null ? '\\N' : escapeCopy(pgTextValue(storage, value))))
  return utf8(`${fields.join('\t')}\n`)
}

function escapeCopy(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
}

function pgTextValue(storage: Storage, value: Value): string {
  if (storage === 'pg-text' || storage === 'pg-jsonb') return asText(value)
  switch (value.kind) {
    case 'integer':
      return value.integer.toString()
    case 'numeric':
      return storage === 'pg-numeric' ? plainDecimal(value.number) : value.number.plain
    case 'float8':
      return value.plain
    case 'boolean':
      return value.boolean ? 't' : 'f'
    case 'date':
      if (storage === 'pg-date') return formatDay(value.day)
      return formatMoment(microsOf(storage, value)) + (storage === 'pg-timestamptz' ? 'Z' : '')
    case 'uuid':
      return value.hex
    default:
      return asText(value)
  }
}

/** Without exponent, without leading zeros, with the digits behind the point as written. */
function plainDecimal({ special, finite }: Written): string {
  if (special !== undefined) return special
  const [whole, fraction] = isZero(finite!) ? ['', '0'.repeat(fractionDigits(finite!))] : split(finite!)
  const sign = finite!.negative ? '-' : ''
  return `${sign}${whole.replace(/^0+/, '') || '0'}${fraction === '' ? '' : `.${fraction}`}`
}

/** A record as SQLite's file format has it ("Record Format"): the header with the serial types, and the body. */
export function sqliteRecord(row: Stored[]): Uint8Array {
  const columns = row.map(({ storage, value }) => (value === null ? NULL : sqliteValue(storage, value)))
  const types = Buffer.concat(columns.map((column) => varint(column.type)))
  let headerLength = types.length + 1
  while (varint(headerLength).length + types.length !== headerLength) headerLength++
  return Buffer.concat([varint(headerLength), types, ...columns.map((column) => column.data)])
}

interface SqliteColumn {
  type: number
  data: Buffer
}

const NOTHING = Buffer.alloc(0)
const NULL: SqliteColumn = { type: 0, data: NOTHING }

function sqliteValue(storage: Storage, value: Value): SqliteColumn {
  switch (storage) {
    case 'sqlite-integer':
      if (value.kind === 'boolean') return sqliteInteger(value.boolean ? 1n : 0n)
      return value.kind === 'integer' ? sqliteInteger(value.integer) : cannot(storage, value)
    case 'sqlite-real':
      return { type: 7, data: float(doubleOf(storage, value)) }
    case 'sqlite-number':
    case 'sqlite-exact': {
      if (value.kind === 'integer') return sqliteInteger(value.integer)
      const number = numberOf(value) ?? cannot(storage, value)
      if (storage === 'sqlite-exact' && fitsInt64(number)) return sqliteInteger(asInteger(number.finite!)!)
      if (survivesAsDouble(number)) return { type: 7, data: float(Number(number.finite!.plain)) }
      return sqliteText(number.plain)
    }
    case 'sqlite-text':
      return sqliteText(value.kind === 'uuid' ? value.hex : asText(value))
    default:
      return cannot(storage, value)
  }
}

function sqliteText(text: string): SqliteColumn {
  const data = utf8(text)
  return { type: 13 + 2 * data.length, data }
}

/** The smallest of the integer serial types that holds the value; 0 and 1 need no bytes. */
function sqliteInteger(value: bigint): SqliteColumn {
  if (value === 0n || value === 1n) return { type: value === 0n ? 8 : 9, data: NOTHING }
  const widths = [1, 2, 3, 4, 6, 8]
  const index = widths.findIndex((width) => BigInt.asIntN(width * 8, value) === value)
  return { type: index + 1, data: int(widths[index]!, value) }
}

/** Big-endian, seven bits a byte, the high bit set on all but the last. Lengths never need the ninth byte. */
function varint(value: number): Buffer {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(128 + (rest % 128))
  return Buffer.from(bytes)
}
