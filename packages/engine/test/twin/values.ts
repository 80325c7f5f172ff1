import type { Reason } from '../../src/reject/messages.ts'
import type { ColumnType, ProgramColumn, Storage } from '../../src/schema/program.ts'
import {
  asInteger,
  compareNumbers,
  digitsAfter,
  digitsBefore,
  isZero,
  magnitude,
  parseInteger,
  parseNumber,
  significantAfter,
  significantDigits,
  type Written,
} from './number.ts'
import { matchMoment, matchTime } from './strptime.ts'
import { FIRST_MICRO, LAST_MICRO, MICROS_PER_DAY, type Moment, parseMoment, parseTime } from './temporal.ts'

/** A sound value. `text` is the cell after its transforms: what a text column holds. */
export type Value = { text: string } & (
  | { kind: 'text' }
  | { kind: 'integer'; integer: bigint }
  | { kind: 'numeric'; number: Written; scale: number | null }
  | { kind: 'float8'; double: number; plain: string }
  | { kind: 'boolean'; boolean: boolean }
  /** Days since 1970-01-01. */
  | { kind: 'date'; day: bigint }
  /** Microseconds since midnight. */
  | { kind: 'time'; micros: bigint }
  /** Microseconds since 1970-01-01T00:00, of a clock or in UTC. */
  | { kind: 'timestamp' | 'timestamptz'; micros: bigint }
  | { kind: 'uuid'; hex: string }
)

interface Refusal {
  reason: Reason
  /** What a rule of the user says. */
  message?: string
}

/** What a cell, or a constant in its place, becomes: a value, NULL, or the reason why it is refused. */
export type Verdict = { value: Value } | { value: null } | { refused: Refusal }

const refuse = (reason: Reason): Verdict => ({ refused: { reason } })

/** Judges the bytes of a cell that is not NULL by a null word. */
export function judge(bytes: Uint8Array, column: ProgramColumn): Verdict {
  const decoded = decodeUtf8(bytes)
  if (decoded === undefined) return refuse('encoding')
  if (decoded.includes('\0')) return refuse('nul')
  const text = transform(decoded, column)
  if (text === null) return column.required ? refuse('required') : { value: null }
  const converted = convert(text, column)
  if (typeof converted === 'string') return refuse(converted)
  const unfit = unfitFor(column.storage, converted)
  if (unfit !== undefined) return refuse(unfit)
  const broken = brokenConstraint(converted, column)
  return broken === undefined ? { value: converted } : { refused: broken }
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

function transform(original: string, { transforms }: ProgramColumn): string | null {
  let text = original
  for (const name of transforms) {
    if (name === 'trim') text = text.trim()
    else if (name === 'lowercase') text = text.toLowerCase()
    else if (name === 'uppercase') text = text.toUpperCase()
    else if (name === 'collapse') text = text.replace(/\s+/g, ' ')
  }
  return text === '' && transforms.includes('nullIfEmpty') ? null : text
}

function withoutBlanks(text: string): string {
  const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t'
  let [start, end] = [0, text.length]
  while (start < end && isBlank(text[start])) start++
  while (end > start && isBlank(text[end - 1])) end--
  return text.slice(start, end)
}

function convert(text: string, column: ProgramColumn): Value | Reason {
  const { type, formats, decimalChar, groupChar } = column
  const inner = withoutBlanks(text)
  switch (type.kind) {
    case 'text':
    case 'other':
      return { kind: 'text', text }
    case 'integer': {
      const integer = parseInteger(inner, groupChar)
      if (integer === undefined) return 'integer'
      const limit = 1n << BigInt(type.bytes * 8 - 1)
      return integer >= -limit && integer < limit ? { kind: 'integer', text, integer } : 'integer-range'
    }
    case 'numeric':
      return numeric(text, inner, type, decimalChar, groupChar)
    case 'float8': {
      const number = parseNumber(inner, decimalChar, groupChar)
      if (number === undefined) return 'number'
      const double = nearestDouble(number)
      return double === undefined ? 'float-range' : { kind: 'float8', text, double, plain: number.plain }
    }
    case 'boolean': {
      const boolean = parseBoolean(inner, column)
      return boolean === undefined ? 'boolean' : { kind: 'boolean', text, boolean }
    }
    case 'date': {
      const moment = formats.length > 0 ? matchMoment(inner, formats) : dateOnly(inner)
      return moment === undefined ? 'date' : { kind: 'date', text, day: moment.micros / MICROS_PER_DAY }
    }
    case 'time': {
      const micros = formats.length > 0 ? matchTime(inner, formats) : parseTime(inner)
      return micros === undefined ? 'time' : { kind: 'time', text, micros }
    }
    case 'timestamp':
    case 'timestamptz':
      return instant(text, inner, type.kind, formats)
    case 'uuid':
      return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(inner)
        ? { kind: 'uuid', text, hex: inner.toLowerCase() }
        : 'uuid'
    case 'email':
      return isEmail(text) ? { kind: 'text', text } : 'email'
    case 'json': {
      const top = jsonTop(text)
      if (top === undefined) return 'json'
      if (type.top === 'object' && top !== 'object') return 'json-object'
      if (type.top === 'array' && top !== 'array') return 'json-array'
      return { kind: 'text', text }
    }
  }
}

function numeric(
  text: string,
  inner: string,
  { precision, scale }: Extract<ColumnType, { kind: 'numeric' }>,
  decimalChar: string,
  groupChar: string | null,
): Value | Reason {
  const number = parseNumber(inner, decimalChar, groupChar)
  if (number === undefined) return 'number'
  if (number.finite === undefined) {
    return precision === null ? { kind: 'numeric', text, number, scale: null } : 'number'
  }
  if (digitsBefore(number.finite) > 131_072n || digitsAfter(number.finite) > 16_383n) return 'numeric-range'
  if (precision !== null) {
    if (digitsBefore(number.finite) > BigInt(precision - (scale ?? 0))) return 'numeric-range'
    if (significantAfter(number.finite) > BigInt(scale ?? 0)) return 'numeric-range'
  }
  return { kind: 'numeric', text, number, scale: precision === null ? null : (scale ?? 0) }
}

/** Undefined where the value overflows, or underflows to zero. */
function nearestDouble({ special, finite }: Written): number | undefined {
  if (finite === undefined) return Number(special)
  const double = Number(finite.plain)
  return Number.isFinite(double) && (double !== 0 || isZero(finite)) ? double : undefined
}

const TRUE_WORDS = ['t', 'true', 'y', 'yes', 'on', '1']
const FALSE_WORDS = ['f', 'false', 'n', 'no', 'off', '0']

function parseBoolean(inner: string, { trueWords, falseWords }: ProgramColumn): boolean | undefined {
  const lower = inner.toLowerCase()
  if (trueWords.length > 0 ? trueWords.includes(inner) : TRUE_WORDS.includes(lower)) return true
  if (falseWords.length > 0 ? falseWords.includes(inner) : FALSE_WORDS.includes(lower)) return false
  return undefined
}

function dateOnly(inner: string): Moment | undefined {
  return inner.length === 10 ? parseMoment(inner) : undefined
}

function instant(text: string, inner: string, kind: 'timestamp' | 'timestamptz', formats: string[]): Value | Reason {
  const moment = formats.length > 0 ? matchMoment(inner, formats) : parseMoment(inner)
  if (moment === undefined) return 'timestamp'
  if (kind === 'timestamp') return moment.offset === undefined ? { kind, text, micros: moment.micros } : 'zone'
  const micros = moment.micros - BigInt(moment.offset ?? 0) * 60_000_000n
  return micros >= FIRST_MICRO && micros <= LAST_MICRO ? { kind, text, micros } : 'instant-range'
}

/** Every byte beyond ASCII counts as a letter. */
function isEmail(text: string): boolean {
  const bytes = Buffer.from(text, 'utf8').toString('latin1')
  const match = /^([A-Za-z0-9.!#$%&'*+/=?^_`{|}~\x80-\xff-]{1,64})@([A-Za-z0-9.\x80-\xff-]+)$/.exec(bytes)
  if (!match || bytes.length > 254) return false
  const labels = match[2]!.split('.')
  return labels.length >= 2 && labels.every((label) => /^(?!-)[^.]{1,63}$/.test(label) && !label.endsWith('-'))
}

const JSON_DEPTH = 512

function jsonTop(text: string): 'object' | 'array' | 'scalar' | undefined {
  try {
    JSON.parse(text)
  } catch {
    return undefined
  }
  const strings = text.match(/"(?:[^"\\]|\\.)*"/g) ?? []
  for (const string of strings) {
    const value = JSON.parse(string) as string
    if (value.includes('\0') || !value.isWellFormed()) return undefined
  }
  let depth = 0
  for (const char of text.replace(/"(?:[^"\\]|\\.)*"/g, '')) {
    if (char === '[' || char === '{') depth++
    if (char === ']' || char === '}') depth--
    if (depth > JSON_DEPTH) return undefined
  }
  const first = text.trimStart()[0]
  return first === '{' ? 'object' : first === '[' ? 'array' : 'scalar'
}

/** Why this storage cannot hold the value as it was written. */
function unfitFor(storage: Storage, value: Value): Reason | undefined {
  const number = numberOf(value)
  if (number === undefined) return undefined
  if (storage === 'pg-float8' || storage === 'sqlite-real') {
    if (nearestDouble(number) === undefined) return 'float-range'
    return storage === 'sqlite-real' && number.special === 'NaN' ? 'number' : undefined
  }
  if (storage === 'sqlite-exact') {
    return survivesAsDouble(number) || fitsInt64(number) ? undefined : 'digits-lost'
  }
  return undefined
}

/** Whether SQLite prints the same digits again when the value is stored as REAL. */
export function survivesAsDouble({ finite }: Written): boolean {
  if (finite === undefined) return false
  if (isZero(finite)) return true
  const digits = significantDigits(finite)
  const power = magnitude(finite)
  return digits.length <= 15 && power >= -307n && (power < 308n || (power === 308n && digits === '1'))
}

export function fitsInt64({ finite }: Written): boolean {
  if (finite === undefined || digitsBefore(finite) > 19n) return false
  const integer = asInteger(finite)
  return integer !== undefined && BigInt.asIntN(64, integer) === integer
}

/** The value as a number, where it is one. */
export function numberOf(value: Value): Written | undefined {
  if (value.kind === 'numeric') return value.number
  if (value.kind === 'integer') return parseNumber(value.integer.toString(), '.', null)
  if (value.kind === 'float8') return parseNumber(printDouble(value.double), '.', null)
  return undefined
}

const printDouble = (double: number): string => (Object.is(double, -0) ? '-0' : String(double))

function brokenConstraint(value: Value, column: ProgramColumn): Refusal | undefined {
  const { text } = value
  const length = [...text].length
  if (column.enum !== undefined && !column.enum.includes(text)) return { reason: 'enum' }
  if (column.minimum !== undefined && compare(value, column.minimum, column) < 0) return { reason: 'minimum' }
  if (column.maximum !== undefined && compare(value, column.maximum, column) > 0) return { reason: 'maximum' }
  if (column.minLength !== undefined && length < column.minLength) return { reason: 'min-length' }
  if (column.maxLength !== undefined && length > column.maxLength) return { reason: 'max-length' }
  const message = column.test?.(text)
  return message === undefined ? undefined : { reason: 'test', message }
}

/** Sign of value − bound; 0 for types that have no order. */
function compare(value: Value, bound: string, column: ProgramColumn): number {
  const { type } = column
  const plainType: ColumnType = type.kind === 'numeric' ? { ...type, precision: null, scale: null } : type
  const limit = convert(bound, { ...column, type: plainType, formats: [], decimalChar: '.', groupChar: null })
  if (typeof limit === 'string') throw new Error(`the bound ${bound} is not a ${type.kind}: ${limit}`)
  const [number, numberLimit] = [numberOf(value), numberOf(limit)]
  if (number && numberLimit) return compareNumbers(number, numberLimit)
  const [a, b] = [order(value), order(limit)]
  return a === b ? 0 : a < b ? -1 : 1
}

function order(value: Value): bigint {
  if (value.kind === 'date') return value.day
  if (value.kind === 'time' || value.kind === 'timestamp' || value.kind === 'timestamptz') return value.micros
  return 0n
}
