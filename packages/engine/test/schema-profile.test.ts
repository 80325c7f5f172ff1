import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseProfile } from '../src/schema/profile.ts'

test('a profile with everything', () => {
  const profile = {
    table: 'crm.people',
    schema: { fields: [{ name: 'id', type: 'integer' }] },
    dialect: {
      delimiter: ';',
      quote: null,
      escape: '\\',
      comment: '#',
      header: false,
      lineEnd: 'any',
      nullWords: ['NA'],
    },
    key: ['id'],
    onConflict: 'update',
    dedupe: 'key',
    write: 'unnest',
    batchRows: 1000,
    atomic: true,
    rejectTable: 'bad',
    unknownColumns: 'metadata',
    set: { tenant: 'acme', region: null },
    provenance: true,
  }
  assert.deepEqual(parseProfile({ ...profile, maxErrors: '1.5%' }), { ...profile, maxErrors: { percent: 1.5 } })
  assert.deepEqual(parseProfile({}), {})
})

test('short forms', () => {
  assert.deepEqual(parseProfile({ key: 'a, b', maxErrors: 10, schema: 'people.json' }), {
    key: ['a', 'b'],
    maxErrors: { rows: 10 },
    schema: 'people.json',
  })
  assert.deepEqual(parseProfile({ maxErrors: '0' }), { maxErrors: { rows: 0 } })
})

test('a hostile column is a name like any other', () => {
  const { set } = parseProfile(JSON.parse('{"set":{"__proto__":"x"}}'))
  assert.deepEqual(Object.entries(set!), [['__proto__', 'x']])
})

const REFUSALS: [profile: unknown, message: RegExp][] = [
  [[], /^profile is \[\]; it must be a JSON object/],
  [{ tabel: 'x', keys: 1 }, /^profile has no key "tabel", "keys"; its keys are table, schema, dialect/],
  [{ table: ' ' }, /table is " "; it must be a string that is not blank/],
  [
    { dialect: { separator: ';' } },
    /^profile: dialect has no key "separator"; its keys are .*encoding, delimiter, trailingDelimiter, skipLines, quote/,
  ],
  [{ dialect: { delimiter: null } }, /dialect\.delimiter is null; it must be a string/],
  [{ dialect: { lineEnd: 'crlf' } }, /dialect\.lineEnd is "crlf"; it must be one of lf, cr, any/],
  [{ key: [1] }, /key\[0\] is 1; it must be a string/],
  [{ onConflict: 'ignore' }, /onConflict is "ignore"; it must be one of reject, skip, update/],
  [{ dedupe: true }, /dedupe is true/],
  [{ write: 'insert' }, /write is "insert"; it must be one of copy, unnest/],
  [{ batchRows: 0 }, /batchRows is 0; it must be a whole number from 1/],
  [{ maxErrors: '101%' }, /maxErrors is "101%"; it must be a number of rows, or a share such as "1%"/],
  [{ maxErrors: -1 }, /maxErrors is -1/],
  [{ set: { a: 1 } }, /set\.a is 1; it must be a string or null/],
  [{ atomic: 'yes' }, /atomic is "yes"/],
]
for (const [profile, message] of REFUSALS) {
  test(`refused: ${JSON.stringify(profile)}`, () =>
    assert.throws(() => parseProfile(profile), { code: 'SLUICE_CONFIG', message }))
}

test('what is wrong with the schema inside is told with its place', () => {
  const message = /^crm\.json: schema: fields\[0\]\.type is "int"/
  assert.throws(() => parseProfile({ schema: { fields: [{ name: 'a', type: 'int' }] } }, 'crm.json'), {
    code: 'SLUICE_SCHEMA',
    message,
  })
})
