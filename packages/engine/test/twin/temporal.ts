export interface Day {
  year: number
  month: number
  day: number
}

/** Days since 1970-01-01; undefined where there is no such day in the years 0001 to 9999. */
export function dayNumber({ year, month, day }: Day): bigint | undefined {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return undefined
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
  const lengths = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  if (day > lengths[month - 1]!) return undefined
  return BigInt(new Date(0).setUTCFullYear(year, month - 1, day)) / 86_400_000n
}

export const MICROS_PER_DAY = 86_400_000_000n

export const FIRST_MICRO = dayNumber({ year: 1, month: 1, day: 1 })! * MICROS_PER_DAY
export const LAST_MICRO = dayNumber({ year: 9999, month: 12, day: 31 })! * MICROS_PER_DAY + MICROS_PER_DAY - 1n

function parseDay(text: string): bigint | undefined {
  const match = /^([0-9]{4})-([0-9]{2})-([0-9]{2})$/.exec(text)
  return match ? dayNumber({ year: Number(match[1]), month: Number(match[2]), day: Number(match[3]) }) : undefined
}

/** Microseconds since midnight. */
export function parseTime(text: string): bigint | undefined {
  const match = /^([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9}))?)?$/.exec(text)
  if (!match) return undefined
  const [, hour, minute, second = '0', fraction = ''] = match
  const nanos = fraction.padEnd(9, '0')
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59 || !nanos.endsWith('000')) return undefined
  return timeOf(Number(hour), Number(minute), Number(second), BigInt(nanos) / 1000n)
}

export function timeOf(hour: number, minute: number, second: number, micros: bigint): bigint {
  return BigInt(hour * 3600 + minute * 60 + second) * 1_000_000n + micros
}

/** Minutes east of UTC. */
export function parseZone(text: string): number | undefined {
  if (/^[Zz]$/.test(text)) return 0
  const match = /^([+-])([0-9]{2})(?::?([0-9]{2}))?$/.exec(text)
  if (!match) return undefined
  const [, sign, hours, minutes = '0'] = match
  if (Number(hours) > 23 || Number(minutes) > 59) return undefined
  const offset = Number(hours) * 60 + Number(minutes)
  return sign === '-' ? -offset : offset
}

export interface Moment {
  /** Microseconds since 1970-01-01T00:00, on the clock that was written. */
  micros: bigint
  /** Minutes east of UTC; undefined where no zone was written. */
  offset?: number
}

/** A date, or a date and a time; a zone may follow the time. */
export function parseMoment(text: string): Moment | undefined {
  const day = parseDay(text.slice(0, 10))
  if (day === undefined) return undefined
  if (text.length === 10) return { micros: day * MICROS_PER_DAY }
  const match = /^[Tt ]([0-9:.]+)(?: ?([Zz]|[+-].*))?$/s.exec(text.slice(10))
  if (!match) return undefined
  const time = parseTime(match[1]!)
  if (time === undefined) return undefined
  const micros = day * MICROS_PER_DAY + time
  if (match[2] === undefined) return { micros }
  const offset = parseZone(match[2])
  return offset === undefined ? undefined : { micros, offset }
}

export function formatDay(day: bigint): string {
  const date = new Date(Number(day) * 86_400_000)
  const [year, month, dayOfMonth] = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()]
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`
}

export function formatTime(micros: bigint): string {
  const seconds = Number(micros / 1_000_000n)
  const fraction = (micros % 1_000_000n).toString().padStart(6, '0').replace(/0+$/, '')
  const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60]
  return clock.map((part) => pad(part, 2)).join(':') + (fraction === '' ? '' : `.${fraction}`)
}

export function formatMoment(micros: bigint): string {
  const time = ((micros % MICROS_PER_DAY) + MICROS_PER_DAY) % MICROS_PER_DAY
  return `${formatDay((micros - time) / MICROS_PER_DAY)}T${formatTime(time)}`
}

const pad = (number: number, length: number): string => String(number).padStart(length, '0')
