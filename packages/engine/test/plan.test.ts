import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../src/errors.ts'
import { compileProgram } from '../src/parse/compile.ts'
import type { Field } from '../src/schema/field.ts'
import { headerByOrder } from '../src/schema/header.ts'
import { type PlanRequest, planLoad } from '../src/schema/plan.ts'
import type { ColumnType, Program, Storage } from '../src/schema/program.ts'
import { tableNameFor } from '../src/schema/table-name.ts'
import { parseTableSchema, type TableSchema } from '../src/schema/table-schema.ts'
import type { TargetColumn, TargetTable } from '../src/write/database.ts'
import { assertLinear } from './support/linear.ts'

const TEXT = { type: { kind: 'text' }, storage: 'pg-text' } as const
const INT4 = { type: { kind: 'integer', bytes: 4 }, storage: 'pg-int4' } as const

function column(name: string, rest: Partial<TargetColumn> = {}): TargetColumn {
  return {
    name,
    declared: 'text',
    ...TEXT,
    nullable: true,
    hasDefault: false,
    generated: false,
    maxLength: null,
    ...rest,
  }
}

function table(...columns: (TargetColumn | string)[]): TargetTable {
  return {
    name: { schema: null, table: 't' },
    columns: columns.map((one) => (typeof one === 'string' ? column(one) : one)),
    primaryKey: [],
    uniqueKeys: [],
  }
}

const schemaOf = (...fields: Field[]): TableSchema => parseTableSchema({ fields })
const storageFor = ({ kind }: ColumnType): Storage =>
  kind === 'integer' ? 'sqlite-integer' : kind === 'numeric' ? 'sqlite-number' : 'sqlite-text'
const plan = (request: Omit<PlanRequest, 'storageFor'>) => planLoad({ storageFor, ...request })
const refused = (request: Omit<PlanRequest, 'storageFor'>, ...messages: (string | RegExp)[]) => {
  for (const message of messages)
    assert.throws(() => plan(request), {
      code: 'SLUICE_COLUMNS',
      message: typeof message === 'string' ? new RegExp(message.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : message,
    })
}
const routes = (request: Omit<PlanRequest, 'storageFor'>) =>
  plan(request).program.columns.map(({ name, from }) => [name, 'cell' in from ? from.cell : from])

test('headers match exactly, else without regard to case, in the order of the table', () => {
  assert.deepEqual(routes({ header: [' b ', 'ID', 'a'], target: table('id', 'a', 'b') }), [
    ['id', 1],
    ['a', 2],
    ['b', 0],
  ])
  assert.deepEqual(routes({ header: ['id', 'ID'], target: table('ID', 'id') }), [
    ['ID', 1],
    ['id', 0],
  ])
  assert.deepEqual(plan({ header: [' b ', 'a'], target: table('a', 'b') }).program.sourceColumns, [' b ', 'a'])
})

test('names that could be several are refused', () => {
  refused({ header: ['iD'], target: table('ID', 'id') }, '"iD" could be any of "ID", "id"')
  refused(
    { header: ['id', 'ID'], target: table('id') },
    'column "id" of the source and column "ID" of the source go to "id"',
  )
  refused(
    { header: ['a', 'a', 'a'], target: table('a') },
    'column "a" of the source and column "a" of the source and 1 more go to "a"',
  )
  refused(
    { header: ['Id', 'id'], inferred: schemaOf({ name: 'Id' }, { name: 'id' }) },
    '"Id" and "id" differ in case only',
  )
})

test('unknown columns are refused with what there is, or left out', () => {
  const request = { header: ['a', 'x', 'y'], target: table('a', 'b') }
  refused(
    request,
    'The columns of the source do not fit table "t":',
    'not in the table: "x", "y"',
    'The source has: "a", "x", "y".',
    'The table has: "a", "b".',
  )
  assert.deepEqual(plan({ ...request, unknownColumns: 'ignore' }).notices, ['not in the table, so left out: "x", "y"'])
  refused({ header: ['a', 'x'], schema: schemaOf({ name: 'a' }) }, 'not in the schema: "x"', 'The schema has: "a".')
  refused({ header: ['x'], target: table('a'), unknownColumns: 'ignore' }, 'no column is left to load')
})

test('blank headers are refused, skipped, mapped or ignored', () => {
  const target = table('a', 'b')
  refused({ header: ['a', ''], target }, 'column 2 of the source has no name')
  assert.deepEqual(routes({ header: ['a', '', ' '], target, skip: [''] }), [['a', 0]])
  assert.deepEqual(routes({ header: ['a', ''], target, unknownColumns: 'ignore' }), [['a', 0]])
  assert.deepEqual(routes({ header: ['a', ''], target, rename: { '': 'b' } }), [
    ['a', 0],
    ['b', 1],
  ])
})

test('--map and --skip', () => {
  const target = table('a', 'b')
  assert.deepEqual(routes({ header: ['X', 'y'], target, rename: { x: 'B' }, skip: ['Y'] }), [['b', 0]])
  refused({ header: ['a'], target, rename: { z: 'a' } }, '--map "z" names no column of the source')
  refused({ header: ['a'], target, rename: { a: 'z' } }, '"a" is mapped to "z", which is no column of the table')
  refused({ header: ['a'], target, rename: { a: ' ' } }, '--map "a" names no column to map it to')
  refused({ header: ['a'], target, rename: { a: 'b', A: 'a' } }, '--map names "a" twice')
  refused({ header: ['a'], target, skip: ['q'] }, '--skip "q" names no column of the source')
  refused({ header: ['aB', 'Ab'], target, skip: ['ab'] }, '--skip "ab" could be any of "aB", "Ab"')
  assert.deepEqual(
    plan({ header: ['X'], inferred: schemaOf({ name: 'X', type: 'integer' }), rename: { X: 'n' } }).create?.columns,
    [{ name: 'n', type: { kind: 'integer', bytes: 8 }, required: false, unique: false }],
  )
})

test('aliases of a schema', () => {
  const schema = schemaOf({ name: 'email', source: ['E-mail', 'Mail'] }, { name: 'n', type: 'integer', source: 'No.' })
  assert.deepEqual(routes({ header: ['no.', 'mail'], schema, target: table('email', 'n') }), [
    ['email', 1],
    ['n', 0],
  ])
  assert.deepEqual(routes({ header: ['Email', 'N'], schema }), [
    ['email', 0],
    ['n', 1],
  ])
  refused(
    { header: ['Mail', 'E-mail', 'n'], schema },
    '"Mail" of the source and column "E-mail" of the source go to "email"',
  )
  const twins = schemaOf({ name: 'a', source: 'x' }, { name: 'b', source: 'x' })
  refused({ header: ['x'], schema: twins }, '"x" could be any of the fields "a", "b"')
})

test('columns that the table fills itself are left alone', () => {
  const target = table(column('id', { generated: true, nullable: false }), 'a')
  const { program, notices } = plan({ header: ['id', 'a'], target })
  assert.deepEqual(
    program.columns.map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(notices, [`the table itself fills "id": the source's values are left out`])
  refused({ header: ['a'], target, set: { id: '1' } }, 'the constant for "id" has no place')
})

test('a column that must have a value and gets none is always refused', () => {
  const target = table('a', column('b', { nullable: false }), column('c', { nullable: false, hasDefault: true }))
  refused(
    { header: ['a'], target, unknownColumns: 'ignore' },
    'the table needs a value for "b" (NOT NULL without a default)',
  )
  const { program } = plan({ header: ['a', 'b', 'c'], target })
  assert.deepEqual(
    program.columns.map(({ required }) => required),
    [false, true, true],
  )
})

test('constants', () => {
  assert.deepEqual(routes({ header: ['a'], target: table('a', 'Tenant'), set: { tenant: 'x' } }), [
    ['a', 0],
    ['Tenant', { constant: 'x' }],
  ])
  refused(
    { header: ['a'], target: table('a'), set: { tenant: 'x' } },
    'the constant for "tenant" needs a column "tenant"',
  )
  refused(
    { header: ['a'], target: table('a'), set: { a: null } },
    'column "a" of the source and the constant for "a" go to "a"',
  )
  const created = plan({ header: ['a'], inferred: schemaOf({ name: 'a' }), set: { tenant: 'x', constructor: null } })
  assert.deepEqual(
    created.create?.columns.map(({ name }) => name),
    ['a', 'tenant', 'constructor'],
  )
})

test('provenance', () => {
  const provenance = { job: 'j', file: 'f.csv' }
  const request = { header: ['a'], provenance }
  const added = [
    ['_job', { constant: 'j' }],
    ['_file', { constant: 'f.csv' }],
    ['_line', { line: true }],
  ]
  assert.deepEqual(routes({ ...request, inferred: schemaOf({ name: 'a' }) }), [['a', 0], ...added])
  assert.deepEqual(routes({ ...request, target: table('_job', '_file', '_line', 'a') }), [...added, ['a', 0]])
  refused(
    { ...request, target: table('a', '_job') },
    'provenance needs a column "_file"',
    'provenance needs a column "_line"',
  )
})

test('a new table: order of the schema, key, required, unique, fields without a column', () => {
  const schema = parseTableSchema({
    fields: [
      { name: 'a', type: 'integer' },
      { name: 'b', constraints: { unique: true } },
      { name: 'c', constraints: { required: true } },
      { name: 'd', type: 'date' },
    ],
    primaryKey: 'a',
    uniqueKeys: [['c'], ['a']],
  })
  const { create, key, notices, program } = plan({ header: ['c', 'b', 'a'], schema })
  assert.deepEqual(create, {
    columns: [
      { name: 'a', type: { kind: 'integer', bytes: 8 }, required: true, unique: false },
      { name: 'b', type: { kind: 'text' }, required: false, unique: true },
      { name: 'c', type: { kind: 'text' }, required: true, unique: true },
      { name: 'd', type: { kind: 'date' }, required: false, unique: false },
    ],
    primaryKey: ['a'],
  })
  assert.deepEqual([key, notices], [['a'], ['the source has no column for "d"']])
  assert.deepEqual(
    program.columns.map(({ name, required, storage }) => [name, required, storage]),
    [
      ['a', true, 'sqlite-integer'],
      ['b', false, 'sqlite-text'],
      ['c', true, 'sqlite-text'],
    ],
  )
  refused({ header: ['b'], schema }, 'the schema requires "a", "c", and the source has no such column')
})

test('keys', () => {
  const inferred = schemaOf({ name: 'A' }, { name: 'b' })
  assert.deepEqual(plan({ header: ['A', 'b'], inferred, key: ['a', 'b', 'a'] }).create?.primaryKey, ['A', 'b'])
  refused({ header: ['A'], inferred, key: ['z'] }, 'the key column "z" is not among the columns that are loaded')
  assert.deepEqual(plan({ header: ['a'], target: table('a') }).key, [])
})

test('a skipped column of an inferred schema is not created', () => {
  assert.deepEqual(
    plan({ header: ['a', 'b'], inferred: schemaOf({ name: 'a' }, { name: 'b' }), skip: ['b'] }).create?.columns.length,
    1,
  )
})

test('uniqueness that no index would watch over is refused', () => {
  const schema = parseTableSchema({
    fields: [{ name: 'a', constraints: { unique: true } }, { name: 'b' }],
    uniqueKeys: [['a', 'b']],
  })
  const target = table('a', 'b')
  refused(
    { header: ['a', 'b'], schema, target },
    'the schema wants "a" to be unique, and the table has no unique index',
  )
  assert.ok(plan({ header: ['a', 'b'], schema, target: { ...target, uniqueKeys: [['a']] } }))
  refused({ header: ['a', 'b'], schema }, 'the schema wants "a", "b" to be unique together')
})

test('names that a database would change are refused', () => {
  const inferred = (name: string): TableSchema => ({ fields: [{ name }] })
  const long = 'ü'.repeat(32)
  refused({ header: [long], inferred: inferred(long), nameBytes: 63 }, 'has 64 bytes and may have 63; use --map')
  assert.ok(plan({ header: [long], inferred: inferred(long) }))
  refused({ header: ['a\0b'], inferred: inferred('a\0b') }, '"a\\u0000b" cannot name a column')
  const systemNames = ['ctid']
  refused({ header: ['ctid'], inferred: inferred('ctid'), systemNames }, '"ctid" is the name of a system column')
  assert.ok(plan({ header: ['CTID'], inferred: inferred('CTID'), systemNames }))
})

const NUMERIC = (precision: number | null, scale: number | null): ColumnType => ({ kind: 'numeric', precision, scale })
const INT8: ColumnType = { kind: 'integer', bytes: 8 }
/** By "A schema type in a column of another type" of docs/reference/values.md. */
const MEETINGS: [field: Partial<Field>, own: { type: ColumnType; storage: Storage }, type: ColumnType][] = [
  [{ type: 'integer' }, TEXT, INT8],
  [{ type: 'date' }, TEXT, { kind: 'date' }],
  [{ type: 'string', format: 'email' }, TEXT, { kind: 'email' }],
  [{ type: 'uuid' }, TEXT, { kind: 'uuid' }],
  [{ type: 'integer' }, INT4, INT4.type],
  [{ type: 'number' }, INT4, INT4.type],
  [{ type: 'string' }, INT4, INT4.type],
  [{}, INT4, INT4.type],
  [{ type: 'integer' }, { type: NUMERIC(null, null), storage: 'pg-numeric' }, INT8],
  [{ type: 'integer' }, { type: { kind: 'float8' }, storage: 'pg-float8' }, INT8],
  [{ type: 'number' }, { type: NUMERIC(9, 2), storage: 'pg-numeric' }, NUMERIC(9, 2)],
  [{ type: 'number' }, { type: { kind: 'float8' }, storage: 'pg-float8' }, NUMERIC(null, null)],
  [{ type: 'date' }, { type: { kind: 'timestamptz' }, storage: 'pg-timestamptz' }, { kind: 'date' }],
  [{ type: 'datetime' }, { type: { kind: 'timestamp' }, storage: 'pg-timestamp' }, { kind: 'timestamp' }],
  [{ type: 'datetime' }, { type: { kind: 'date' }, storage: 'pg-date' }, { kind: 'date' }],
  [{ type: 'object' }, { type: { kind: 'json', top: 'any' }, storage: 'pg-jsonb' }, { kind: 'json', top: 'object' }],
  [{ type: 'boolean' }, INT4, INT4.type],
  [{ type: 'boolean' }, { type: INT8, storage: 'sqlite-integer' }, { kind: 'boolean' }],
  [{ type: 'date' }, { type: { kind: 'other' }, storage: 'pg-text' }, { kind: 'other' }],
]
for (const [field, own, type] of MEETINGS) {
  test(`${JSON.stringify(field)} in a column of ${JSON.stringify(own.type)}`, () => {
    const { program } = plan({
      header: ['a'],
      schema: schemaOf({ name: 'a', ...field }),
      target: table(column('a', own)),
    })
    assert.deepEqual([program.columns[0]?.type, program.columns[0]?.storage], [type, own.storage])
  })
}

const one = (field: Partial<Field>, own: Partial<TargetColumn> = {}) =>
  plan({ header: ['a'], schema: schemaOf({ name: 'a', ...field }), target: table(column('a', own)) }).program
    .columns[0]!

test('constraints, transforms, words and formats reach the program', () => {
  const date = one({
    type: 'date',
    format: ['%d/%m/%Y', '%Y%m%d'],
    constraints: { minimum: '2000-01-01', required: true },
  })
  assert.deepEqual([date.formats, date.minimum, date.required], [['%d/%m/%Y', '%Y%m%d'], '2000-01-01', true])
  const flag = one({ type: 'boolean', trueValues: ['ja'] })
  assert.deepEqual([flag.trueWords, flag.falseWords], [['ja'], ['false', 'False', 'FALSE', '0']])
  const price = one({ type: 'number', decimalChar: ',', groupChar: '.', transform: ['trim', 'nullIfEmpty'] })
  assert.deepEqual([price.decimalChar, price.groupChar, price.transforms], [',', '.', ['trim', 'nullIfEmpty']])
  assert.deepEqual(one({ type: 'string', constraints: { enum: ['x', 1, true] } }).enum, ['x', '1', 'true'])
  assert.deepEqual(one({ constraints: { minLength: 2, maxLength: 9 } }, { maxLength: 5 }).maxLength, 5)
  assert.deepEqual(one({}, { maxLength: 5 }).maxLength, 5)
})

test('an integer in numeric(p,s) has limits instead of a precision', () => {
  const own = { type: NUMERIC(5, 2), storage: 'pg-numeric' } as const
  assert.deepEqual([one({ type: 'integer' }, own).minimum, one({ type: 'integer' }, own).maximum], ['-999', '999'])
  const within = one({ type: 'integer', constraints: { minimum: '+5', maximum: 5000 } }, own)
  assert.deepEqual([within.minimum, within.maximum], ['+5', '999'])
})

test('limits and formats that the column cannot have are refused', () => {
  const request = (field: Partial<Field>, own: Partial<TargetColumn>) => ({
    header: ['a'],
    schema: schemaOf({ name: 'a', ...field }),
    target: table(column('a', own)),
  })
  const [date, timestamp] = [
    { type: { kind: 'date' }, storage: 'pg-date' },
    { type: { kind: 'timestamp' }, storage: 'pg-timestamp' },
  ] as const
  refused(request({ type: 'number', constraints: { minimum: 1.5 } }, INT4), 'minimum 1.5 of field "a" is no integer')
  refused(request({ type: 'datetime', format: '%Y-%m-%d %H:%M' }, date), 'column "a" cannot hold the time of day')
  refused(request({ type: 'datetime', format: '%Y-%m-%d %H:%M %z' }, timestamp), 'column "a" cannot hold the zone')
})

test('tests of the whole text: pattern, then nothing else', () => {
  const code = one({ type: 'string', format: 'uri', constraints: { pattern: 'https:.*' } })
  assert.equal(code.test?.('https://x.org'), undefined)
  assert.equal(code.test?.('http://x.org'), '"http://x.org" does not match the pattern "https:.*"')
  assert.equal(code.test?.('x y'), '"x y" is not a URI')
  assert.equal(one({ type: 'string', constraints: { pattern: 'a|ab' } }).test?.('ab'), undefined)
  assert.match(one({ type: 'string', constraints: { pattern: 'a|ab' } }).test?.('xaby') ?? '', /does not match/)
  assert.match(one({ type: 'string', constraints: { pattern: 'a$' } }).test?.('a\n') ?? '', /does not match/)
  assert.equal(one({ type: 'string', format: 'uri' }, INT4).test, undefined)
  assert.equal(one({ type: 'string' }).test, undefined)
})

test('inference decides in a column without affinity and nowhere else', () => {
  const inferred = schemaOf(
    { name: 'a', type: 'number' },
    { name: 'b', type: 'integer' },
    { name: 'c', type: 'integer' },
  )
  const free = { declared: '', type: NUMERIC(null, null), storage: 'sqlite-number' } as const
  const target = table(
    column('a', free),
    column('b', { declared: 'TEXT', type: { kind: 'text' }, storage: 'sqlite-text' }),
    column('c', { ...free, declared: 'BLOB' }),
  )
  assert.deepEqual(
    plan({ header: ['a', 'b', 'c'], inferred, target }).program.columns.map(({ type, storage }) => [
      type.kind,
      storage,
    ]),
    [
      ['numeric', 'sqlite-number'],
      ['text', 'sqlite-text'],
      ['integer', 'sqlite-integer'],
    ],
  )
  assert.equal(plan({ header: ['a'], target: table(column('a', free)) }).program.columns[0]?.type.kind, 'text')
  const schema = schemaOf({ name: 'a', type: 'date' })
  assert.equal(
    plan({ header: ['a'], schema, inferred, target: table(column('a', free)) }).program.columns[0]?.type.kind,
    'date',
  )
})

test('a source without a header goes by order', () => {
  assert.deepEqual(headerByOrder(2, undefined, undefined), ['column1', 'column2'])
  assert.deepEqual(headerByOrder(2, undefined, table(column('id', { generated: true }), 'a', 'b', 'c')), ['a', 'b'])
  assert.deepEqual(headerByOrder(1, schemaOf({ name: 'a', source: ['X'] }), table('b')), ['X'])
  assert.throws(() => headerByOrder(3, undefined, table('a')), {
    code: 'SLUICE_COLUMNS',
    message: /3 columns, but the table has 1: "a"/,
  })
})

test('names of tables', () => {
  const names = [
    'people.csv',
    'in/people 2024.csv.gz',
    'C:\\in\\people-v2.CSV',
    'sales.2024.csv',
    's3://b/k/a.NDJSON.zst',
    '.csv',
    'Größe.csv',
    'a";drop.csv',
    'dir/',
  ]
  assert.deepEqual(names.map(tableNameFor), [
    'people',
    'people_2024',
    'people_v2',
    'sales_2024',
    'a',
    '_csv',
    'Größe',
    'a__drop',
    '_',
  ])
})

const HOSTILE = [
  '__proto__',
  'constructor',
  'toString',
  'id',
  'ID',
  'Id',
  'id"; drop table t; --',
  'x'.repeat(70),
  '',
  ' ',
  'ﬁ',
  'İ',
  'ı',
  'a\0',
  '\ud800',
]
const name = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 5 }))
const names = fc.array(name, { maxLength: 5 })
const dictionary = (value: fc.Arbitrary<string | null>) =>
  fc
    .array(fc.tuple(name, value), { maxLength: 2 })
    .map((entries) => Object.fromEntries(entries) as Record<string, string>)
const fieldNames = fc.uniqueArray(
  name.filter((text) => text.trim() !== ''),
  { minLength: 1, maxLength: 5 },
)
const someSchema = fc
  .tuple(fieldNames, names)
  .map(([list, source]) =>
    schemaOf(
      ...list.map((text, index): Field => (index === 0 && source.length > 0 ? { name: text, source } : { name: text })),
    ),
  )

test('whatever the names are, there is a plan or a SluiceError; a plan fills each column once', () => {
  fc.assert(
    fc.property(
      fc.record({
        header: names,
        schema: fc.option(someSchema, { nil: undefined }),
        inferred: someSchema,
        target: fc.option(
          fieldNames.map((list) => table(...list)),
          { nil: undefined },
        ),
        rename: dictionary(name),
        skip: fc.array(name, { maxLength: 1 }),
        set: dictionary(fc.option(name)),
        unknownColumns: fc.constantFrom('reject' as const, 'ignore' as const),
        key: fc.option(names, { nil: undefined }),
      }),
      (request) => {
        try {
          const { program, create } = plan(request)
          const filled = program.columns.map((one) => one.name)
          assert.equal(new Set(filled).size, filled.length)
          const there = (request.target ?? create)!.columns.map((one) => one.name)
          for (const [index, one] of filled.entries())
            assert.ok(request.target ? there.includes(one) : there[index] === one)
        } catch (error) {
          assert.ok(error instanceof SluiceError && error.code === 'SLUICE_COLUMNS', String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('the time to plan grows with the header, not with its square', () => {
  const header = (size: number) => Array.from({ length: size }, (_, index) => `c${index}`)
  assertLinear((size) => {
    const names = header(size)
    const target = table(...names)
    const inferred: TableSchema = { fields: names.map((text) => ({ name: text, type: 'integer' })) }
    return () => [plan({ header: names, target }), plan({ header: names, inferred, key: ['c1'] })]
  }, 2_000)
})

test('a refusal of very many columns is short', () => {
  for (const text of ['a', '', 'x']) {
    const request = { header: Array.from({ length: 20_000 }, () => text), target: table('a') }
    assert.throws(
      () => plan(request),
      (error: Error) => error.message.length < 5_000,
    )
  }
})

const digits = fc.stringMatching(/^[+-]?\d{1,18}$/)
const clock = fc.stringMatching(/^[01]\d:[0-5]\d(:[0-5]\d(\.\d{1,6}0{0,3})?)?$/)
const day = fc
  .date({ min: new Date('1000-01-01'), max: new Date('9000-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10))
const wall = fc.tuple(day, fc.constantFrom('T', 't', ' '), clock).map((parts) => parts.join(''))
const zone = fc.stringMatching(/^ ?(Z|z|[+-][01]\d(:?[0-5]\d)?)$/)
const limits: fc.Arbitrary<[Partial<Field>, string]> = fc.oneof(
  digits.map((text): [Partial<Field>, string] => [{ type: 'integer' }, text]),
  fc
    .stringMatching(/^[+-]?\d{1,20}(\.\d{0,20})?([eE][+-]?\d{1,2})?$/)
    .map((text): [Partial<Field>, string] => [{ type: 'number' }, text]),
  day.map((text): [Partial<Field>, string] => [{ type: 'date' }, text]),
  clock.map((text): [Partial<Field>, string] => [{ type: 'time' }, text]),
  wall.map((text): [Partial<Field>, string] => [{ type: 'datetime', timezone: false }, text]),
  fc
    .tuple(wall, fc.oneof(zone, fc.constant('')))
    .map((parts): [Partial<Field>, string] => [{ type: 'datetime' }, parts.join('')]),
)

test('every limit that a schema may have is one that the kernel takes, at the same value', () => {
  const bounds = (program: Program) => compileProgram(program, [''], 'pg-binary', 0).bytes
  const stored = ({ kind }: ColumnType): Storage =>
    (
      ({
        integer: 'pg-int8',
        numeric: 'pg-numeric',
        date: 'pg-date',
        time: 'pg-time',
        timestamp: 'pg-timestamp',
      }) as const
    )[kind as 'date'] ?? 'pg-timestamptz'
  fc.assert(
    fc.property(limits, ([field, minimum]) => {
      const schema = schemaOf({ name: 'a', ...field, constraints: { minimum } })
      const { program } = planLoad({ header: ['a'], schema, storageFor: stored })
      bounds(program)
      if (field.type !== 'datetime' && field.type !== 'time') assert.equal(program.columns[0]?.minimum, minimum)
      if (field.type === 'datetime') assert.equal(microseconds(program.columns[0]!.minimum!), microseconds(minimum))
    }),
    { numRuns: 1000 },
  )
})

/** An instant by the platform's calendar and a fraction of its own; a wall clock's time counts as UTC. */
function microseconds(text: string): bigint {
  const [, date, clock_, fraction = '', sign, hours = '0', minutes = '0'] =
    /^(.{10}).(\d\d:\d\d(?::\d\d)?)(?:\.(\d+))? ?(?:[Zz]|([+-])(\d\d):?(\d\d)?)?$/.exec(text) ?? assert.fail(text)
  const offset = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1)
  return BigInt(Date.parse(`${date}T${clock_}Z`) - offset) * 1000n + BigInt(fraction.padEnd(6, '0').slice(0, 6))
}

for (const [given, normal] of [
  ['2024-01-01T10:00:00+02', '2024-01-01T10:00:00+02:00'],
  ['2024-01-01 10:00:00 Z', '2024-01-01 10:00:00Z'],
  ['2024-01-01T10:00:00.123456000-0530', '2024-01-01T10:00:00.123456-05:30'],
  ['2024-01-01', '2024-01-01'],
] as const) {
  test(`the limit ${given} is carried as ${normal}`, () => {
    assert.equal(
      one(
        { type: 'datetime', constraints: { maximum: given } },
        { type: { kind: 'timestamptz' }, storage: 'pg-timestamptz' },
      ).maximum,
      normal,
    )
  })
}

test('a new table has no more columns than its database takes', () => {
  const header = Array.from({ length: 5 }, (_, i) => `c${i}`)
  const inferred = schemaOf(...header.map((name) => ({ name, type: 'string' as const })))
  assert.equal(plan({ header, inferred, maxColumns: 5 }).create?.columns.length, 5)
  refused({ header, inferred, maxColumns: 4 }, 'it would have 5 columns and may have 4')
})
