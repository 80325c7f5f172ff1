import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSV } from '../src/parse/dialect.ts'
import type { RejectCode } from '../src/reject/reject.ts'
import { columnOf } from './support/column.ts'
import { runKernel } from './support/run-kernel.ts'

/**
 * Documents after the cases of N. Seriot's JSONTestSuite ("Parsing JSON is a Minefield"), each as a value in a record: those that RFC 8259
 * has (its y_), those that it has not (n_), and those whose grammar is right while their content is left to the reader (i_).
 * `%XX` is a byte.
 */
const VALID = [
  ...[
    '[[]   ]',
    '[""]',
    '[]',
    '["a"]',
    '[false]',
    '[null, 1, "1", {}]',
    '[null]',
    '[1%0A]',
    ' [1]',
    '[1,null,null,null,2]',
    '[2] ',
  ],
  ...[
    '[123e65]',
    '[0e+1]',
    '[0e1]',
    '[ 4]',
    '[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]',
  ],
  ...[
    '[20e1]',
    '[-0]',
    '[-123]',
    '[-1]',
    '[1E22]',
    '[1E-2]',
    '[1E+2]',
    '[123e45]',
    '[123.456e78]',
    '[1e-2]',
    '[1e+2]',
    '[123]',
    '[123.456789]',
  ],
  ...[
    '{"asd":"sdf", "dfg":"fgh"}',
    '{"asd":"sdf"}',
    '{"a":"b","a":"c"}',
    '{"a":"b","a":"b"}',
    '{}',
    '{"":0}',
    '{"foo\\u0000bar": 42}',
  ],
  ...[
    '{ "min": -1.0e+28, "max": 1.0e+28 }',
    '{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "xxxx"}',
    '{"a":[]}',
    '{%0A"a": "b"%0A}',
  ],
  ...[
    '["\\u0060\\u012a\\u12AB"]',
    '["\\uD801\\udc37"]',
    '["\\ud83d\\ude39\\ud83d\\udc8d"]',
    '["\\"\\\\\\/\\b\\f\\n\\r\\t"]',
    '["\\\\u0000"]',
    '["\\""]',
  ],
  ...[
    '["a/*b*/c/*d//e"]',
    '["\\\\a"]',
    '["\\\\n"]',
    '["\\u0012"]',
    '["\\uFFFF"]',
    '["asd"]',
    '[ "asd"]',
    '["\\uDBFF\\uDFFF"]',
    '["new\\u00A0line"]',
  ],
  ...[
    '["%F4%8F%BF%BF"]',
    '["%EF%BF%BF"]',
    '["\\u0000"]',
    '["\\u002c"]',
    '["%CF%80"]',
    '["%F0%9B%BF%BF"]',
    '["asd "]',
    '" "',
    '["\\uD834\\uDd1e"]',
  ],
  ...[
    '["\\u0821"]',
    '["\\u0123"]',
    '["%E2%80%A8"]',
    '["%E2%80%A9"]',
    '["\\u0061\\u30af\\u30EA\\u30b9"]',
    '["new\\u000Aline"]',
    '["%7F"]',
    '["\\uA66D"]',
  ],
  ...[
    '["%E2%8D%82%E3%88%B4%E2%8D%82"]',
    '["\\u005C"]',
    '["\\u0022"]',
    '["\\uDBFF\\uDFFE"]',
    '["\\u200B"]',
    '["\\u2064"]',
    '["\\uFDD0"]',
    '["\\uFFFE"]',
  ],
  ...[
    '["%E2%82%AC%F0%9D%84%9E"]',
    '["a%7Fa"]',
    'false',
    '42',
    '-0.1',
    'null',
    '"asd"',
    'true',
    '""',
    '["a"]%0A',
    '[true]',
    ' [] ',
    '[1]\r\n\t ',
  ],
]

const INVALID = [
  ...[
    '[1 true]',
    '[a%E5]',
    '["": 1]',
    '[""],',
    '[,1]',
    '[1,,2]',
    '["x",,]',
    '["x"]]',
    '["",]',
    '["x"',
    '[x',
    '[3[4]]',
    '[%FF]',
    '[1:2]',
    '[,]',
    '[-]',
    '[   , ""]',
  ],
  ...[
    '["a",%0A4%0A,1,',
    '[1,]',
    '[1,,]',
    '["%0Ba"\\f]',
    '[*]',
    '[""',
    '[1,',
    '[1,%0A1%0A,1',
    '[{}',
    '[fals]',
    '[nul]',
    '[tru]',
    '[++1234]',
    '[+1]',
    '[+Inf]',
    '[-01]',
  ],
  ...[
    '[-1.0.]',
    '[-2.]',
    '[-NaN]',
    '[.-1]',
    '[.2e-3]',
    '[0.1.2]',
    '[0.3e+]',
    '[0.3e]',
    '[0.e1]',
    '[0_]',
    '[0E+]',
    '[0E]',
    '[0e+]',
    '[0e]',
    '[1.0e+]',
    '[1.0e-]',
    '[1.0e]',
  ],
  ...[
    '[1 000.0]',
    '[1eE2]',
    '[2.e+3]',
    '[2.e-3]',
    '[2.e3]',
    '[9.e+]',
    '[Inf]',
    '[NaN]',
    '[%EF%BC%91]',
    '[1+2]',
    '[0x1]',
    '[0x42]',
    '[Infinity]',
    '[0e+-1]',
    '[-123.123foo]',
  ],
  ...[
    '[123%E5]',
    '[1e1%E5]',
    '[0%E5]',
    '[-Infinity]',
    '[-foo]',
    '[- 1]',
    '[-012]',
    '[-.123]',
    '[-1x]',
    '[1ea]',
    '[1e%E5]',
    '[1.]',
    '[.123]',
    '[1.2a-3]',
    '[1.8011670033376514H-308]',
  ],
  ...[
    '[012]',
    '["x", truth]',
    '{[: "x"}',
    '{"x", null}',
    '{"x"::"b"}',
    '{%F0%9F%87%A8%F0%9F%87%AD}',
    '{"a":"a" 123}',
    "{key: 'value'}",
    '{"%B9":"0",}',
    '{"a" b}',
    '{:"b"}',
  ],
  ...[
    '{"a" "b"}',
    '{"a":',
    '{"a"',
    '{1:1}',
    '{9999E9999:1}',
    '{null:null,null:null}',
    '{"id":0,,,,,}',
    "{'a':0}",
    '{"id":0,}',
    '{"a":"b"}/**/',
    '{"a":"b"}/**//',
    '{"a":"b"}//',
  ],
  ...[
    '{"a":"b"}/',
    '{"a":"b",,"c":"d"}',
    '{a: "b"}',
    '{"a":"a',
    '{ "foo" : "bar", "a" }',
    '{"a":"b"}#',
    ' ',
    '["\\uD800\\"]',
    '["\\uD800\\u"]',
    '["\\uD800\\u1"]',
  ],
  ...[
    '["\\uD800\\u1x"]',
    '[%C3%A9]',
    '["\\%00"]',
    '["\\x00"]',
    '["\\\\\\"]',
    '["\\%09"]',
    '["\\%F0%9F%8C%80"]',
    '["\\"]',
    '["\\u00A"]',
    '["\\uD834\\uDd"]',
    '["\\uD800\\uD800\\x"]',
  ],
  ...[
    '["\\u%E5"]',
    '["\\a"]',
    '["\\uqqqq"]',
    '["\\%E5"]',
    '[\\u0020"asd"]',
    '[\\n]',
    '"',
    "['single quote']",
    'abc',
    '["\\',
    '["a%00a"]',
    '["new%0Aline"]',
    '["%09"]',
    '"\\UA66D"',
    '""x',
  ],
  ...[
    '<.>',
    '[<null>]',
    '[1]x',
    '[1]]',
    '["asd]',
    'a%C3%A5',
    '[True]',
    '1]',
    '{"x": true,',
    '[][]',
    ']',
    '%EF%BB{}',
    '%E5',
    '[',
    '[%00]',
    '2@',
    '{}}',
    '{"":',
    '{"a":/*comment*/"b"}',
  ],
  ...[
    '{"a": true} "x"',
    "['",
    '[,',
    '[{',
    '["a',
    "['a'",
    '{',
    '{]',
    '{,',
    '{[',
    '{"a',
    "{'a'",
    '["\\{["\\{["\\{["\\{',
    '%E9',
    '*',
    '{"a":"b"}#{}',
    '[\\u000A""]',
    '[1',
    '[ false, nul',
    '[ true, fals',
    '[ false, tru',
  ],
  ...[
    '{"asd":"asd"',
    '%C3%A5',
    '[%E2%81%A0]',
    '%EF%BB%BF',
    '[%0C]',
    '[0 ,%0C1]',
    '["%1F"]',
    '{"a":1 "b":2}',
    '[1;2]',
    '[.5]',
    '[--1]',
    '[1-]',
    '[1e5.5]',
    '[00]',
    '[0123]',
    '["\\u{61}"]',
    "['a']",
  ],
]

/** Grammatical, and what this reader says of the value: nothing, or that a column of JSON cannot hold it. */
const LEFT_OPEN: [document: string, code: RejectCode | undefined][] = [
  ['[123.456e-789]', undefined],
  [
    '[0.4e00669999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999999]',
    undefined,
  ],
  ['[-1e+9999]', undefined],
  ['[-123123123123123123123123123123]', undefined],
  ['[100000000000000000000]', undefined],
  ['{"\\uDFAA":0}', 'type-error'],
  ['["\\uDADA"]', 'type-error'],
  ['["\\uD888\\u1234"]', 'type-error'],
  ['["\\uD800\\n"]', 'type-error'],
  ['["\\uDd1ea"]', 'type-error'],
  ['["\\uD800\\uD800\\n"]', 'type-error'],
  ['["\\ud800abc"]', 'type-error'],
  ['["%FF"]', 'encoding-error'],
  ['["%C0%AF"]', 'encoding-error'],
  ['["%ED%A0%80"]', 'encoding-error'],
  ['["%F4%BF%BF%BF"]', 'encoding-error'],
  ['["%E0%FF"]', 'encoding-error'],
  ['["%81"]', 'encoding-error'],
  [`${'['.repeat(512)}${']'.repeat(512)}`, undefined],
  [`${'['.repeat(513)}${']'.repeat(513)}`, 'json-error'],
  [`${'['.repeat(100_000)}`, 'json-error'],
  [`${'{"":['.repeat(50_000)}`, 'json-error'],
]

const VALUE = columnOf({ name: 'v', type: { kind: 'json', top: 'any' }, storage: 'pg-jsonb' })

function bytesOf(document: string): Buffer {
  return Buffer.concat(
    document
      .split(/(%[\dA-F]{2})/)
      .map((part) => (/^%[\dA-F]{2}$/.test(part) ? Buffer.from(part.slice(1), 'hex') : Buffer.from(part))),
  )
}

/** The code of the record that holds the document, as an element of an array between two sound ones; undefined: it is a row. */
function verdict(document: Buffer, form: 'lines' | 'array'): RejectCode | undefined {
  const [between, end] = form === 'lines' ? ['\n', '\n'] : [',', ']']
  const source = Buffer.concat([
    Buffer.from(`{"v":1}${between}{"v":`),
    document,
    Buffer.from(`}${between}{"v":2}${end}`),
  ])
  const json = { form, path: [], ignoresUnknown: false, kept: ['v'] }
  try {
    const { rows, rejects } = runKernel(source, {
      program: { sourceColumns: ['v'], columns: [VALUE] },
      dialect: { ...CSV, header: false, json },
      encoding: 'pg-binary',
      position: { byte: 1, line: 1, record: 0 },
      pieces: [65_537],
    })
    if (form === 'lines') assert.equal(rows.length + rejects.length, 3)
    return rejects[0]?.errors[0]?.code
  } catch (error) {
    // A quote or a bracket that is missing in an array: the load fails.
    assert.equal((error as { code?: string }).code, 'SLUICE_CORRUPT')
    return 'json-error'
  }
}

const hasLine = (document: Buffer): boolean => document.includes(0x0a)
const forms = (document: Buffer) => (hasLine(document) ? (['array'] as const) : (['lines', 'array'] as const))

describe('RFC 8259', () => {
  test('what it has is read', () => {
    for (const document of VALID) {
      const bytes = bytesOf(document)
      assert.doesNotThrow(() => JSON.parse(bytes.toString()), `${document} is JSON`)
      for (const form of forms(bytes)) assert.notEqual(verdict(bytes, form), 'json-error', `${form}: ${document}`)
    }
  })

  test('what it has not is refused', () => {
    for (const document of INVALID) {
      const bytes = bytesOf(document)
      assert.throws(() => JSON.parse(bytes.toString()), `${document} is no JSON`)
      for (const form of forms(bytes)) assert.equal(verdict(bytes, form), 'json-error', `${form}: ${document}`)
    }
  })

  test('what it leaves open is decided, never guessed', () => {
    for (const [document, code] of LEFT_OPEN) {
      const bytes = bytesOf(document)
      for (const form of forms(bytes)) assert.equal(verdict(bytes, form), code, `${form}: ${document.slice(0, 80)}`)
    }
  })
})
