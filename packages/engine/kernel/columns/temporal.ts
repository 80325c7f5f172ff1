// Dates and times on the proleptic Gregorian calendar, as PostgreSQL counts: days and microseconds since 2000-01-01.
import { isDigit } from '../bytes'
import { Cell, trimBlanks } from '../cell'
import { AT_DATE_SHAPES, AT_FORMATS, DATE_MDY, DATE_YMD } from '../program'
import { HAS_ZONE, INSTANT_RANGE, NOT_DATE, NOT_TIME, NOT_TIMESTAMP, SOUND } from '../reasons'

export const DAY: i64 = 86400000000
const HOUR: i64 = 3600000000
const MINUTE: i64 = 60000000
const SECOND: i64 = 1000000

/** 0001-01-01 and the day after 9999-12-31. */
const FIRST_DAY: i64 = -730119
const END_DAY: i64 = 2921940

/** What was read of a date and time; parts that a text does not name are as `reset` leaves them. */
class Read {
  static year: i32 = 0
  static month: i32 = 0
  static day: i32 = 0
  static dayOfYear: i32 = 0
  static hour: i32 = 0
  static minute: i32 = 0
  static second: i32 = 0
  static micros: i32 = 0
  /** Whether the hour is one of `%I`, from 1 to 12, and the half of the day that `%p` names. */
  static twelve: bool = false
  static afternoon: bool = false
  static hasDate: bool = false
  static hasZone: bool = false
  /** Seconds east of UTC. */
  static offset: i32 = 0
}

const MONTH_DAYS: usize = memory.data<u8>([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

/** date → Cell.int, days */
export function checkDate(column: usize): u32 {
  trimBlanks()
  const formats = load<u32>(column, AT_FORMATS)
  reset()
  if (!formats) {
    if (readIsoDate(Cell.start, Cell.end) != Cell.end) return NOT_DATE
  } else if (!startsWithIsoDate(formats) || readIsoDate(Cell.start, Cell.end) != Cell.end || !isDate()) {
    if (!readFormats(formats) || !Read.hasDate) return NOT_DATE
  }
  if (!isDate()) return NOT_DATE
  Cell.int = days()
  return SOUND
}

/**
 * A date of ten bytes in the first of the column's shapes that fits: its eight digits as text, YYYYMMDD with the first in the lowest
 * byte; 0 when there is none.
 */
// @ts-ignore: decorator
@inline
export function usualDate(column: usize, s: usize, n: usize): u64 {
  if (n != 10) return 0
  const v = v128.load(s)
  let shape = column + AT_DATE_SHAPES
  for (let kind = load<u8>(shape); kind; kind = load<u8>(shape)) {
    const separator = load<u8>(shape, 1)
    shape += 2
    let ordered: v128
    if (kind == DATE_YMD) {
      if (load<u8>(s, 4) != separator || load<u8>(s, 7) != separator) continue
      ordered = i8x16.shuffle(v, v, 0, 1, 2, 3, 5, 6, 8, 9, 0, 0, 0, 0, 0, 0, 0, 0)
    } else {
      if (load<u8>(s, 2) != separator || load<u8>(s, 5) != separator) continue
      ordered =
        kind == DATE_MDY
          ? i8x16.shuffle(v, v, 6, 7, 8, 9, 0, 1, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0)
          : i8x16.shuffle(v, v, 6, 7, 8, 9, 3, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
    }
    const text = <u64>i64x2.extract_lane(ordered, 0)
    const digits = text - 0x3030303030303030
    if (((digits + 0x7676767676767676) | digits) & 0x8080808080808080) continue
    const pairs = pairsOf(digits)
    if (isDay(yearOf(pairs), <i32>((pairs >> 32) & 0xff), <i32>((pairs >> 48) & 0xff))) return text
  }
  return 0
}

/** Days since 2000-01-01 of what `usualDate` returned. */
// @ts-ignore: decorator
@inline
export function usualDays(text: u64): i64 {
  const pairs = pairsOf(text - 0x3030303030303030)
  return daysOf(yearOf(pairs), <i32>((pairs >> 32) & 0xff), <i32>((pairs >> 48) & 0xff))
}

/** Each two of eight digits as a number, in lanes of 16 bits: century, year, month, day. */
// @ts-ignore: decorator
@inline
function pairsOf(digits: u64): u64 {
  return (digits * 10 + (digits >> 8)) & 0x00ff00ff00ff00ff
}

// @ts-ignore: decorator
@inline
function yearOf(pairs: u64): i32 {
  return <i32>(pairs & 0xff) * 100 + <i32>((pairs >> 16) & 0xff)
}

/** time → Cell.int, microseconds of the day */
export function checkTime(column: usize): u32 {
  trimBlanks()
  const formats = load<u32>(column, AT_FORMATS)
  if (formats) {
    if (!readFormats(formats)) return NOT_TIME
  } else {
    reset()
    if (readIsoTime(Cell.start, Cell.end) != Cell.end) return NOT_TIME
  }
  if (!isTime()) return NOT_TIME
  Cell.int = timeOfDay()
  return SOUND
}

/** timestamp, timestamptz → Cell.int, microseconds (of the instant in UTC) */
export function checkTimestamp(column: usize, instant: bool): u32 {
  trimBlanks()
  const formats = load<u32>(column, AT_FORMATS)
  if (formats) {
    if (!readFormats(formats) || !Read.hasDate) return NOT_TIMESTAMP
  } else if (!readIsoTimestamp()) {
    return NOT_TIMESTAMP
  }
  if (!isDate() || !isTime()) return NOT_TIMESTAMP
  if (Read.hasZone && !instant) return HAS_ZONE
  const micros = days() * DAY + timeOfDay() - <i64>Read.offset * SECOND
  if (micros < FIRST_DAY * DAY || micros >= END_DAY * DAY) return INSTANT_RANGE
  Cell.int = micros
  return SOUND
}

function reset(): void {
  Read.year = 0
  Read.month = 0
  Read.day = 0
  Read.dayOfYear = 0
  Read.hour = 0
  Read.minute = 0
  Read.second = 0
  Read.micros = 0
  Read.twelve = false
  Read.afternoon = false
  Read.hasDate = false
  Read.hasZone = false
  Read.offset = 0
}

/** Exactly two digits at p, or a number above 99. */
// @ts-ignore: decorator
@inline
function two(p: usize): i32 {
  const a = <u32>load<u8>(p) - 48
  const b = <u32>load<u8>(p, 1) - 48
  return a > 9 || b > 9 ? 1000 : <i32>(a * 10 + b)
}

// The readers return where they stopped, or 0.

function readIsoDate(p: usize, t: usize): usize {
  if (t - p < 10 || load<u8>(p, 4) != 45 || load<u8>(p, 7) != 45) return 0
  const century = two(p)
  const year = two(p + 2)
  const month = two(p + 5)
  const day = two(p + 8)
  if (century > 99 || year > 99 || month > 99 || day > 99) return 0
  Read.year = century * 100 + year
  Read.month = month
  Read.day = day
  Read.hasDate = true
  return p + 10
}

function readIsoTime(p: usize, t: usize): usize {
  if (t - p < 5 || load<u8>(p, 2) != 58) return 0
  Read.hour = two(p)
  Read.minute = two(p + 3)
  p += 5
  if (p >= t || load<u8>(p) != 58) return p
  if (t - p < 3) return 0
  Read.second = two(p + 1)
  p += 3
  if (p >= t || load<u8>(p) != 46) return p
  return readFraction(p + 1, t, 9)
}

/** Up to `most` digits as microseconds; those behind the sixth must be zero. */
function readFraction(p: usize, t: usize, most: u32): usize {
  let digits: u32 = 0
  let micros = 0
  while (p < t && digits < most && isDigit(load<u8>(p))) {
    const digit = <i32>load<u8>(p) - 48
    if (digits < 6) micros = micros * 10 + digit
    else if (digit) return 0
    digits++
    p++
  }
  if (digits == 0) return 0
  while (digits < 6) {
    micros *= 10
    digits++
  }
  Read.micros = micros
  return p
}

function readIsoTimestamp(): bool {
  reset()
  const t = Cell.end
  let p = readIsoDate(Cell.start, t)
  if (!p) return false
  if (p == t) return true
  const c = load<u8>(p)
  if (c != 84 && c != 116 && c != 32) return false
  p = readIsoTime(p + 1, t)
  if (!p) return false
  if (p == t) return true
  if (load<u8>(p) == 32 && p + 1 < t) p++
  return readZone(p, t) == t
}

/** `Z`, `±HH`, `±HHMM` or `±HH:MM` */
function readZone(p: usize, t: usize): usize {
  if (p >= t) return 0
  const c = load<u8>(p)
  Read.hasZone = true
  Read.offset = 0
  if ((c | 32) == 122) return p + 1
  if ((c != 43 && c != 45) || t - p < 3) return 0
  const hours = two(p + 1)
  if (hours > 23) return 0
  let minutes = 0
  p += 3
  const colon = p < t && load<u8>(p) == 58
  if (colon || (t - p >= 2 && isDigit(load<u8>(p)))) {
    if (colon) p++
    if (t - p < 2) return 0
    minutes = two(p)
    if (minutes > 59) return 0
    p += 2
  }
  const offset = hours * 3600 + minutes * 60
  Read.offset = c == 45 ? -offset : offset
  return p
}

/** Whether the first pattern is `%Y-%m-%d`: then what reads as an ISO date needs no interpreter. */
// @ts-ignore: decorator
@inline
function startsWithIsoDate(formats: usize): bool {
  return load<u32>(formats, 4) == 8 && load<u64>(formats, 8) == 0x64252d6d252d5925
}

/** Tries the strptime patterns in order. */
function readFormats(formats: usize): bool {
  let left = load<u32>(formats)
  let at = formats + 4
  while (left--) {
    const length = load<u32>(at)
    reset()
    if (readFormat(at + 4, at + 4 + length)) return true
    at += 4 + length
  }
  return false
}

function readFormat(f: usize, end: usize): bool {
  const t = Cell.end
  let p = Cell.start
  while (f < end) {
    const c = load<u8>(f)
    if (c != 37 || f + 1 >= end) {
      if (p >= t || load<u8>(p) != c) return false
      p++
      f++
      continue
    }
    p = readDirective(load<u8>(f + 1), p, t)
    if (!p) return false
    f += 2
  }
  if (p != t) return false
  if (Read.dayOfYear && Read.month == 0) spreadDayOfYear()
  return (!Read.hasDate || isDate()) && isTime()
}

function readDirective(directive: u32, p: usize, t: usize): usize {
  switch (directive) {
    case 89: {
      // %Y
      if (t - p < 4) return 0
      const century = two(p)
      const year = two(p + 2)
      if (century > 99 || year > 99) return 0
      Read.year = century * 100 + year
      Read.hasDate = true
      return p + 4
    }
    case 121: {
      // %y
      if (t - p < 2) return 0
      const year = two(p)
      if (year > 99) return 0
      Read.year = year < 69 ? 2000 + year : 1900 + year
      Read.hasDate = true
      return p + 2
    }
    case 109: // %m
      Read.hasDate = true
      p = digits(p, t, 2)
      Read.month = taken
      return Read.month ? p : 0
    case 100: // %d
      Read.hasDate = true
      p = digits(p, t, 2)
      Read.day = taken
      return p
    case 106: // %j
      Read.hasDate = true
      p = digits(p, t, 3)
      Read.dayOfYear = taken
      return Read.dayOfYear ? p : 0
    case 72: // %H
      p = digits(p, t, 2)
      Read.hour = taken
      return p
    case 73: // %I
      p = digits(p, t, 2)
      if (taken < 1 || taken > 12) return 0
      Read.hour = taken
      Read.twelve = true
      return p
    case 77: // %M
      p = digits(p, t, 2)
      Read.minute = taken
      return p
    case 83: // %S
      p = digits(p, t, 2)
      Read.second = taken
      return p
    case 102: // %f
      return readFraction(p, t, 6)
    case 112: {
      // %p
      if (t - p < 2 || (load<u8>(p + 1) | 32) != 109) return 0
      const letter = load<u8>(p) | 32
      if (letter != 97 && letter != 112) return 0
      Read.afternoon = letter == 112
      return p + 2
    }
    case 98: // %b
    case 66: // %B
      Read.hasDate = true
      return readMonth(p, t)
    case 122: // %z
      return readZone(p, t)
    case 37: // %%
      return p < t && load<u8>(p) == 37 ? p + 1 : 0
    default:
      return 0
  }
}

/** The number that `digits` read. */
let taken: i32 = 0

/** 1 to `most` digits. */
function digits(p: usize, t: usize, most: u32): usize {
  taken = 0
  let n: u32 = 0
  while (p < t && n < most && isDigit(load<u8>(p))) {
    taken = taken * 10 + (<i32>load<u8>(p) - 48)
    p++
    n++
  }
  return n ? p : 0
}

const MONTHS: usize = memory.data<u8>([
  7, 106, 97, 110, 117, 97, 114, 121, 0, 0, 8, 102, 101, 98, 114, 117, 97, 114, 121, 0, 5, 109, 97, 114, 99, 104, 0, 0, 0, 0,
  5, 97, 112, 114, 105, 108, 0, 0, 0, 0, 3, 109, 97, 121, 0, 0, 0, 0, 0, 0, 4, 106, 117, 110, 101, 0, 0, 0, 0, 0, 4, 106, 117,
  108, 121, 0, 0, 0, 0, 0, 6, 97, 117, 103, 117, 115, 116, 0, 0, 0, 9, 115, 101, 112, 116, 101, 109, 98, 101, 114, 7, 111, 99,
  116, 111, 98, 101, 114, 0, 0, 8, 110, 111, 118, 101, 109, 98, 101, 114, 0, 8, 100, 101, 99, 101, 109, 98, 101, 114, 0,
])

/** The longest English month name (or its first three letters) that stands at p. */
function readMonth(p: usize, t: usize): usize {
  for (let month = 1; month <= 12; month++) {
    const name = MONTHS + <usize>(month - 1) * 10
    const length = <usize>load<u8>(name)
    let n: usize = 0
    while (n < length && p + n < t && (load<u8>(p + n) | 32) == load<u8>(name + 1 + n)) n++
    if (n < 3) continue
    Read.month = month
    return p + (n == length ? length : 3)
  }
  return 0
}

function spreadDayOfYear(): void {
  let day = Read.dayOfYear
  let month = 1
  while (month <= 12 && day > daysIn(Read.year, month)) {
    day -= daysIn(Read.year, month)
    month++
  }
  Read.month = month
  Read.day = day
}

// @ts-ignore: decorator
@inline
function daysIn(year: i32, month: i32): i32 {
  return month == 2 && !isLeap(year) ? 28 : <i32>load<u8>(MONTH_DAYS + month)
}

function isLeap(year: i32): bool {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

function isDate(): bool {
  return isDay(Read.year, Read.month, Read.day)
}

// @ts-ignore: decorator
@inline
function isDay(year: i32, month: i32, day: i32): bool {
  return year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

function isTime(): bool {
  return Read.hour < 24 && Read.minute < 60 && Read.second < 60
}

function timeOfDay(): i64 {
  const hour = Read.twelve ? (Read.hour % 12) + (Read.afternoon ? 12 : 0) : Read.hour
  return <i64>hour * HOUR + <i64>Read.minute * MINUTE + <i64>Read.second * SECOND + <i64>Read.micros
}

/** Days since 2000-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
function days(): i64 {
  return daysOf(Read.year, Read.month, Read.day)
}

// @ts-ignore: decorator
@inline
function daysOf(y: i32, month: i32, day: i32): i64 {
  const year = y - i32(month <= 2)
  const era = year / 400
  const yearOfEra = year - era * 400
  const dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
  const dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
  return <i64>(era * 146097 + dayOfEra - 730425)
}

/** Writes `YYYY-MM-DD` of a day since 2000-01-01; returns the end. */
export function putDate(to: usize, day: i64): usize {
  const shifted = <i32>day + 730425
  const era = shifted / 146097
  const dayOfEra = shifted - era * 146097
  const yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
  const dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
  const m = (5 * dayOfYear + 2) / 153
  const month = m < 10 ? m + 3 : m - 9
  const year = yearOfEra + era * 400 + i32(month <= 2)
  putTwo(to, year / 100)
  putTwo(to + 2, year % 100)
  store<u8>(to + 4, 45)
  putTwo(to + 5, month)
  store<u8>(to + 7, 45)
  putTwo(to + 8, dayOfYear - (153 * m + 2) / 5 + 1)
  return to + 10
}

/** Writes `HH:MM:SS[.f]` of microseconds of a day; returns the end. */
export function putTime(to: usize, micros: i64): usize {
  const seconds = <i32>(micros / SECOND)
  putTwo(to, seconds / 3600)
  store<u8>(to + 2, 58)
  putTwo(to + 3, (seconds / 60) % 60)
  store<u8>(to + 5, 58)
  putTwo(to + 6, seconds % 60)
  to += 8
  let fraction = <i32>(micros % SECOND)
  if (fraction == 0) return to
  store<u8>(to++, 46)
  let unit = 100000
  while (fraction) {
    store<u8>(to++, <u8>(48 + fraction / unit))
    fraction %= unit
    unit /= 10
  }
  return to
}

/** Writes `YYYY-MM-DDTHH:MM:SS[.f]`, with `Z` for an instant; returns the end. */
export function putTimestamp(to: usize, micros: i64, instant: bool): usize {
  let day = micros / DAY
  let rest = micros % DAY
  if (rest < 0) {
    rest += DAY
    day--
  }
  to = putDate(to, day)
  store<u8>(to++, 84)
  to = putTime(to, rest)
  if (instant) store<u8>(to++, 90)
  return to
}

function putTwo(to: usize, n: i32): void {
  store<u8>(to, <u8>(48 + n / 10))
  store<u8>(to + 1, <u8>(48 + (n % 10)))
}
