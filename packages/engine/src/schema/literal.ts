import type { ColumnType } from './program.ts'

const INT8_MAX = 2n ** 63n - 1n
/** Digits of a PostgreSQL numeric before and after the point (chapter 8.1.2 of its manual). */
const NUMERIC_DIGITS = { before: 131_072, after: 16_383 }

/** Whether the digits fit an integer of so many bytes. */
export function fitsInteger(text: string, bytes: 2 | 4 | 8): boolean {
  // 20 characters hold every int8 without leading zeros: BigInt never sees a cell of megabytes.
  const digits = text.replace(/^([+-]?)0+(?=\d)/, '$1')
  if (!/^[+-]?\d+$/.test(digits) || digits.length > 20) return false
  // 15 digits are a number without a loss, and most have no more.
  if (bytes === 8 && digits.length <= 15) return true
  const value = BigInt(digits.replace('+', ''))
  const shift = BigInt(64 - bytes * 8)
  return value <= INT8_MAX >> shift && value >= -(INT8_MAX >> shift) - 1n
}

/** Whether plain digits fit PostgreSQL's numeric of any size. */
function fitsNumeric(text: string): boolean {
  const [before = '', after = ''] = text.replace(/^[+-]/, '').split('.')
  return before.length <= NUMERIC_DIGITS.before && after.length <= NUMERIC_DIGITS.after
}

const PLAIN_NUMBER = /^(?:-?[1-9]\d*|0|-?0(?=\.0*[1-9])|0(?=\.))(?:\.\d+)?$/

/** Whether a numeric prints again as it stands: no sign but a minus, no leading zeros, no exponent, no negative zero. */
export function isPlainNumber(text: string): boolean {
  return PLAIN_NUMBER.test(text) && fitsNumeric(text)
}

/** `YYYY-MM-DD`, a day that exists in the years 0001 to 9999. */
export function isDate(text: string): boolean {
  if (!/^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/.test(text) || text.startsWith('0000')) return false
  const day = Number(text.slice(8))
  // The day before the first of the next month. Only these need an object of their own, which takes 1 µs.
  return (
    day <= 28 ||
    day <= new Date(Date.UTC(2000 + (Number(text.slice(0, 4)) % 400), Number(text.slice(5, 7)), 0)).getUTCDate()
  )
}

/** `HH:MM[:SS[.f]]`, no finer than microseconds. */
function isTime(text: string): boolean {
  return /^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6}0{0,3})?)?$/.test(text)
}

/** How a timestamp is written: without a zone it is a wall clock's, with one it is an instant. */
export function timestampKind(text: string): 'wall' | 'instant' | undefined {
  const parts = /^(\d{4}-\d\d-\d\d)(?:[Tt ]([\d:.]+))?(?: ?([Zz]|[+-]\d\d(?::?\d\d)?))?$/.exec(text)
  if (!parts) return undefined
  const [, date = '', time = '00:00', zone] = parts
  if (!(isDate(date) && isTime(time))) return undefined
  if (zone === undefined) return 'wall'
  const offset = /^[Zz]$/.test(zone) ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '').padEnd(2, '0')}`
  const instant = Date.parse(`${date}T${time.slice(0, 5)}:00${offset}`)
  if (Number.isNaN(instant)) return undefined
  const year = new Date(instant).getUTCFullYear()
  return year >= 1 && year <= 9999 ? 'instant' : undefined
}

/** Whether `text` can be a minimum or maximum of the type: a plain number, or ISO 8601. */
export function isLimit(type: ColumnType, text: string): boolean {
  switch (type.kind) {
    case 'integer':
      return fitsInteger(text, type.bytes)
    case 'numeric':
    case 'float8':
      return /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?$/.test(text) && fitsNumeric(text)
    case 'date':
      return isDate(text)
    case 'time':
      return isTime(text)
    case 'timestamp':
      return timestampKind(text) === 'wall'
    case 'timestamptz':
      return timestampKind(text) !== undefined
    default:
      return false
  }
}

/**
 * A limit in the one form of its value that programs carry: no fraction finer than microseconds, a zone as `Z` or
 * `±HH:MM`. Undefined where {@link isLimit} says no.
 */
export function limitText(type: ColumnType, text: string): string | undefined {
  if (!isLimit(type, text)) return undefined
  if (type.kind !== 'time' && type.kind !== 'timestamp' && type.kind !== 'timestamptz') return text
  const coarse = text.replace(/(\.\d{6})0+/, '$1')
  return coarse
    .replace(/(:\S*?) ?([+-]\d\d)(?::?(\d\d))?$/, (_, time, hours, minutes = '00') => `${time}${hours}:${minutes}`)
    .replace(/ (?=[Zz]$)/, '')
}
