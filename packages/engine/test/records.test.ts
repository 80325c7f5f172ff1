import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CSV, type Dialect } from '../src/parse/dialect.ts'
import { type ReadOptions, readRecords, type SourceRecord } from '../src/parse/records.ts'

const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1')

/** `line@from-end:cell|"cell"`, with `!reason#cell` for a fault. */
function show(record: SourceRecord): string {
  const cells = record.cells.map((cell) => (cell.quoted ? `"${cell.text}"` : cell.text)).join('|')
  const fault = record.fault ? `!${record.fault.reason}#${record.fault.cell}` : ''
  return `${record.line}@${record.byteOffset}-${record.end}:${cells}${fault}`
}

function read(text: string, dialect: Partial<Dialect> = {}, options: ReadOptions = {}): string[] {
  return [...readRecords(bytesOf(text), { ...CSV, ...dialect }, options)].map(show)
}

interface Case {
  name: string
  text: string
  dialect?: Partial<Dialect>
  options?: ReadOptions
  expect: string[]
}

const CASES: Case[] = [
  { name: 'nothing', text: '', expect: [] },
  { name: 'one line without an end', text: 'a,b', expect: ['1@0-3:a|b'] },
  { name: 'a delimiter at the end makes an empty field', text: 'a,b,\n', expect: ['1@0-4:a|b|'] },
  { name: 'only a delimiter', text: ',\n', expect: ['1@0-1:|'] },
  { name: 'blank lines are counted and skipped', text: '\n\r\n\r\r\na\n\nb', expect: ['4@6-7:a', '6@9-10:b'] },
  { name: 'CRCRLF ends one line', text: 'a,b\r\r\nc,d\r\n', expect: ['1@0-3:a|b', '2@6-9:c|d'] },
  { name: 'a lone CR is text', text: 'a\rb,\r\r\nc\r', expect: ['1@0-4:a\rb|', '2@7-8:c'] },
  {
    name: 'a long run of CR is text',
    text: `a${'\r'.repeat(50_000)}b\n`,
    expect: [`1@0-50002:a${'\r'.repeat(50_000)}b`],
  },
  {
    name: 'CRs before the end belong to a line end that was cut',
    text: 'a\r\nb,\r\r',
    expect: ['1@0-1:a', '2@3-5:b|'],
  },
  { name: 'a blank line that was cut', text: 'a\r\n\r', expect: ['1@0-1:a'] },
  { name: 'CRs before more bytes', text: 'a\nb\r', options: { final: false }, expect: ['1@0-1:a'] },
  {
    name: 'a delimiter of two',
    dialect: { delimiter: '||' },
    text: 'a||"b||c"||d|\n||\n|||',
    expect: ['1@0-13:a|"b||c"|d|', '2@14-16:|', '3@17-20:||'],
  },
  {
    name: 'a delimiter that is no ASCII',
    dialect: { delimiter: '§' },
    text: 'a\xc2\xa7b\xc2\n',
    expect: ['1@0-5:a|b\ufffd'],
  },
  {
    name: 'behind a quote only the whole delimiter',
    dialect: { delimiter: '::' },
    text: '"a"::b\n"a":b\n"a":',
    expect: ['1@0-6:"a"|b', '2@7-12:!quote#0', '3@13-17:!quote#0'],
  },
  {
    name: 'trailing delimiters',
    dialect: { trailingDelimiter: true },
    options: { columns: ['a', 'b'] },
    text: '1,2,\n1,,,,\n1,2,x\n1,2,""\n1,\n1\n',
    expect: ['1@0-4:1|2', '2@5-10:1|', '3@11-16:1|2|x', '4@17-23:1|2|""', '5@24-26:1|', '6@27-28:1'],
  },
  { name: 'CR files', dialect: { lineEnd: 'cr' }, text: 'a\n,b\r\rc\r', expect: ['1@0-4:a\n|b', '3@6-7:c'] },
  {
    name: 'mixed files',
    dialect: { lineEnd: 'any' },
    text: 'a\rb\r\nc\n\r\rd',
    expect: ['1@0-1:a', '2@2-3:b', '3@5-6:c', '6@9-10:d'],
  },
  { name: 'quotes', text: '"a,""b""\n",""\r\n"",x', expect: ['1@0-13:"a,"b"\n"|""', '3@15-19:""|x'] },
  { name: 'a quote inside an unquoted field is text', text: 'a"b,c""\n', expect: ['1@0-7:a"b|c""'] },
  { name: 'a space before the quote makes it text', text: ' "a",b\n', expect: ['1@0-6: "a"|b'] },
  { name: 'lines inside quotes, CRLF', text: '"a\r\nb"\nc', expect: ['1@0-6:"a\r\nb"', '3@7-8:c'] },
  {
    name: 'lines inside quotes, CR',
    dialect: { lineEnd: 'cr' },
    text: '"a\rb\n"\rc',
    expect: ['1@0-6:"a\rb\n"', '3@7-8:c'],
  },
  {
    name: 'lines inside quotes, mixed',
    dialect: { lineEnd: 'any' },
    text: '"\r\r\n\n"\rc',
    expect: ['1@0-6:"\r\r\n\n"', '5@7-8:c'],
  },
  { name: 'a character after the closing quote', text: '"a"b,c\nd,e\n', expect: ['1@0-6:!quote#0', '2@7-10:d|e'] },
  { name: 'CR after the closing quote', text: '"a"\rb\nd\n', expect: ['1@0-5:!quote#0', '2@6-7:d'] },
  { name: 'CR at the end, after the closing quote', text: '"a"\r', expect: ['1@0-3:"a"'] },
  {
    name: 'CRs that are text behind CRs that end the line',
    text: '"\r\n"\rx',
    expect: ['1@0-1:!quote#0', '2@3-6:!unclosed-quote#0'],
  },
  { name: 'CRs and LF after the closing quote', text: '"a"\r\r\nb', expect: ['1@0-3:"a"', '2@6-7:b'] },
  {
    name: 'goes on after the line of the offending opening quote, not of the record',
    text: '"x\ny","a\nb"c\nd\n',
    expect: ['1@0-8:"x\ny"!quote#1', '3@9-12:b"c', '4@13-14:d'],
  },
  { name: 'unclosed at the end', text: 'a,"b\r\nc\n', expect: ['1@0-4:a!unclosed-quote#1', '2@6-7:c'] },
  { name: 'unclosed, a single quote', text: 'a\n"', expect: ['1@0-1:a', '2@2-3:!unclosed-quote#0'] },
  {
    name: 'an escape character',
    dialect: { escape: '\\' },
    text: '"a\\"b\\\\",\\"c\n',
    expect: ['1@0-12:"a"b\\"|\\"c'],
  },
  {
    name: 'an escape before another character is text',
    dialect: { escape: '\\' },
    text: '"a\\n"\n',
    expect: ['1@0-5:"a\\n"'],
  },
  {
    name: 'a doubled quote is an error beside an escape',
    dialect: { escape: '\\' },
    text: '"a""b"\nc',
    expect: ['1@0-6:!quote#0', '2@7-8:c'],
  },
  { name: 'an escape at the end', dialect: { escape: '\\' }, text: '"a\\', expect: ['1@0-3:!unclosed-quote#0'] },
  { name: 'no quotes', dialect: { quote: null }, text: '"a,b"\n', expect: ['1@0-5:"a|b"'] },
  { name: 'comments', dialect: { comment: '#' }, text: '#"\n a,#b\n#c\r\n#', expect: ['2@3-8: a|#b'] },
  { name: 'a byte order mark', text: '\xef\xbb\xbf"a"\n\xef\xbb\xbfb', expect: ['1@3-6:"a"', '2@7-11:\ufeffb'] },
  {
    name: 'no byte order mark later',
    text: '\xef\xbb\xbfa',
    options: { position: { byte: 10, line: 4, record: 2 } },
    expect: ['4@10-14:\ufeffa'],
  },
  {
    name: 'exactly as long as allowed',
    text: 'a,bc\r\nd',
    options: { maxRecordBytes: 4 },
    expect: ['1@0-4:a|bc', '2@6-7:d'],
  },
  {
    name: 'too long',
    text: 'a,bcd,"e\r\n"f',
    options: { maxRecordBytes: 4 },
    expect: ['1@0-8:a!record-too-large#1', '2@10-12:!unclosed-quote#0'],
  },
  {
    name: 'too long by a delimiter',
    text: 'abcd,\ne',
    options: { maxRecordBytes: 4 },
    expect: ['1@0-5:!record-too-large#0', '2@6-7:e'],
  },
  {
    name: 'too long by CRs that are text',
    text: 'abc\r\rd\ne',
    options: { maxRecordBytes: 4 },
    expect: ['1@0-6:!record-too-large#0', '2@7-8:e'],
  },
  {
    name: 'too long inside quotes',
    text: 'a,"b\nc\nd"\ne',
    options: { maxRecordBytes: 6 },
    expect: ['1@0-4:a!record-too-large#1', '2@5-6:c', '3@7-9:d"', '4@10-11:e'],
  },
  {
    name: 'the limit on the closing quote',
    text: '"b\nc"\ne',
    options: { maxRecordBytes: 4 },
    expect: ['1@0-2:!record-too-large#0', '2@3-5:c"', '3@6-7:e'],
  },
  {
    name: 'the limit after the closing quote',
    text: '"b\nc",d\ne',
    options: { maxRecordBytes: 5 },
    expect: ['1@0-7:!record-too-large#0', '3@8-9:e'],
  },
]

describe('readRecords', () => {
  for (const { name, text, dialect, options, expect } of CASES) {
    test(name, () => assert.deepEqual(read(text, dialect, options), expect))
  }

  test('from any prefix, gives only records that the whole has too', () => {
    for (const { name, text, dialect, options, expect } of CASES) {
      for (let length = 0; length <= Math.min(text.length, 64); length++) {
        const found = read(text.slice(0, length), dialect, { ...options, final: false })
        assert.deepEqual(found, expect.slice(0, found.length), `${name}, cut at ${length}`)
      }
    }
  })

  test('goes on from the place where a record ends', () => {
    for (const { name, text, dialect, options, expect } of CASES) {
      const all = [...readRecords(bytesOf(text), { ...CSV, ...dialect }, options)]
      const base = options?.position?.byte ?? 0
      all.slice(1).forEach((record, index) => {
        const position = { byte: record.byteOffset, line: record.line, record: index + 1 }
        const rest = read(text.slice(record.byteOffset - base), dialect, { ...options, position })
        assert.deepEqual(rest, expect.slice(index + 1), name)
      })
    }
  })

  test('says where each field stands', () => {
    const [record] = readRecords(bytesOf('a,"b""c",\n'), CSV, { position: { byte: 100, line: 1, record: 0 } })
    assert.deepEqual(
      record?.cells.map(({ start, end }) => [start, end]),
      [
        [100, 101],
        [102, 108],
        [109, 109],
      ],
    )
    assert.equal(record?.next, 110)
  })
})
