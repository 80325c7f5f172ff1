import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Cell, readDelimited, writeLine } from '../src/file/delimited.ts'
import { inferColumn } from '../src/file/infer.ts'
import { delimiterOf, formatOf, hasHeader, readObjects } from '../src/file/sniff.ts'

const cells = fc.array(fc.string({ unit: fc.constantFrom('a', 'é', ' ', '"', ',', '\n', '\r', ';', '7') }), {
  minLength: 2,
  maxLength: 5,
})

test('what is written is read again, cell by cell', () => {
  fc.assert(
    fc.property(fc.array(cells, { maxLength: 6 }), (rows) => {
      const text = rows.map((row) => writeLine(row.map((cell): Cell => ({ text: cell, quoted: cell === '' })))).join('')
      const { records, end } = readDelimited(text, { delimiter: ',' }, true)
      assert.deepEqual(
        records.map((record) => record.map((cell) => cell.text)),
        rows,
      )
      assert.equal(end, text.length)
    }),
  )
})

test('wherever a text is cut, its whole records are the same and the rest begins behind them', () => {
  const text = 'id,name\r\n1,"Ada ""L"" of\nKent"\r\n2,Grace\r\n'
  const all = readDelimited(text, { delimiter: ',' }, true).records
  for (let at = 0; at <= text.length; at++) {
    const { records, end } = readDelimited(text.slice(0, at), { delimiter: ',' }, false)
    assert.deepEqual(records, all.slice(0, records.length))
    assert.deepEqual([...records, ...readDelimited(text.slice(end), { delimiter: ',' }, true).records], all)
  }
})

test('an empty cell without quotes is told from one with them', () => {
  const line = 'a,,""\n'
  const [record] = readDelimited(line, { delimiter: ',' }, true).records
  assert.deepEqual(record, [
    { text: 'a', quoted: false },
    { text: '', quoted: false },
    { text: '', quoted: true },
  ])
  assert.equal(writeLine(record!), line)
})

test('delimiter, header and format are found out', () => {
  assert.equal(delimiterOf('a;b;c\n1,5;2;3\n4,5;5;6\n'), ';')
  assert.equal(delimiterOf('a\tb\n1\t2\n'), '\t')
  assert.equal(
    hasHeader([
      ['id', 'name'],
      ['1', 'Ada'],
    ]),
    true,
  )
  assert.equal(
    hasHeader([
      ['1', 'Ada'],
      ['2', 'Grace'],
    ]),
    false,
  )
  assert.equal(formatOf('{"a":1}\n{"a":2}\n'), 'ndjson')
  assert.equal(formatOf(' [\n {"a":1}]'), 'json')
  assert.equal(formatOf('[id],[name]\n1,2\n'), 'delimited')
})

test('objects of JSON are found up to where the sample ends', () => {
  const found = readObjects('{"rows":[{"id":1,"t":"}"},{"id":2,"x":[1]},{"id":3', 'json')
  assert.deepEqual(found.keys, ['id', 't', 'x'])
  assert.deepEqual(found.rows, [
    ['1', '}', ''],
    ['2', '', '[1]'],
  ])
})

test('a type is only said of a column that keeps every value in it', () => {
  const guess = (...values: string[]) => inferColumn(values)
  assert.deepEqual(guess('1', '', '22'), { guess: 'integer' })
  assert.deepEqual(guess('1', '2.50'), { guess: 'number' })
  assert.deepEqual(guess('007', '12'), { guess: 'string', problem: { kind: 'zeros' } })
  assert.deepEqual(guess('05/06/2024', '07/08/2024'), { guess: 'string', problem: { kind: 'ambiguous' } })
  assert.deepEqual(guess('05/06/2024 7:30 PM'), { guess: 'string', problem: { kind: 'ambiguous' } })
  assert.deepEqual(guess('', ''), { guess: 'string', problem: { kind: 'empty' } })
  assert.deepEqual(guess(...Array(19).fill('7'), 'x'), {
    guess: 'string',
    problem: { kind: 'mixed', share: 0.95, type: 'integer', example: 'x' },
  })
})
