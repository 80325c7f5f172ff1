import { dayNumber, MICROS_PER_DAY, type Moment, parseZone, timeOf } from './temporal.ts'

const MONTHS = ['january', 'february', 'march', 'april', 'may', 'june']
MONTHS.push('july', 'august', 'september', 'october', 'november', 'december')

/** What a pattern found; parts that it does not name are absent. */
interface Parts {
  year?: number
  month?: number
  day?: number
  dayOfYear?: number
  hour?: number
  hour12?: number
  afternoon?: boolean
  minute?: number
  second?: number
  micros?: bigint
  offset?: number
}

/** Each specifier takes as much as it can, without looking ahead; each part must be in its range. */
function parse(text: string, pattern: string): Parts | undefined {
  const parts: Parts = {}
  let rest = text

  const digits = (least: number, most: number): string | undefined => {
    const found = new RegExp(`^[0-9]{${least},${most}}`).exec(rest)?.[0]
    if (found !== undefined) rest = rest.slice(found.length)
    return found
  }
  const number = (least: number, most: number, from: number, to: number): number | undefined => {
    const found = digits(least, most)
    if (found === undefined || Number(found) < from || Number(found) > to) return undefined
    return Number(found)
  }
  const take = (found: RegExpExecArray | null): string | undefined => {
    if (found) rest = rest.slice(found[0].length)
    return found?.[0]
  }

  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] !== '%') {
      if (!rest.startsWith(pattern[at]!)) return undefined
      rest = rest.slice(1)
      continue
    }
    let found: unknown
    switch (pattern[++at]) {
      case 'Y':
        found = parts.year = number(4, 4, 1, 9999)
        break
      case 'y': {
        const year = number(2, 2, 0, 99)
        found = parts.year = year === undefined ? undefined : year >= 69 ? 1900 + year : 2000 + year
        break
      }
      case 'm':
        found = parts.month = number(1, 2, 1, 12)
        break
      case 'd':
        found = parts.day = number(1, 2, 1, 31)
        break
      case 'H':
        found = parts.hour = number(1, 2, 0, 23)
        break
      case 'I':
        found = parts.hour12 = number(1, 2, 1, 12)
        break
      case 'M':
        found = parts.minute = number(1, 2, 0, 59)
        break
      case 'S':
        found = parts.second = number(1, 2, 0, 59)
        break
      case 'j':
        found = parts.dayOfYear = number(1, 3, 1, 366)
        break
      case 'f': {
        const fraction = digits(1, 6)
        found = parts.micros = fraction === undefined ? undefined : BigInt(fraction.padEnd(6, '0'))
        break
      }
      case 'p': {
        const half = take(/^[ap]m/i.exec(rest))
        found = half
        parts.afternoon = half?.toLowerCase() === 'pm'
        break
      }
      case 'b':
      case 'B': {
        const names = MONTHS.flatMap((name) => [name, name.slice(0, 3)]).sort((a, b) => b.length - a.length)
        const name = names.find((candidate) => rest.slice(0, candidate.length).toLowerCase() === candidate)
        if (name !== undefined) rest = rest.slice(name.length)
        found = name
        parts.month = 1 + MONTHS.findIndex((month) => name !== undefined && month.startsWith(name))
        break
      }
      case 'z': {
        const zone = take(/^(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)/.exec(rest))
        found = parts.offset = zone === undefined ? undefined : parseZone(zone)
        break
      }
      case '%':
        found = take(/^%/.exec(rest))
        break
    }
    if (found === undefined) return undefined
  }
  return rest === '' ? parts : undefined
}

function dayOf({ year, month, day, dayOfYear }: Parts): bigint | undefined {
  if (year === undefined) return undefined
  if (month !== undefined && day !== undefined) return dayNumber({ year, month, day })
  if (dayOfYear === undefined) return undefined
  const found = dayNumber({ year, month: 1, day: 1 })! + BigInt(dayOfYear - 1)
  return found <= dayNumber({ year, month: 12, day: 31 })! ? found : undefined
}

function timeIn({ hour, hour12, afternoon, minute = 0, second = 0, micros = 0n }: Parts): bigint {
  const twelve = hour12 === undefined ? 0 : (hour12 % 12) + (afternoon ? 12 : 0)
  return timeOf(hour ?? twelve, minute, second, micros)
}

/** The first of the patterns that fits as a date and, where it has one, a time. */
export function matchMoment(text: string, patterns: string[]): Moment | undefined {
  for (const pattern of patterns) {
    const parts = parse(text, pattern)
    const day = parts && dayOf(parts)
    if (day !== undefined) return { micros: day * MICROS_PER_DAY + timeIn(parts!), offset: parts!.offset }
  }
  return undefined
}

/** The first of the patterns that fits as a time of the day. */
export function matchTime(text: string, patterns: string[]): bigint | undefined {
  for (const pattern of patterns) {
    const parts = parse(text, pattern)
    if (parts !== undefined) return timeIn(parts)
  }
  return undefined
}
