/** A date and time of day as numbers; what a text does not name is absent. */
interface Parts {
  Y?: number
  m?: number
  d?: number
  j?: number
  H?: number
  I?: number
  M?: number
  S?: number
  /** Digits behind the second's point. */
  f?: string
  pm?: boolean
  /** `Z` or `±HH:MM`. */
  z?: string
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const MONTH =
  /(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)/iy

/** What each directive takes: as many characters as it can, as the kernel does. */
const DIRECTIVES: Record<string, [shape: RegExp, read: (text: string) => Parts]> = {
  Y: [/\d{4}/y, (text) => ({ Y: Number(text) })],
  y: [/\d\d/y, (text) => ({ Y: Number(text) + (Number(text) >= 69 ? 1900 : 2000) })],
  m: [/\d{1,2}/y, (text) => ({ m: Number(text) })],
  d: [/\d{1,2}/y, (text) => ({ d: Number(text) })],
  j: [/\d{1,3}/y, (text) => ({ j: Number(text) })],
  b: [MONTH, (text) => ({ m: MONTHS.indexOf(text.slice(0, 3).toLowerCase()) + 1 })],
  B: [MONTH, (text) => ({ m: MONTHS.indexOf(text.slice(0, 3).toLowerCase()) + 1 })],
  H: [/\d{1,2}/y, (text) => ({ H: Number(text) })],
  I: [/\d{1,2}/y, (text) => ({ I: Number(text) })],
  M: [/\d{1,2}/y, (text) => ({ M: Number(text) })],
  S: [/\d{1,2}/y, (text) => ({ S: Number(text) })],
  f: [/\d{1,6}/y, (text) => ({ f: text })],
  p: [/[ap]m/iy, (text) => ({ pm: text.toLowerCase() === 'pm' })],
  z: [/[Zz]|[+-]\d\d(?::?\d\d)?/y, (text) => ({ z: zone(text) })],
  '%': [/%/y, () => ({})],
}

function byPattern(text: string, pattern: string): Parts | undefined {
  let parts: Parts = {}
  let rest = 0
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] !== '%') {
      if (text[rest++] !== pattern[at]) return undefined
      continue
    }
    const [shape, read] = DIRECTIVES[pattern[++at]!]!
    shape.lastIndex = rest
    const found = shape.exec(text)?.[0]
    if (found === undefined) return undefined
    parts = { ...parts, ...read(found) }
    rest += found.length
  }
  return rest === text.length ? parts : undefined
}

const ISO =
  /^(?:(\d{4})-(\d\d)-(\d\d))?(?:(?:^|[Tt ])(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?: ?([Zz]|[+-]\d\d(?::?\d\d)?))?)?$/

function byIso(text: string): Parts | undefined {
  const found = ISO.exec(text)
  if (!found || text === '') return undefined
  const [, Y, m, d, H, M, S, f, z] = found
  const date = Y === undefined ? {} : { Y: Number(Y), m: Number(m), d: Number(d) }
  const time = H === undefined ? {} : { H: Number(H), M: Number(M), S: Number(S ?? 0), f: f ?? '' }
  return { ...date, ...time, ...(z && { z: zone(z) }) }
}

function zone(text: string): string {
  return /^[Zz]$/.test(text) ? 'Z' : `${text.slice(0, 3)}:${text.slice(3).replace(':', '').padEnd(2, '0')}`
}

/**
 * The moment that a text means, in one form: texts of the same moment have the same. A zone is taken into account, and a text
 * without one is in UTC.
 *
 * @param patterns Of strptime, tried in order; empty: ISO 8601
 * @returns undefined for a text that is neither
 */
export function momentKey(text: string, patterns: readonly string[]): string | undefined {
  const read = patterns.length === 0 ? [byIso] : patterns.map((pattern) => (value: string) => byPattern(value, pattern))
  for (const one of read) {
    const parts = one(text)
    const key = parts && keyOf(parts)
    if (key !== undefined) return key
  }
  return undefined
}

function keyOf({ Y = 2000, m, d, j, H, I, M = 0, S = 0, f = '', pm = false, z = 'Z' }: Parts): string | undefined {
  const hour = H ?? (I === undefined ? 0 : (I % 12) + (pm ? 12 : 0))
  const day = new Date(0)
  // With the day of the year the month is January, and its day runs on. setUTCFullYear, because Date.UTC takes 1 for 1901.
  day.setUTCFullYear(Y, (m ?? 1) - 1, d ?? j ?? 1)
  if (j === undefined && day.getUTCDate() !== (d ?? 1)) return undefined
  const minutes = z === 'Z' ? 0 : Number(`${z[0]}1`) * (Number(z.slice(1, 3)) * 60 + Number(z.slice(4)))
  const seconds = (hour * 60 + M - minutes) * 60 + S
  return `${day.getTime() / 1000 + seconds}.${f.replace(/0+$/, '')}`
}
