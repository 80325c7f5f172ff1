import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CSV } from '../src/parse/dialect.ts'
import type { Field } from '../src/schema/field.ts'
import { inferSchema, type SampleCell } from '../src/schema/infer.ts'
import { planLoad } from '../src/schema/plan.ts'
import type { ColumnType, Storage } from '../src/schema/program.ts'
import { parseTableSchema } from '../src/schema/table-schema.ts'
import { type RunOptions, runKernel } from './support/run-kernel.ts'

const plain = (text: string): SampleCell => ({ text, quoted: false })

function inferred(
  cells: readonly (string | SampleCell)[],
  nullWords = [''],
  delimiter = ',',
): { field: Omit<Field, 'name'>; because: string } {
  const records = cells.map((cell) => [typeof cell === 'string' ? plain(cell) : cell])
  const { schema, evidence } = inferSchema(['c', 'd'], records, nullWords, delimiter)
  const { name: _, ...field } = schema.fields[0]!
  return { field, because: evidence[0]!.because }
}

const WALL = { type: 'datetime', timezone: false }
const INSTANT = { type: 'datetime', timezone: true }
const UUID = '6f1c2a34-0b9d-4e5f-8a7b-1c2d3e4f5a6b'

const CASES: [cells: (string | SampleCell)[], field: object][] = [
  [['1', '-2', '0'], { type: 'integer' }],
  [['9223372036854775807', '-9223372036854775808'], { type: 'integer' }],
  [['9223372036854775808'], { type: 'number' }],
  [['1', '2.50', '-0.5'], { type: 'number' }],
  [['0.1234567890123456789'], { type: 'number' }],
  [[{ text: '1', quoted: true }, '2'], { type: 'integer' }],
  [['1', '', '3'], { type: 'integer' }],
  [['1', { text: '', quoted: true }], { type: 'string' }],
  [['true', 'false'], { type: 'boolean' }],
  [['TRUE', 'FALSE'], { type: 'boolean', trueValues: ['TRUE'], falseValues: ['FALSE'] }],
  [['true', 'True'], { type: 'string' }],
  [['2024-02-29'], { type: 'date' }],
  [['2024-01-01T10:00:00', '2024-01-01 10:00:00.25'], WALL],
  [['2024-01-01T10:00:00Z', '2024-01-01 10:00:00+02', '2024-01-01T10:00-0330'], INSTANT],
  [[UUID], { type: 'uuid' }],
  ...[
    ['00123'],
    ['1', '007'],
    ['+48 123'],
    ['+5'],
    ['1e5'],
    ['1,234'],
    ['.5'],
    ['5.'],
    ['-0'],
    ['-0.0'],
    ['00.5'],
    [' 1'],
    ['1 '],
    ['NaN'],
    ['inf'],
    ['yes', 'no'],
    ['t', 'f'],
    ['05/06/2024'],
    ['2024-1-5'],
    ['2023-02-29'],
    ['0000-01-01'],
    ['20240105'.concat('x')],
    ['2024-01-01', '2024-01-01T10:00:00'],
    ['2024-01-01T10:00:00', '2024-01-01T10:00:00Z'],
    ['2024-01-01T24:00:00'],
    ['2024-01-01T10:00:60'],
    ['2024-01-01T10:00:00.1234567'],
    ['0001-01-01T00:00:00+14:00'],
    ['10:30'],
    [UUID.toUpperCase()],
    [`{${UUID}}`],
    ['é'],
    ['１２'],
  ].map((cells): [string[], object] => [cells, { type: 'string' }]),
]

for (const [cells, field] of CASES) {
  test(`${JSON.stringify(cells)} is ${JSON.stringify(field)}`, () => assert.deepEqual(inferred(cells).field, field))
}

const COMMA = { type: 'number', decimalChar: ',' }
const grouped = (groupChar: string, decimalChar: string) => ({
  type: 'number',
  decimalChar,
  groupChar,
  constraints: { pattern: `-?(?:\\d+|\\d{1,3}(?:[${groupChar}]\\d{3})+)(?:[${decimalChar}]\\d+)?` },
})
const LOCAL: [cells: string[], field: object][] = [
  [['1,5', '-2,25', '7'], COMMA],
  [['0,125'], COMMA],
  [['1,234', '1,5'], COMMA],
  [['1,2345'], COMMA],
  [['1.234,56', '12,50', '999', '-1.000.000,00', '1.234'], grouped('.', ',')],
  [['1,234.56', '12.50', '1,234'], grouped(',', '.')],
  [['1 234,56', '12'], grouped(' ', ',')],
  [["1'234.50"], grouped("'", '.')],
  ...[
    ['1,234', '5,678'],
    ['1.234.567'],
    ['1.234', '1,5'],
    ['1,5', '2.5'],
    ['1.234,56', '12.5'],
    ['1.234,56', '1,234.56'],
    ['1.23,45'],
    ['12.34.567,8'],
    ['01,5'],
    ['-0,0'],
    ['1,5', ' 2,5'],
    ['1,2,3'],
    ['1,5e3'],
    ['1,'],
    [',5'],
    ['+1,5'],
    ['0.123,4'],
    ['1,5', 'x'],
  ].map((cells): [string[], object] => [cells, { type: 'string' }]),
]

for (const [cells, field] of LOCAL) {
  test(`${JSON.stringify(cells)} between semicolons is ${JSON.stringify(field)}`, () =>
    assert.deepEqual(inferred(cells, [''], ';').field, field))
}

test('between commas 1,5 may be two numbers, 1,234.56 is one', () => {
  assert.deepEqual(inferred(['1,5', '2,25']).field, { type: 'string' })
  assert.deepEqual(inferred(['1,234.56']).field, grouped(',', '.'))
})

test('a name with a comma, or a column alone, leaves open what separates the cells', () => {
  const records = [[plain('1,5'), plain('2')]]
  const types = (header: string[]) => inferSchema(header, records, [''], ';').schema.fields.map(({ type }) => type)
  assert.deepEqual(types(['a,b', 'c']), ['string', 'integer'])
  assert.deepEqual(types(['a', 'c']), ['number', 'integer'])
  assert.deepEqual(types(['a']), ['string'])
})

test('the evidence tells that a mark can be either', () => {
  const { because } = inferred(['1,234', '5,678'], [''], ';')
  assert.equal(because, 'no value shows what the mark in "1,234" is: a decimal point or groups of digits')
})

test('under groups that were inferred a later number of another kind is refused, not read ten times as large', () => {
  const [{ schema }, storageFor] = [
    inferSchema(['c', 'end'], [[plain('1.234,56')]], [''], ';'),
    () => 'pg-text' as const,
  ]
  const { program } = planLoad({ header: ['c', 'end'], inferred: schema, storageFor })
  const dialect = { ...CSV, delimiter: ';', header: false }
  const text = ['1.234,56', '12.5', '1.5', '1.2345,6', '1,5.6', '1.500', '3'].map((cell) => `${cell};x\n`).join('')
  const { rows, rejects } = runKernel(new TextEncoder().encode(text), {
    program,
    dialect,
    encoding: 'pg-text',
    pieces: [4096],
  })
  assert.equal(rows.length, 3)
  assert.deepEqual(
    rejects.map(({ record }) => record),
    [2, 3, 4, 5],
  )
})

test('a column without a value is text, and says so', () => {
  assert.deepEqual(inferred(['', '']), { field: { type: 'string' }, because: 'no value in the sample' })
  assert.deepEqual(inferred([]).field, { type: 'string' })
})

test('0 and 1 are numbers, not booleans', () => assert.deepEqual(inferred(['0', '1']).field, { type: 'integer' }))

test('null words make NULL only where they are not quoted', () => {
  assert.deepEqual(inferred(['1', 'NA'], ['NA']).field, { type: 'integer' })
  assert.deepEqual(inferred(['1', { text: 'NA', quoted: true }], ['NA']).field, { type: 'string' })
  assert.deepEqual(inferred(['1', ''], ['NA']).field, { type: 'string' })
})

test('the evidence names the first value that forbade the narrower type', () => {
  assert.equal(inferred(['1', '2', '007', 'x']).because, '"007" in record 3 would change as integer or number')
  assert.equal(inferred(['1', '2.5']).because, '"2.5" in record 2 would change as integer')
  assert.equal(inferred(['Ann', 'Bob']).because, '"Ann" in record 1 would change as anything but text')
})

test('evidence counts values and NULLs; ragged records, blank and repeated headers do no harm', () => {
  const { schema, evidence } = inferSchema(
    [' a ', '', 'a', '__proto__'],
    [[plain('1')], [plain(''), plain('x'), plain('y'), plain('2'), plain('z')]],
  )
  assert.deepEqual(schema.fields, [
    { name: 'a', type: 'integer' },
    { name: '__proto__', type: 'integer' },
  ])
  assert.deepEqual(
    evidence.map(({ values, nulls }) => [values, nulls]),
    [
      [1, 1],
      [1, 0],
    ],
  )
})

/** What a value is once it was stored and printed: an independent reading of the values' grammar. */
function printed(field: Omit<Field, 'name'>, text: string): string {
  switch (field.type) {
    case 'integer':
      assert.ok(BigInt(text) === BigInt.asIntN(64, BigInt(text)))
      return String(BigInt(text))
    case 'number': {
      const [, sign, whole, fraction] = /^([+-]?)(\d*)(\.\d+)?$/.exec(text) ?? assert.fail(text)
      const zero = /^[0.]*$/.test(`${whole}${fraction ?? ''}`)
      return `${sign === '-' && !zero ? '-' : ''}${BigInt(whole || '0')}${fraction ?? ''}`
    }
    case 'boolean': {
      const isTrue = (field.trueValues ?? ['true']).includes(text)
      assert.ok(isTrue || (field.falseValues ?? ['false']).includes(text))
      return isTrue ? (field.trueValues?.[0] ?? 'true') : (field.falseValues?.[0] ?? 'false')
    }
    case 'date':
      return new Date(`${text}T00:00:00Z`).toISOString().slice(0, 10)
    case 'datetime': {
      // Whole seconds by the platform, the fraction by hand: a zone is there on every value or on none.
      const [, seconds, fraction = '', zone] =
        /^(\S{10}.\d\d:\d\d(?::\d\d)?)(\.\d+)?(\S*)$/.exec(text) ?? assert.fail(text)
      assert.equal(zone !== '', field.timezone)
      assert.ok(/^(\.\d{1,6}0*)?$/.test(fraction))
      const normal =
        zone === '' || zone === 'Z' ? 'Z' : `${zone!.slice(0, 3)}:${zone!.slice(3).replace(':', '') || '00'}`
      const instant = new Date(seconds!.replace(' ', 'T') + normal)
      assert.ok(instant.getUTCFullYear() >= 1 && instant.getUTCFullYear() <= 9999)
      if (zone === '') assert.ok(instant.toISOString().startsWith(seconds!.replace(' ', 'T')))
      return text
    }
    case 'uuid':
      return text.toLowerCase()
    default:
      return text
  }
}

const digits = fc.stringMatching(/^[+-]?\d{0,3}[.,]?\d{0,22}(e\d)?$/)
const dates = fc.stringMatching(/^\d{4}-[01]\d-[0-3]\d$/)
const times = fc.stringMatching(
  /^20\d\d-0\d-[0-2]\d[T ][012]\d:[0-5]\d(:[0-6]\d(\.\d{1,8})?)?(Z|z|[+-][012]\d(:?[0-5]\d)?)?$/,
)
const words = fc.constantFrom('true', 'false', 'True', 'False', 'TRUE', 'yes', 'no', '1', '0', 't', '')
const anything = fc.oneof(
  digits,
  dates,
  times,
  words,
  fc.integer().map(String),
  fc.uuid(),
  fc.string({ unit: 'binary' }),
)
const columns = fc.oneof(
  ...[digits, dates, times, words, anything].map((cells) =>
    fc.array(fc.record({ text: cells, quoted: fc.boolean() }), { maxLength: 6 }),
  ),
)

test('the law: no sample value changes under the type that was inferred', () => {
  fc.assert(
    fc.property(columns, (cells) => {
      const { field } = inferred(cells)
      for (const { text, quoted } of cells) {
        if (text !== '' || quoted) assert.equal(printed(field, text), text)
      }
    }),
    { numRuns: 3000 },
  )
})

const STORED: Partial<Record<ColumnType['kind'], Storage>> = {
  integer: 'pg-int8',
  numeric: 'pg-numeric',
  boolean: 'pg-bool',
  date: 'pg-date',
  timestamp: 'pg-timestamp',
  timestamptz: 'pg-timestamptz',
  uuid: 'pg-uuid',
}

test('the kernel takes every value of the sample under the type that was inferred', () => {
  const sound = columns.filter((cells) => cells.every(({ text }) => text.isWellFormed() && !text.includes('\0')))
  fc.assert(
    fc.property(sound, (cells) => {
      const records = cells.map(({ text, quoted }) => [{ text, quoted: quoted || /[",\r\n]/.test(text) }, plain('x')])
      const source = records.map((row) =>
        row.map(({ text, quoted }) => (quoted ? `"${text.replaceAll('"', '""')}"` : text)).join(','),
      )
      const { schema } = inferSchema(['c', 'end'], records)
      const storageFor = ({ kind }: ColumnType) => STORED[kind] ?? 'pg-text'
      const { program } = planLoad({ header: ['c', 'end'], inferred: schema, storageFor })
      const dialect = { ...CSV, header: false }
      const options: RunOptions = { program, dialect, encoding: 'pg-binary', pieces: [4096] }
      const { rows, rejects } = runKernel(new TextEncoder().encode(source.map((line) => `${line}\n`).join('')), options)
      assert.deepEqual([rows.length, rejects], [cells.length, []])
    }),
    { numRuns: 100 },
  )
})

test('an inferred schema is a schema', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string(), { maxLength: 5 }),
      fc.array(fc.array(anything.map(plain), { maxLength: 6 }), { maxLength: 5 }),
      (header, records) => {
        const { schema } = inferSchema(header, records)
        if (schema.fields.length > 0) assert.deepEqual(parseTableSchema(schema), schema)
      },
    ),
  )
})
