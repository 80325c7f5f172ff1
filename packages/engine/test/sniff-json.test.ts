import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Dialect } from '../src/parse/dialect.ts'
import { sniffJson } from '../src/parse/sniff-json.ts'

const look = (text: string, given: Partial<Dialect> = {}, complete = true) =>
  sniffJson(Buffer.from(text), complete, given)

function found(
  text: string,
  given: Partial<Dialect> = {},
): { form: string; byte: number; line: number; keys: string[] } {
  const head = look(text, given)
  assert.ok(head !== undefined && head !== 'more', text)
  const { dialect, start, keys } = head
  return { form: dialect.json!.form, byte: start.byte, line: start.line, keys }
}

describe('the first bytes of JSON', () => {
  test('tell lines from a document', () => {
    assert.deepEqual(found('{"a":1}\n{"b":2,"a":3}\n'), { form: 'lines', byte: 0, line: 1, keys: ['a', 'b'] })
    assert.deepEqual(found('\ufeff\n {"a":1}'), { form: 'lines', byte: 3, line: 1, keys: ['a'] })
    assert.deepEqual(found(' [\n{"a":1,\n"b":[]},\n{}]'), { form: 'array', byte: 2, line: 1, keys: ['a', 'b'] })
    assert.deepEqual(found('{\n"x":{"rows":[{"\\u0061":1}]}}', { jsonPath: 'x.rows' }), {
      form: 'array',
      byte: 15,
      line: 2,
      keys: ['a'],
    })
    assert.deepEqual(found('[]').keys, [])
    assert.deepEqual(found('[1]').form, 'array')
  })

  test('are not taken for those of delimited text', () => {
    for (const text of [
      'a,b\n',
      '[id],[name]\n1,2\n',
      '[2024-01-31 10:00] GET /\n',
      '{a}\n',
      '"{"\n',
      '[name]\n',
      '',
      '{',
    ]) {
      assert.equal(look(text), undefined, text)
    }
    assert.equal(look('{"a":1}\n', { delimiter: ',' }), undefined)
    assert.equal(look('{"a":1}\n', { format: 'delimited' }), undefined)
    assert.equal(found('a\n', { format: 'ndjson' }).form, 'lines')
  })

  test('ask for more where the array has not begun, and say where else there are arrays', () => {
    assert.equal(look('{"meta":"long', { jsonPath: 'rows' }, false), 'more')
    assert.equal(look('   ', { format: 'json' }, false), 'more')
    const refused: [string, Partial<Dialect>, RegExp][] = [
      ['{\n"a":{"b":[1]},\n"c":[{"x":1}]}', {}, /--json-path a\.b or --json-path c$/],
      ['{"a":1}', { jsonPath: 'b' }, /has no key "b"/],
      ['{"a":[1]}', { jsonPath: 'a.b' }, /"a" is no object/],
      ['{"a":nil}', { jsonPath: 'b' }, /breaks off at the value of "a"/],
      ['{"meta":"long', { jsonPath: 'rows' }, /breaks off/],
      ['x', { format: 'json' }, /no array/],
    ]
    for (const [text, given, message] of refused) {
      assert.throws(() => look(text, given), { code: 'SLUICE_DIALECT', message })
    }
  })
})
