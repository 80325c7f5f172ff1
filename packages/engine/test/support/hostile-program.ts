import type { ColumnType, Program, ProgramColumn, Storage, Transform } from '../../src/schema/program.ts'
import { columnOf } from './column.ts'
import type { Random } from './random.ts'

type Kind = ColumnType['kind']

const PG: Record<Kind, Storage[]> = {
  text: ['pg-text'],
  other: ['pg-text'],
  integer: ['pg-int8', 'pg-int8', 'pg-numeric', 'pg-float8', 'pg-text'],
  numeric: ['pg-numeric', 'pg-numeric', 'pg-float8', 'pg-text'],
  float8: ['pg-float8', 'pg-float8', 'pg-text'],
  boolean: ['pg-bool', 'pg-bool', 'pg-text'],
  date: ['pg-date', 'pg-date', 'pg-timestamp', 'pg-timestamptz', 'pg-text'],
  time: ['pg-time', 'pg-time', 'pg-text'],
  timestamp: ['pg-timestamp', 'pg-timestamp', 'pg-text'],
  timestamptz: ['pg-timestamptz', 'pg-timestamptz', 'pg-text'],
  uuid: ['pg-uuid', 'pg-uuid', 'pg-text'],
  email: ['pg-text'],
  json: ['pg-jsonb', 'pg-text'],
}

const SQLITE: Record<Kind, Storage[]> = {
  text: ['sqlite-text'],
  other: ['sqlite-text'],
  integer: [
    'sqlite-integer',
    'sqlite-integer',
    'sqlite-integer',
    'sqlite-text',
    'sqlite-real',
    'sqlite-number',
    'sqlite-exact',
  ],
  numeric: ['sqlite-number', 'sqlite-number', 'sqlite-exact', 'sqlite-real', 'sqlite-text'],
  float8: ['sqlite-real', 'sqlite-real', 'sqlite-text'],
  boolean: ['sqlite-integer', 'sqlite-text'],
  date: ['sqlite-text'],
  time: ['sqlite-text'],
  timestamp: ['sqlite-text'],
  timestamptz: ['sqlite-text'],
  uuid: ['sqlite-text'],
  email: ['sqlite-text'],
  json: ['sqlite-text'],
}

const TRANSFORMS: Transform[] = ['trim', 'lowercase', 'uppercase', 'collapse', 'nullIfEmpty']

const BOUNDS: Partial<Record<Kind, [string, string][]>> = {
  integer: [
    ['-5', '100'],
    ['0', '32767'],
    ['-32768', '-1'],
  ],
  numeric: [
    ['-1.5', '99.95'],
    ['0', '1e3'],
    ['-100000000000000000000', '0.1'],
    ['0.30000000000000004', '12345678901234567890.5'],
  ],
  float8: [
    ['-1.5', '99.95'],
    ['0', '1e3'],
    ['1e-300', '1e300'],
    ['0.1', '0.3'],
  ],
  date: [
    ['2000-01-01', '2023-12-31'],
    ['0001-01-01', '1999-12-31'],
  ],
  time: [
    ['08:00', '17:30:00'],
    ['00:00:00.000001', '23:59:59.999998'],
  ],
  timestamp: [
    ['2000-01-01T00:00:00', '2023-12-31T23:59:59.999999'],
    ['1969-12-31T12:00', '2024-02-29'],
  ],
  timestamptz: [
    ['2000-01-01T00:00:00Z', '2023-12-31T23:59:59.999999+05:30'],
    ['1969-12-31T12:00:00', '2024-02-29'],
  ],
}

const FORMATS: Partial<Record<Kind, string[]>> = {
  date: [
    '%d.%m.%Y',
    '%m/%d/%Y',
    '%d/%m/%Y',
    '%d %B %Y',
    '%d %b %Y',
    '%Y-%j',
    '%d.%m.%y',
    '%Y-%m-%d',
    '%d%m%Y',
    '%m%d%Y',
  ],
  time: ['%H:%M', '%I:%M %p', '%H:%M:%S.%f', '%I:%M', '%M%%', '%S'],
  timestamp: ['%d.%m.%Y', '%Y-%m-%d %H:%M:%S.%f', '%d %b %Y %I:%M %p', '%Y-%m-%d %I %p', '%Y-%m-%dT%H:%M:%S'],
  timestamptz: ['%Y-%m-%dT%H:%M:%S%z', '%Y-%m-%dT%H:%M:%S.%f%z', '%d.%m.%Y', '%z %Y-%m-%d'],
}

/** A program over all types and options, of storages that one of the databases has; with fewer options where it is to be calm. */
export function hostileProgram(random: Random, database: 'pg' | 'sqlite', calm: boolean): Program {
  const count = random.chance(50) ? random.between(1, 4) : random.between(1, 12)
  const columns: ProgramColumn[] = []
  const cells = Array.from({ length: count + random.below(3) }, (_, index) => index)
  const sourceColumns = cells.map((cell) => random.pick([`c${cell}`, `c${cell}`, `Spalte ${cell}ß`, '__proto__']))
  for (let i = 0; i < count; i++) {
    const cell = cells.splice(random.below(cells.length), 1)[0]!
    columns.push(hostileColumn(random, database, cell, calm))
  }
  if (random.chance(15))
    columns.push(withSource(plainColumn('text', database), random.pick([null, '', 'tenant\t1', 'ü\\'])))
  if (random.chance(10)) columns.push({ ...plainColumn('integer', database), name: 'line', from: { line: true } })
  return { sourceColumns, columns }
}

function withSource(column: ProgramColumn, constant: string | null): ProgramColumn {
  return { ...column, name: 'constant', from: { constant } }
}

function plainColumn(kind: 'text' | 'integer', database: 'pg' | 'sqlite'): ProgramColumn {
  const type: ColumnType = kind === 'integer' ? { kind, bytes: 8 } : { kind }
  const storage = (database === 'pg' ? PG : SQLITE)[kind][0]!
  return columnOf({ name: kind, type, storage })
}

const KINDS = Object.keys(PG) as Kind[]

function hostileColumn(random: Random, database: 'pg' | 'sqlite', cell: number, calm: boolean): ProgramColumn {
  const chance = (percent: number): boolean => random.chance(calm ? percent / 5 : percent)
  const type = hostileType(random, random.pick(KINDS))
  const { kind } = type
  let storage = random.pick((database === 'pg' ? PG : SQLITE)[kind])
  if (storage === 'pg-int8' && type.kind === 'integer') storage = `pg-int${type.bytes}`
  const column: ProgramColumn = {
    ...plainColumn('text', database),
    name: `${kind}_${cell}`,
    from: { cell },
    type,
    storage,
    required: chance(20),
    transforms: chance(30) ? TRANSFORMS.filter(() => chance(40)).sort(() => random.below(3) - 1) : [],
  }
  const formats = FORMATS[kind]
  if (formats && chance(30)) column.formats = formats.filter(() => chance(40))
  if (kind === 'boolean' && chance(30)) {
    column.trueWords = random.pick([
      ['ja', 'Ja'],
      ['1', 'yes'],
    ])
    column.falseWords = random.pick([['nein'], ['0', 'NO', '']])
  }
  if (['integer', 'numeric', 'float8'].includes(kind)) {
    if (chance(25)) column.groupChar = random.pick([',', ' ', '_', "'"])
    if (kind !== 'integer' && chance(20)) {
      column.decimalChar = ','
      column.groupChar = random.pick(['.', null, ' '])
    }
  }
  const bounds = BOUNDS[kind]
  if (bounds && chance(25)) {
    const [minimum, maximum] = random.pick(bounds)
    if (chance(70)) column.minimum = minimum
    if (chance(70)) column.maximum = maximum
  }
  if (chance(12)) column.minLength = random.below(6)
  if (chance(12)) column.maxLength = random.between(3, 20)
  if (chance(6))
    column.enum = random.pick([
      ['a', 'abc', 'Zoë'],
      ['1', '0', '', '5.'],
      ['true', '2024-02-29', 'a@b.co', '{}'],
    ])
  if (chance(6))
    column.test = (value) => (value.length % 5 === 4 ? `${value.slice(0, 3)} has an unlucky length` : undefined)
  return column
}

function hostileType(random: Random, kind: Kind): ColumnType {
  switch (kind) {
    case 'integer':
      return { kind, bytes: random.pick([2, 4, 8] as const) }
    case 'numeric': {
      const precision = random.pick([null, null, 1, 7, 15, 20, 40])
      return {
        kind,
        precision,
        scale: precision === null ? null : random.pick([0, 1, Math.min(2, precision), precision]),
      }
    }
    case 'json':
      return { kind, top: random.pick(['any', 'object', 'array'] as const) }
    default:
      return { kind }
  }
}
