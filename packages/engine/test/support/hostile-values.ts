import type { ProgramColumn } from '../../src/schema/program.ts'
import {
  BOOLEANS,
  DATES,
  EMAILS,
  FORMATTED,
  INTEGERS,
  JSONS,
  NUMBERS,
  SPACES,
  TIMES,
  UUIDS,
  WORDS,
  ZONES,
} from './hostile-pools.ts'
import type { Random } from './random.ts'

const POOLS: Record<ProgramColumn['type']['kind'], string[]> = {
  text: WORDS,
  other: WORDS,
  integer: INTEGERS,
  numeric: NUMBERS,
  float8: NUMBERS,
  boolean: BOOLEANS,
  date: DATES,
  time: TIMES,
  timestamp: [],
  timestamptz: [],
  uuid: UUIDS,
  email: EMAILS,
  json: JSONS,
}

/** A cell for a column: often at an edge of its type, sometimes nonsense; mostly sound where it is to be calm. */
export function hostileValue(random: Random, column: ProgramColumn, calm: boolean): string {
  if (calm && column.formats.length === 0 && random.chance(95)) return freshValue(random, column, calm)
  if (random.chance(4)) return random.pick(POOLS[random.pick(Object.keys(POOLS) as (keyof typeof POOLS)[])]) ?? ''
  if (column.formats.length > 0 && random.chance(80)) return random.pick(FORMATTED)
  if (column.enum && random.chance(60)) return random.pick(column.enum)
  if (column.trueWords.length > 0 && random.chance(50)) return random.pick([...column.trueWords, ...column.falseWords])
  let value = random.chance(45) ? random.pick(pool(random, column)) : freshValue(random, column, calm)
  if (random.chance(6)) value = random.pick(SPACES) + value
  if (random.chance(6)) value += random.pick(SPACES)
  if (random.chance(3)) value = damage(random, value)
  return value
}

function pool(random: Random, { type }: ProgramColumn): string[] {
  if (type.kind !== 'timestamp' && type.kind !== 'timestamptz') return POOLS[type.kind]
  const zone = random.chance(type.kind === 'timestamptz' ? 70 : 10) ? random.pick(ZONES) : ''
  const edge = random.pick(['0001-01-01T00:00:00', '9999-12-31T23:59:59.999999', '2000-01-01 00:00'])
  const joined = `${random.pick(DATES)}${random.pick(['T', 't', ' ', '  ', ''])}${random.pick(TIMES)}`
  return [edge + zone, joined + zone, random.pick(DATES), random.pick(DATES) + zone]
}

function freshValue(random: Random, { type, decimalChar, groupChar }: ProgramColumn, calm: boolean): string {
  const two = (to: number, from = 0): string => String(random.between(from, to)).padStart(2, '0')
  const least = calm ? 1 : 0
  const date = (): string => `${random.between(1000, 9999)}-${two(12, least)}-${two(calm ? 28 : 31, least)}`
  const time = (): string => {
    const fraction = random.chance(50) ? `.${random.text('0123456789', random.between(1, calm ? 6 : 7))}` : ''
    return `${two(23)}:${two(59)}${random.chance(80) ? `:${two(59)}${fraction}` : ''}`
  }
  const digits = (most: number): string =>
    random.text('0123456789', Math.min(most, random.between(1, Math.max(1, most))))
  const sign = random.pick(['', '', '-', '+'])
  const grouped = (text: string): string =>
    groupChar !== null && random.chance(50) ? text.replace(/(?<=\d)(?=(\d{3})+$)/g, groupChar) : text
  switch (type.kind) {
    case 'integer':
      return sign + grouped(digits(calm ? (type.bytes === 2 ? 4 : type.bytes * 2) : random.pick([3, 5, 10, 19, 20])))
    case 'numeric':
    case 'float8': {
      const precision = type.kind === 'numeric' ? type.precision : null
      if (calm && precision !== null && type.kind === 'numeric') {
        const scale = type.scale ?? 0
        return `${sign}${grouped(digits(precision - scale) || '0')}${scale > 0 ? decimalChar + digits(scale) : ''}`
      }
      const fraction = random.chance(60)
        ? decimalChar + random.text('0123456789', random.below(random.pick([3, 8, 20])))
        : ''
      const exponent = random.chance(15)
        ? `e${random.pick(['', '-', '+'])}${random.below(random.pick([5, 30, 330]))}`
        : ''
      return sign + grouped(digits(random.pick([2, 6, 16, 40]))) + fraction + exponent
    }
    case 'date':
      return date()
    case 'time':
      return time()
    case 'timestamp':
      return `${date()}${random.pick('T ')}${time()}`
    case 'timestamptz':
      return `${date()}${random.pick('T ')}${time()}${random.chance(60) ? `${random.pick('+-')}${two(23)}:${two(59)}` : ''}`
    case 'uuid':
      return [8, 4, 4, 4, 12].map((length) => random.text('0123456789abcdefABCDEF', length)).join('-')
    case 'email':
      return `${random.text('abcXYZ.-_+', random.between(1, 12))}@${random.text(calm ? 'abc9' : 'abc-9', random.between(1, 8))}.${random.text('abc', 3)}`
    case 'json': {
      const list = [random.pick(WORDS), random.below(9), { x: null }]
      return JSON.stringify(type.top === 'array' ? list : { [random.pick(WORDS)]: list, y: random.pick(WORDS) })
    }
    case 'boolean':
      return random.pick(['t', 'TRUE', 'yes', 'on', '1', 'false', 'N', 'off', '0'])
    default:
      return Array.from({ length: random.between(0, 4) }, () => random.pick([...WORDS, ...SPACES])).join('')
  }
}

/** One character more, less or different. */
function damage(random: Random, value: string): string {
  const characters = [...value]
  const at = random.below(characters.length + 1)
  characters.splice(at, random.below(2), ...(random.chance(70) ? [random.pick([...'0aZ.-+:, \t/@"'])] : []))
  return characters.join('')
}
