import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../src/errors.ts'
import { FIELD_TYPES, type Field } from '../src/schema/field.ts'
import { fieldCheck } from '../src/schema/field-check.ts'
import { emitTableSchema, parseTableSchema } from '../src/schema/table-schema.ts'
import { assertLinear } from './support/linear.ts'

const refused = (value: unknown, message: string | RegExp) =>
  assert.throws(
    () => parseTableSchema(value),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_SCHEMA' &&
      (typeof message === 'string' ? error.message.includes(message) : message.test(error.message)),
  )
const field = (rest: object) => ({ fields: [{ name: 'a', ...rest }] })

test('a whole schema is read, and what is unknown is left out', () => {
  const schema = parseTableSchema({
    $schema: 'https://datapackage.org/profiles/2.0/tableschema.json',
    title: 'People',
    fields: [
      {
        name: 'id',
        type: 'integer',
        title: 'Id',
        constraints: { required: true, minimum: 1, maximum: '9223372036854775807' },
      },
      {
        name: 'email',
        type: 'string',
        format: 'email',
        source: ['E-mail', 'Mail'],
        transform: ['trim', 'lowercase'],
        constraints: { unique: true },
      },
      { name: 'born', type: 'date', format: ['%Y-%m-%d', 'fmt:%d/%m/%Y'] },
      { name: 'seen', type: 'datetime', timezone: false },
      { name: 'paid', type: 'number', decimalChar: ',', groupChar: '.', bareNumber: true },
      { name: 'active', type: 'boolean', trueValues: ['ja'], falseValues: ['nein'] },
      { name: 'code', constraints: { pattern: '[A-Z]{2}\\d+', enum: ['AB1', 2, true], minLength: 2, maxLength: 9 } },
    ],
    missingValues: ['', { value: '-', label: 'none' }],
    primaryKey: 'id',
    uniqueKeys: [['email', 'born']],
  })
  assert.deepEqual(schema.primaryKey, ['id'])
  assert.deepEqual(schema.missingValues, ['', '-'])
  assert.deepEqual(schema.fields[0], {
    name: 'id',
    type: 'integer',
    constraints: { required: true, minimum: 1, maximum: '9223372036854775807' },
  })
  assert.deepEqual(schema.fields[2]?.format, ['%Y-%m-%d', '%d/%m/%Y'])
  assert.deepEqual(parseTableSchema(JSON.parse(emitTableSchema(schema))), schema)
})

const REFUSALS: [schema: unknown, message: string][] = [
  [null, 'schema is null; it must be a JSON object'],
  [{}, 'fields is missing; it must be a list of one field or more'],
  [{ fields: [] }, 'fields is []'],
  [{ fields: [{}] }, 'fields[0].name is missing; it must be a name'],
  [{ fields: [{ name: 'a' }, { name: 'a' }] }, 'fields[1].name is "a"; it must be a name that no other field has'],
  [{ fields: [{ name: 'a' }], primaryKey: ['b'] }, 'primaryKey[0] is "b"; it must be the name of a field'],
  [{ fields: [{ name: 'a' }], uniqueKeys: [['a', 'a']] }, 'uniqueKeys[0] is ["a","a"]'],
  [{ fields: [{ name: 'a' }], missingValues: [1] }, 'missingValues[0] is 1'],
  [field({ type: 'int' }), 'fields[0].type is "int"; it must be one of string, integer, number'],
  [field({ type: 'string', format: 'phone' }), 'fields[0].format is "phone"; it must be one of default, email'],
  [field({ type: 'date', format: '%d.%q' }), '%q at character 4 is not a directive'],
  [field({ type: 'date', format: '%d%' }), '% at character 3 is not a directive'],
  [field({ type: 'date', format: [] }), 'fields[0].format is []'],
  [
    field({ type: 'date', format: ['default'] }),
    'fields[0].format[0] is "default"; it must be a pattern of a whole date',
  ],
  [field({ type: 'date', format: '%m/%Y' }), 'it must be a pattern of a whole date'],
  [field({ type: 'date', format: '%Y-%m-%d %H:%M' }), 'without a time of day'],
  [field({ type: 'time', format: '%H:%M %z' }), 'it must be a pattern of a time of day'],
  [field({ type: 'datetime', format: '%H:%M' }), 'it must be a pattern with a whole date'],
  [field({ type: 'datetime', format: '%Y-%m-%d %z', timezone: false }), 'fields[0].timezone is false; it must be true'],
  [field({ type: 'boolean', trueValues: ['0'] }), 'which have "0" too'],
  [field({ type: 'boolean', trueValues: [] }), 'fields[0].trueValues is []'],
  [field({ decimalChar: ',,' }), 'fields[0].decimalChar is ",,"; it must be one ASCII character'],
  [field({ groupChar: '.' }), 'another character than decimalChar'],
  [field({ groupChar: '-' }), 'fields[0].groupChar is "-"'],
  [field({ transform: ['trim', 'upper'] }), 'fields[0].transform[1] is "upper"; it must be one of trim, lowercase'],
  [field({ transform: ['trim', 'trim'] }), 'names each transform once'],
  [field({ source: [1] }), 'fields[0].source[0] is 1'],
  [field({ missingValues: ['-'] }), 'fields[0].missingValues is ["-"]; it must be left out'],
  [field({ categories: ['x'] }), 'use constraints.enum'],
  [field({ type: 'number', bareNumber: false }), 'fields[0].bareNumber is false; it must be true'],
  [field({ type: 'list', itemType: 'integer' }), 'fields[0].itemType is "integer"; it must be string'],
  [field({ constraints: [] }), 'fields[0].constraints is []; it must be a JSON object'],
  [field({ constraints: { required: 'yes' } }), 'fields[0].constraints.required is "yes"; it must be true or false'],
  [
    field({ constraints: { minLength: -1 } }),
    'fields[0].constraints.minLength is -1; it must be a whole number from 0',
  ],
  [field({ constraints: { minLength: 3, maxLength: 2 } }), 'at most maxLength, 2'],
  [field({ type: 'array', constraints: { minLength: 1 } }), 'does not count the items'],
  [field({ type: 'string', constraints: { minimum: 1 } }), 'type string has no order'],
  [
    field({ type: 'integer', constraints: { minimum: 1.5 } }),
    'fields[0].constraints.minimum is 1.5; it must be a plain number',
  ],
  [field({ type: 'integer', constraints: { maximum: 2 ** 53 } }), 'a string of all its digits'],
  [field({ type: 'date', constraints: { maximum: '31/12/2024' } }), 'fields[0].constraints.maximum is "31/12/2024"'],
  [field({ type: 'datetime', timezone: false, constraints: { minimum: '2024-01-01T00:00Z' } }), 'constraints.minimum'],
  [
    field({ type: 'integer', constraints: { exclusiveMinimum: 0 } }),
    'fields[0].constraints.exclusiveMinimum is 0; it must be left out: limits are inclusive, say minimum',
  ],
  [field({ type: 'date', constraints: { exclusiveMaximum: '2030-01-01' } }), 'say maximum'],
  [field({ type: 'object', constraints: { jsonSchema: {} } }), 'fields[0].constraints.jsonSchema is {}'],
  [field({ constraints: { enum: [] } }), 'fields[0].constraints.enum is []'],
  [field({ constraints: { enum: [null] } }), 'fields[0].constraints.enum[0] is null'],
  [field({ constraints: { pattern: '(a' } }), 'at character 2: missing closing )'],
  [field({ constraints: { pattern: '[**]a**b' } }), 'at character 7: invalid nested repetition operator: `**`'],
  [field({ constraints: { pattern: '(?=a)' } }), 'at character 3: invalid or unsupported Perl syntax'],
  [field({ constraints: { pattern: 'a\\' } }), 'at character 2: trailing backslash'],
  [field({ constraints: { pattern: '(?:a{0,500}){0,2}'.repeat(9) } }), 'more than 5000'],
  [field({ constraints: { pattern: '(\\Q[\\E(x(?:[a\\]]b){31}){31}){5}' } }), 'more than 5000'],
]

for (const [schema, message] of REFUSALS) test(`refused: ${JSON.stringify(schema)}`, () => refused(schema, message))

test('what is shown of a hostile value is short and has no control characters', () => {
  refused(field({ type: `\u001b[31m${'x'.repeat(10_000)}` }), /^[\x20-\x7e…]{1,400}$/)
})

const KINDS: [Partial<Field>, string][] = [
  [{}, 'text'],
  [{ type: 'any' }, 'text'],
  [{ type: 'list' }, 'text'],
  [{ type: 'string', format: 'uuid' }, 'uuid'],
  [{ type: 'string', format: 'email' }, 'email'],
  [{ type: 'year' }, 'integer'],
  [{ type: 'datetime' }, 'timestamptz'],
  [{ type: 'datetime', timezone: false }, 'timestamp'],
  [{ type: 'datetime', format: '%Y-%m-%d %H:%M' }, 'timestamp'],
  [{ type: 'datetime', format: '%Y-%m-%d %H:%M %z' }, 'timestamptz'],
  [{ type: 'datetime', format: '%Y%m%d', timezone: true }, 'timestamptz'],
  [{ type: 'geojson' }, 'json'],
  [{ type: 'geopoint', format: 'array' }, 'json'],
  [{ type: 'geopoint' }, 'text'],
]
for (const [given, kind] of KINDS) {
  test(`${JSON.stringify(given)} is checked as ${kind}`, () =>
    assert.equal(fieldCheck({ name: 'a', ...given }).type.kind, kind))
}

const SHAPES: [Partial<Field>, good: string[], bad: string[]][] = [
  [
    { type: 'string', format: 'uri' },
    ['https://x.org/a?b=c#d', 'urn:isbn:1', 'http://bücher.de/ä', 'a:%20'],
    ['x.org', 'http://a b', ':a', 'a:', 'a:%2', 'http://a\u200b\n'],
  ],
  [{ type: 'string', format: 'binary' }, ['', 'QQ==', 'QUI=', 'QUJD'], ['Q', 'QQ=', 'QQ==QQ==', 'Q-==']],
  [{ type: 'year' }, ['2024', '-0044', ' 2024 '], ['24', '20x4', '']],
  [{ type: 'yearmonth' }, ['2024-01'], ['2024-13', '2024-1', '2024']],
  [{ type: 'duration' }, ['P1Y2M3DT4H5M6.7S', '-P1D', 'PT0S'], ['P', 'PT', 'P1DT', '1D', 'P1S']],
  [{ type: 'geopoint' }, ['90.50, 45.50', '-1,.5'], ['90', '90;45', '90,  45']],
]
for (const [given, good, bad] of SHAPES) {
  test(`the shape of ${JSON.stringify(given)}`, () => {
    const { test: check } = fieldCheck({ name: 'a', ...given })
    for (const text of good) assert.equal(check?.(text), undefined, text)
    for (const text of bad) assert.match(check?.(text) ?? '', /^".*" is not /, text)
  })
}

test('no cell can make a shape slow: ten times the text takes about ten times as long', () => {
  const pieces = ['1', 'P1', 'A', 'a:%20', '1.', ' ']
  const work = (size: number) => () => {
    for (const [given] of SHAPES) {
      const check = fieldCheck({ name: 'a', ...given }).test
      for (const piece of pieces) check?.(`${piece.repeat(size / piece.length)}!`)
    }
  }
  assertLinear(work, 20_000)
})

const limit = fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String))
const fields = fc
  .uniqueArray(
    fc.oneof(
      fc.record(
        { name: fc.string({ minLength: 1 }), type: fc.constantFrom(...FIELD_TYPES) },
        { requiredKeys: ['name'] },
      ),
      fc.record({
        name: fc.constantFrom('n', '__proto__', 'constructor'),
        type: fc.constant('integer' as const),
        constraints: fc.record({ minimum: limit, required: fc.boolean() }, { requiredKeys: [] }),
      }),
      fc.record({
        name: fc.constant('t'),
        source: fc.array(fc.string(), { minLength: 1 }),
        transform: fc.subarray(['trim', 'collapse', 'nullIfEmpty'] as const),
        constraints: fc.record({ enum: fc.array(fc.oneof(fc.string(), fc.boolean()), { minLength: 1 }) }),
      }),
    ),
    { selector: ({ name }) => name, minLength: 1, maxLength: 6 },
  )
  .filter((list) => list.every(({ name }) => name.trim() !== ''))

test('an emitted schema is read back as it was', () => {
  fc.assert(
    fc.property(
      fields,
      fc.option(fc.array(fc.string()), { nil: undefined }),
      fc.boolean(),
      (list, missingValues, keyed) => {
        const schema = parseTableSchema({ fields: list, missingValues, ...(keyed && { primaryKey: list[0]!.name }) })
        assert.deepEqual(parseTableSchema(JSON.parse(emitTableSchema(schema))), schema)
      },
    ),
  )
})

test('whatever JSON is given, it is a schema or a SluiceError', () => {
  const keys = fc.constantFrom(
    'fields',
    'name',
    'type',
    'format',
    'constraints',
    'pattern',
    'enum',
    'minimum',
    'transform',
    'primaryKey',
    'x',
  )
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, 1, '', 'a', 'date', '%Y', '(', true),
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.dictionary(keys, tie('tree'), { maxKeys: 4 }),
    ),
  }))
  fc.assert(
    fc.property(tree, (value) => {
      for (const one of [value, { fields: value }, { fields: [{ name: 'a', type: 'date', ...(value as object) }] }]) {
        try {
          parseTableSchema(one)
        } catch (error) {
          assert.ok(error instanceof SluiceError, String(error))
        }
      }
    }),
    { numRuns: 1000 },
  )
})
