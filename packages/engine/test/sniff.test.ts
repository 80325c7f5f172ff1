import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { SluiceError } from '../src/errors.ts'
import { CSV, type Dialect } from '../src/parse/dialect.ts'
import { readRecords } from '../src/parse/records.ts'
import { sniff } from '../src/parse/sniff.ts'
import { assertLinear } from './support/linear.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const sniffed = (text: string, given: Partial<Dialect> = {}, complete = true) => sniff(bytes(text), complete, given)

const CASES: [what: string, text: string, differs: Partial<Dialect>][] = [
  ['commas', 'a,b\n1,2\n3,4\n', {}],
  ['CRLF', 'a,b\r\n1,2\r\n', {}],
  ['a byte order mark', '\ufeffa;b\n1;2\n', { delimiter: ';' }],
  ['decimal commas', 'a;b\n1,5;2,5\n3,1;4,2\n', { delimiter: ';' }],
  ['commas in the text', 'name;note\nAnn;hello, world\nBob;a, b\n', { delimiter: ';' }],
  ['tabs', 'a\tb\nx, y\tz\n', { delimiter: '\t' }],
  ['bars', 'a|b|c\n1|x,y|2\n3|z|4\n', { delimiter: '|' }],
  ['delimiters in quotes', 'id,note\n1,"a;b;c;d"\n2,"e;f;g;h"\n', {}],
  ['line ends in quotes', 'id;note\n1;"a,\nb,\nc"\n2;"d,\ne"\n', { delimiter: ';' }],
  ['JSON in a cell', `id,doc\n1,"{""a"":1,""b"":2}"\n2,"{""a"":3,""b"":4}"\n`, {}],
  [
    'addresses and times',
    'at|url\n2024-01-01 10:00|https://x.org/a,b\n2024-01-02 11:00|https://x.org/c,d\n',
    { delimiter: '|' },
  ],
  ['a space before quotes, but none in the header', 'id,name\n1, "a, b"\n2, "c"\n3, "d"\n', {}],
  ['a stray quote here and there', 'id,size\n1,5" pipe\n2,3" pipe\n', {}],
  ['an open quote', 'id,name\n1,"x\n2,y\n3,z\n', {}],
  ['one bad record of many', `a,b\n${'1,2\n'.repeat(50)}1,2,3\n1\n`, {}],
  ['apostrophes for quotes', "a,b\n'x,1','y'\n'p','q, r'\n", { quote: "'" }],
  ['apostrophes in words', "a,b\nO'Brien,it's\n'tis,x\n", {}],
  ['backslashes before quotes', 'a,b\n"x \\"q\\", y","z"\n"p","q"\n', { escape: '\\' }],
  ['backslashes at the end', 'a,b\n"C:\\dir\\","z"\n"p","q"\n', {}],
  ['quotes without meaning', `a\tb\n${'"x\ty\n'.repeat(9)}`, { delimiter: '\t', quote: null }],
  ['CR', 'a,b\r1,2\r3,4\r', { lineEnd: 'cr' }],
  ['CR, with LF in quotes', 'a,b\r"1\n",2\r"3\n4",4', { lineEnd: 'cr' }],
  ['CR and LF', 'a,b\r1,2\r3,4\n5,6\n', { lineEnd: 'any' }],
  ['CR in a cell', 'a,b\n1,x\ry\n3,4\n', {}],
  ['CR, LF and CRLF', 'a,b\r\n1,2\r3,4\n5,6\r\n7,8\r', { lineEnd: 'any' }],
  ['LFCR', 'a,b\n\r1,x\n\r2,y\n\r', { lineEnd: 'any' }],
  ['CR in quotes', 'a,b\r\n1,"x\ry"\r\n', {}],
  ['CRCRLF', 'a,b\r\r\n1,2\r\r\n', {}],
  ['comments', '# a note\n# another, longer\na,b\n1,2\n', { comment: '#' }],
  ['a hash in the header', '#id,name\n1,x\n', {}],
  ['a hash below', 'a,b\n#1,2\n', {}],
  ['no header: numbers', '1,2\n3,4\n', { header: false }],
  ['no header: dates', 'x,2024-01-01\ny,2024-01-02\n', { header: false }],
  ['no header: words', 'Ann,true\nBob,false\n', { header: false }],
  ['no header: values found again', 'Berlin,a\nParis,b\nBerlin,c\nBerlin,d\n', { header: false }],
  ['a header that comes again, where files were joined', 'city,name\nParis,x\ncity,name\nRome,y\n', {}],
  ['a header with one number', '2024,name,x\n1,Ann,5\n', {}],
  ['a record alone that has values', '1,Ann,2024-01-01\n', { header: false }],
  ['years for names', 'country,2019,2020\nDE,1,2\nFR,3,4\n', {}],
  ['years above years', 'x,2019\ny,2020\nz,2021\n', { header: false }],
  ['all text', 'city,name\nParis,x\nRome,y\n', {}],
  ['a blank first header', ',a,b\n0,1,2\n1,2,3', {}],
  ['a delimiter at the end of the records', 'a,b,c\n1,2,3,\n4,5,6,\n', { trailingDelimiter: true }],
  ['a delimiter at the end of all lines', 'a,b,\n1,2,\n4,5,\n', { trailingDelimiter: true }],
  ['columns that a spreadsheet left behind', 'a,b,,,\n1,2,,,\n', { trailingDelimiter: true }],
  ['a value under no name', 'a,b,\n1,2,\n1,2,x\n', {}],
  ['one record that is too long', 'a,b\n1,2,\n3,4\n5,6\n', {}],
  ['two bars', 'a||b\n1||2|3\n4||5\n', { delimiter: '||' }],
  ['a comma and a space before quotes', 'a, b\n"1, 2", "3"\n4, "5, 6"\n', { delimiter: ', ' }],
  ['a comma and a space without quotes', 'a, b\n1, 2\n', {}],
  ['spaces', 'id name age\n1 Ann 30\n2 Bob 41\n', { delimiter: ' ' }],
  ['carets', 'a^b\n1^2\n', { delimiter: '^' }],
  ['control characters', 'a\x01b\n1\x012\n', { delimiter: '\x01' }],
  ['a title', 'Sales of May\nid,name,x\n1,a,2\n', { skipLines: 1 }],
  ['a title, padded, and a blank line', 'Sales of May,,\n\nid,name,x\n1,a,2\n', { skipLines: 2 }],
  ['titles above two columns, apart', 'Sales\nof May\n\nid,name\n1,a\n2,b\n', { skipLines: 3 }],
  ['a header that lacks a name', 'name,city\nBob,Paris,x\nAnn,Rome,y\n', {}],
  ['a first record that lacks cells', '1\n1,2,3\n4,5,6\n', { header: false }],
  ['a header three times', 'a,b,t\na,b,t\na,b,t\nx,y,10:00\nz,w,11:00\n', {}],
  [
    'spaces between quoted cells that hold commas',
    '"a" "b" "c"\n"1" "x, y" "z"\n"2" "p,q" "r, s"\n',
    { delimiter: ' ' },
  ],
  ['colons between quoted cells', '"a":"b"\n"1":"x, y"\n"2":"10:30"\n', { delimiter: ':' }],
  ['two tabs between quoted cells', '"a"\t\t"b"\n"1"\t\t"x"\n', { delimiter: '\t\t' }],
  ['colons in one column', '"t:x"\n"10:00"\n"11:00"\n', {}],
  ['nothing', '', {}],
  ['a header alone', 'a;b;c\n', { delimiter: ';' }],
]

for (const [what, text, differs] of CASES) {
  test(what, () => assert.deepEqual(sniffed(text).dialect, { ...CSV, ...differs }))
}

for (const text of ['amount\n1,5\n2,7\n', 'text\nhello, you\nand, I, say\nno\n', 'name\nAnn\nBob\n', 'x\n']) {
  test(`one column: ${JSON.stringify(text)}`, () => {
    const { dialect } = sniffed(text)
    for (const { cells } of readRecords(bytes(text), dialect)) assert.equal(cells.length, 1)
  })
}

test('columns of a source without a header are those of most of its records', () => {
  for (const [text, columns] of [
    ['1\n1,2,3\n4,5,6\n', 3],
    ['"x"y,1\n1,2,3\n4,5,6\n', 3],
    ['1,2,3\n1\n4,5,6\n', 3],
    ['1,2\n1,2,3\n', 3],
    ['"1\n', 0],
  ] as const) {
    assert.equal(sniffed(text, { header: false }).columns, columns, text)
  }
  assert.equal(sniffed('1,2,\n3,,\n4,5,\n', { header: false, trailingDelimiter: true }).columns, 2)
})

test('what may be no header, or does not fit the records below it, is not sure', () => {
  for (const text of ['id,name\n1,2,3\n4,5,6\n', '""id,name\n1,a\n2,b\n', 'a,t\na,t\n1,10:00\n2,11:00\n'])
    assert.equal(sniffed(text).sure, false, text)
})

test("Excel's first line names the delimiter and is passed over", () => {
  for (const mark of ['', '\ufeff']) {
    const text = `${mark}sep=;\r\na;b\r\n1;2\r\n`
    const { dialect, start } = sniffed(text)
    assert.equal(dialect.delimiter, ';')
    assert.deepEqual(start, { byte: bytes(`${mark}sep=;\r\n`).length, line: 2, record: 0 })
    const [header] = readRecords(bytes(text).subarray(start.byte), dialect, { position: start })
    assert.deepEqual([header?.line, header?.cells.map((cell) => cell.text)], [2, ['a', 'b']])
  }
  assert.equal(sniffed('sep=;\na;b\n', { delimiter: ',' }).dialect.delimiter, ',')
  assert.equal(sniffed('sep=a\nx,y\n1,2\n').start.byte, 0)
})

test('lines above the header end as the dialect says, whatever they look like', () => {
  for (const [text, dialect] of [
    ['title "\rof\n2024\r', { skipLines: 2, lineEnd: 'cr' }],
    ['title\rof\n', { skipLines: 2, lineEnd: 'any' }],
    ['title\rof\r\n2024\n', { skipLines: 2, lineEnd: 'lf' }],
    ['sep=;\r\r\n', { lineEnd: 'lf' }],
    ['sep=;\r', { lineEnd: 'any' }],
  ] as [string, Partial<Dialect>][]) {
    const { start } = sniffed(`${text}a;b\r\n1;2\r\n`, { delimiter: ';', ...dialect })
    assert.deepEqual(start, { byte: text.length, line: (dialect.skipLines ?? 1) + 1, record: 0 }, JSON.stringify(text))
  }
  const cut = sniffed('sep=;\r\r\na;b\n1;2\n').start
  assert.deepEqual(cut, { byte: 8, line: 2, record: 0 }, 'CRCRLF is one line end')
})

test('what is likely and no more is told to be so', () => {
  for (const text of ['a,2019\nx,1\n', '1,2\n', 'a,b\n', 'sep=;\na,b\n1,2\n3,4\n'])
    assert.equal(sniffed(text).sure, false, text)
  assert.equal(sniffed('sep=;\na\n1\n2\n').sure, true)
})

test('what is given is taken as it is', () => {
  const given = {
    encoding: 'utf-8',
    delimiter: '|',
    quote: null,
    escape: null,
    comment: ';',
    header: false,
    lineEnd: 'any',
    nullWords: ['NA'],
  } as const
  assert.deepEqual(sniffed('a,b\n"1",2\n', { ...given, nullWords: ['NA'] }).dialect, given)
  assert.equal(sniffed('a,b\n1,2\n', { delimiter: undefined as unknown as string }).dialect.delimiter, ',')
  assert.notEqual(sniffed('a,b\n1,2\n', { quote: ',' }).dialect.delimiter, ',')
})

test('a dialect whose characters cannot be told apart is refused', () => {
  const refusals: [Partial<Dialect>, RegExp][] = [
    [{ delimiter: 'a'.repeat(9) }, /the delimiter is "aaaaaaaaa"; it must be 1 to 8 bytes/],
    [{ delimiter: 'a\nb' }, /the delimiter is "a\\nb"/],
    [{ delimiter: ',"' }, /"\\"" cannot be both the delimiter and the quote/],
    [{ delimiter: '' }, /the delimiter is ""/],
    [{ quote: '\n' }, /the quote is "\\n"/],
    [{ delimiter: '"' }, /"\\"" cannot be both the delimiter and the quote/],
    [{ delimiter: '#', comment: '#' }, /cannot be both the delimiter and the comment/],
    [{ delimiter: '\\', escape: '\\' }, /cannot be both the delimiter and the escape/],
  ]
  for (const [given, message] of refusals)
    assert.throws(() => sniffed('a,b\n', given), { code: 'SLUICE_DIALECT', message })
  assert.throws(() => sniffed('a,b;c\nx,y;z\n'), {
    code: 'SLUICE_DIALECT',
    message: /2 cells at ",", and 2 cells at ";"/,
  })
  assert.equal(sniffed('a,b\n1,2\n', { escape: '"' }).dialect.escape, '"')
})

test('it says why, and when it is not sure', () => {
  const clear = sniffed('a;b\n1;2\n3;4\n')
  assert.equal(
    clear.evidence,
    'delimiter ";", 3 of 3 sampled records have 2 cells, with a header ("a" stands above numbers)',
  )
  assert.equal(clear.sure, true)
  assert.equal(sniffed('').evidence, 'no record to look at')
  for (const text of ['', 'a,b\n', 'a,b\n1,2,3\n4\n', 'a,b\nx,y\n1,2\n3,4\n5,6\n', '1\n1,2,3\n4,5,6\n'])
    assert.equal(sniffed(text).sure, false, text)
})

test('a sample that ends in the midst of a record says the same as the whole', () => {
  const text = `id;name;note\n${Array.from({ length: 40 }, (_, i) => `${i};Ann ${i};"x, ""y""\nz"\n`).join('')}`
  const whole = sniffed(text).dialect
  for (let length = 60; length < text.length; length += 7)
    assert.deepEqual(sniffed(text.slice(0, length), {}, false).dialect, whole)
})

test('a record longer than what is looked at first', () => {
  assert.equal(sniffed(`a;b\n1;"${'x, '.repeat(20_000)}"\n2;3\n`).dialect.delimiter, ';')
  assert.equal(sniffed(`a;${'b'.repeat(50_000)}\n1;2\n3;4\n`).dialect.delimiter, ';')
})

test('a hostile sample takes time as it grows, not as its square', () => {
  const pieces = ['a', '"', ',', '1,', '\r', "'", '\\"', '#', ' ,']
  assertLinear((size) => {
    const samples = pieces.map((piece) => bytes(piece.repeat(size / piece.length)))
    return () => samples.map((sample) => sniff(sample, false))
  }, 2_500)
})

test('any bytes are sniffed, or refused for what was given', () => {
  const char = fc.option(fc.constantFrom(',', '"', '\\', '#', '', '§', "'"), { nil: undefined })
  const text = fc.oneof(
    fc.string(),
    fc.string({ unit: fc.constantFrom('a', '1', ',', ';', '"', "'", '\\', '\n', '\r', '#', ' ') }),
  )
  fc.assert(
    fc.property(
      fc.oneof(text.map(bytes), fc.uint8Array()),
      fc.boolean(),
      char,
      char,
      (sample, complete, delimiter, quote) => {
        try {
          const { dialect } = sniff(sample, complete, { delimiter, quote })
          assert.ok(dialect.delimiter.length > 0)
          if (delimiter !== undefined) assert.equal(dialect.delimiter, delimiter)
        } catch (error) {
          assert.ok(error instanceof SluiceError && error.code === 'SLUICE_DIALECT', String(error))
        }
      },
    ),
    { numRuns: 2000 },
  )
})

test('a table written in a dialect is found to be in it', () => {
  const cell = fc.oneof(
    fc.integer({ min: 0 }).map(String),
    fc.stringMatching(/^[a-z]{1,8}( [a-z]{1,8})?$/),
    fc.stringMatching(/^[a-z]{1,5}[,;|]? [a-z"]{1,5}$/),
  )
  const table = fc
    .integer({ min: 2, max: 6 })
    .chain((width) => fc.array(fc.array(cell, { minLength: width, maxLength: width }), { minLength: 4, maxLength: 20 }))
  fc.assert(
    fc.property(table, fc.constantFrom(',', ';', '\t', '|'), (rows, delimiter) => {
      const header = rows[0]!.map((_, index) => `column ${index}`)
      const quote = (text: string) => (/[,;|\t"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
      const text = [header, ...rows].map((row) => `${row.map(quote).join(delimiter)}\n`).join('')
      assert.equal(sniffed(text, { header: true }).dialect.delimiter, delimiter)
    }),
  )
})
