import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSV } from '../src/parse/dialect.ts'
import type { Encoding, ProgramColumn, Transform } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { disagreement } from './support/compare.ts'
import { Random } from './support/random.ts'

const SEEDS = Number(process.env.SLUICE_TEST_SEEDS ?? 20)
const FIRST_SEED = Number(process.env.SLUICE_TEST_FIRST_SEED ?? 1)
/** Cells of a source. */
const CELLS = 60

interface Kind {
  column: Pick<ProgramColumn, 'type'> & Partial<ProgramColumn>
  storages: { pg: ProgramColumn['storage']; sqlite: ProgramColumn['storage'] }
  usual: (random: Random) => string
}

const digits = (random: Random, most: number) => random.text('0123456789', random.between(1, most))
const sign = (random: Random) => random.pick(['', '', '', '-', '+'])
const two = (random: Random, most: number) => String(random.between(1, most)).padStart(2, '0')
const date = (random: Random) => [
  random.pick(['1900', '2000', '2023', '2024', '9999', '0001', '0000']),
  two(random, 13),
  two(random, 32),
]
const TEXTS: { column: string; transforms: Transform[] }[] = [
  { column: 'text', transforms: [] },
  { column: 'trimmed', transforms: ['trim'] },
  { column: 'emptied', transforms: ['trim', 'nullIfEmpty'] },
]

const word = (random: Random) => random.text([...'abc XYZ.-é€😀\u{a0}\t', ''], random.between(0, 40))

/** Every kind of column that has a usual way, and texts that mostly take it. */
const KINDS: Record<string, Kind> = {
  ...Object.fromEntries(
    TEXTS.map(({ column, transforms }) => [
      column,
      {
        column: { type: { kind: 'text' }, transforms, maxLength: 30 },
        storages: { pg: 'pg-text', sqlite: 'sqlite-text' },
        usual: word,
      },
    ]),
  ),
  ...Object.fromEntries(
    ([2, 4, 8] as const).map((bytes) => [
      `int${bytes}`,
      {
        column: { type: { kind: 'integer', bytes }, minimum: '-5000', maximum: '30000' },
        storages: { pg: `pg-int${bytes}`, sqlite: 'sqlite-integer' },
        usual: (random) => sign(random) + digits(random, random.pick([3, 5, 8, 9, 16, 17, 19])),
      } satisfies Kind,
    ]),
  ),
  ...Object.fromEntries(
    (
      [
        [12, 2],
        [5, 0],
        [6, 4],
        [3, 3],
        [30, 10],
        [null, null],
      ] as const
    ).map(([precision, scale]) => [
      `numeric(${precision},${scale})`,
      {
        column: { type: { kind: 'numeric', precision, scale } },
        storages: { pg: 'pg-numeric', sqlite: 'sqlite-number' },
        usual: (random) => {
          const whole = random.pick(['0', '00', '10000', digits(random, 4), digits(random, 9)])
          return `${sign(random)}${whole}${random.pick(['', '.', '.0', '.5000', '.0001', `.${digits(random, 8)}`])}`
        },
      } satisfies Kind,
    ]),
  ),
  boolean: {
    column: { type: { kind: 'boolean' } },
    storages: { pg: 'pg-bool', sqlite: 'sqlite-integer' },
    usual: (random) =>
      random.pick(['t', 'F', 'true', 'False', 'yes', 'no', 'ON', 'off', '1', '0', 'y', 'n', 'truth', 'o']),
  },
  'date, ISO': {
    column: { type: { kind: 'date' } },
    storages: { pg: 'pg-date', sqlite: 'sqlite-text' },
    usual: (random) => date(random).join('-'),
  },
  'date, patterns': {
    column: {
      type: { kind: 'date' },
      formats: ['%Y-%m-%d', '%m/%d/%Y', '%d/%m/%Y', '%d.%m.%Y', '%d %b %Y', '%Y/%m/%d'],
    },
    storages: { pg: 'pg-date', sqlite: 'sqlite-text' },
    usual: (random) => {
      const [year, month, day] = date(random)
      const separator = random.pick(['-', '/', '.'])
      return random
        .pick([
          [year, month, day],
          [month, day, year],
          [day, month, year],
        ])
        .join(separator)
    },
  },
  'date, a pattern without a shape first': {
    column: { type: { kind: 'date' }, formats: ['%m/%d/%y00', '%d/%m/%Y', '%Y-%m-%d'] },
    storages: { pg: 'pg-date', sqlite: 'sqlite-text' },
    usual: (random) => random.pick(['01/02/2000', '13/02/2000', '2024-02-29', '2023-02-29']),
  },
  uuid: {
    column: { type: { kind: 'uuid' } },
    storages: { pg: 'pg-uuid', sqlite: 'sqlite-text' },
    usual: (random) => [8, 4, 4, 4, 12].map((length) => random.text('0123456789abcdefABCDEF', length)).join('-'),
  },
  ...Object.fromEntries(
    ([[], ['trim'], ['lowercase'], ['trim', 'lowercase'], ['collapse', 'lowercase']] as Transform[][]).map(
      (transforms) => [
        `email, ${transforms.join() || 'as it is'}`,
        {
          column: { type: { kind: 'email' }, transforms, maxLength: 60 },
          storages: { pg: 'pg-text', sqlite: 'sqlite-text' },
          usual: (random) => {
            const [name, domain] = [
              random.text("aBz09.-+_'é ", random.between(1, 30)),
              random.text('aBz09-', random.between(1, 20)),
            ]
            return `${name}@${domain}.${random.pick(['org', 'CO.UK', 'x', ''])}`
          },
        } satisfies Kind,
      ],
    ),
  ),
}

/** The text, a byte of it changed, or with one more or less; in quotes, or with spaces around it. */
function nearly(random: Random, text: string, quote: string): string {
  const characters = [...text]
  const at = random.below(characters.length + 1)
  const other = random.pick([...' 0159aZ.-/:@"é\0', '\xff', '\u{2003}'])
  if (random.chance(15)) characters.splice(at, 1, other)
  if (random.chance(8)) characters.splice(at, 0, other)
  if (random.chance(8)) characters.splice(at, 1)
  if (random.chance(8)) characters.unshift(' ')
  if (random.chance(8)) characters.push(random.pick([' ', '\t', '\u{a0}']))
  const changed = random.chance(4) ? '' : characters.join('')
  return random.chance(30) ? quote + changed.replaceAll('"', random.chance(80) ? '""' : '"') + quote : changed
}

describe('cells that are written as most are, and their neighbours', () => {
  for (const [name, { column, storages, usual }] of Object.entries(KINDS)) {
    for (const [database, encoding] of [
      ['pg', 'pg-binary'],
      ['sqlite', 'sqlite-page'],
    ] as [keyof Kind['storages'], Encoding][]) {
      test(`kernel and twin agree on ${name}, ${encoding}`, () => {
        for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
          const random = new Random(seed)
          const lines = Array.from({ length: CELLS }, () => `${nearly(random, usual(random), '"')},x`)
          const columns: ProgramColumn[] = [
            columnOf({ storage: storages[database], required: random.chance(30), ...column }),
          ]
          const given = {
            bytes: Buffer.from(`${lines.join('\n')}\n`, random.chance(90) ? 'utf8' : 'latin1'),
            dialect: {
              ...CSV,
              header: false,
              escape: random.chance(10) ? '\\' : null,
              nullWords: random.pick([[''], [''], [''], [], ['', '0']]),
            },
            program: { sourceColumns: ['value', 'x'], columns },
          }
          const found = disagreement(given, encoding, { pieces: [65_537] })
          assert.equal(found, undefined, `seed ${seed}: ${found}`)
        }
      })
    }
  }
})
