import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import type { Dialect } from '../src/parse/dialect.ts'
import { openDatabase } from '../src/write/open.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

/**
 * Files as they come, polluted in the ways that Vitagliano et al., "Pollock: A Data Loading Benchmark" (VLDB 2023), counts, and as
 * spreadsheets write them; with what docs/reference/csv.md makes of each. Never a cell in another column, never a record that is in neither
 * the table nor the rejects.
 */
interface Polluted {
  what: string
  text: string | Buffer
  given?: Partial<Dialect>
  skip?: string[]
  /** Names and rows of the table, cells joined by `|`; NULL is `∅`. */
  table?: string[]
  /** `line: code` of each reject, the code of its first error. */
  rejects?: string[]
  /** The code of the error that ends it before the first row. */
  refused?: SluiceError['code']
  /** Notices that tell what was decided. */
  said?: RegExp
}

const HEAD = 'id,name,price'
const ROWS = ['1,Ann,1.50', '2,Bob,2.25', '3,Cid,3.75']
const clean = [HEAD, ...ROWS]
const lines = (all: string[], end = '\n') => `${all.join(end)}${end}`
const TABLE = ['id|name|price', '1|Ann|1.5', '2|Bob|2.25', '3|Cid|3.75']
const with4 = (line: string) => lines([...clean, line])

const FILES: Polluted[] = [
  { what: 'nothing wrong', text: lines(clean), table: TABLE },
  { what: 'no line end at the end', text: clean.join('\n'), table: TABLE },
  { what: 'blank lines at the end', text: `${lines(clean)}\n\r\n\n`, table: TABLE },
  { what: 'CRLF', text: lines(clean, '\r\n'), table: TABLE },
  { what: 'CR', text: lines(clean, '\r'), table: TABLE },
  { what: 'CRCRLF', text: lines(clean, '\r\r\n'), table: TABLE },
  { what: 'CRLF, cut by one byte', text: lines(clean, '\r\n').slice(0, -1), table: TABLE },
  { what: 'LF and CRLF', text: 'id,name,price\r\n1,Ann,1.50\n2,Bob,2.25\r\n3,Cid,3.75\n', table: TABLE },
  { what: 'a byte order mark', text: `\ufeff${lines(clean)}`, table: TABLE },
  { what: 'UTF-16 with a mark', text: Buffer.from(`\ufeff${lines(clean)}`, 'utf16le'), table: TABLE },
  { what: 'semicolons', text: lines(clean).replaceAll(',', ';'), table: TABLE },
  { what: 'tabs', text: lines(clean).replaceAll(',', '\t'), table: TABLE },
  { what: 'spaces', text: lines(clean).replaceAll(',', ' '), table: TABLE },
  { what: 'two bars', text: lines(clean).replaceAll(',', '||'), table: TABLE },
  { what: 'control characters', text: lines(clean).replaceAll(',', '\x01'), table: TABLE },
  {
    what: 'a comma and a space',
    text: lines(clean).replaceAll(',', ', '),
    table: ['id|name|price', '1| Ann| 1.50', '2| Bob| 2.25', '3| Cid| 3.75'],
  },
  {
    what: 'a comma and a space, quotes',
    text: lines(['id, name, price', '1, "Ann, A.", 1.50', '2, "Bob", 2.25']),
    table: ['id|name|price', '1|Ann, A.|1.5', '2|Bob|2.25'],
  },
  {
    what: 'apostrophes',
    text: lines([HEAD, "1,'Ann, A.',1.50", "2,'Bob',2.25"]),
    table: ['id|name|price', '1|Ann, A.|1.5', '2|Bob|2.25'],
  },
  {
    what: 'all quoted',
    text: lines(
      clean.map((line) =>
        line
          .split(',')
          .map((cell) => `"${cell}"`)
          .join(','),
      ),
    ),
    table: TABLE,
  },
  {
    what: 'backslashes before quotes',
    text: lines([HEAD, '1,"An \\"A\\", n",1.50', '2,"Bob",2.25']),
    table: ['id|name|price', '1|An "A", n|1.5', '2|Bob|2.25'],
  },
  { what: 'no header', text: lines(ROWS), table: ['column1|column2|column3', ...TABLE.slice(1)] },
  {
    what: 'no header, and a first record that lacks cells',
    text: lines(['0,Zoe', ...ROWS]),
    table: ['column1|column2|column3', ...TABLE.slice(1)],
    rejects: ['1: missing-cell'],
  },
  {
    what: 'no header, and a first record that cannot be taken apart',
    text: lines(['0,"Z"oe,1', ...ROWS]),
    table: ['column1|column2|column3', ...TABLE.slice(1)],
    rejects: ['1: quote-error'],
    said: /not sure/,
  },
  {
    what: 'a header longer than the sample',
    text: lines([`id,${'n'.repeat(300_000)}`, '1,Ann']),
    table: [`id|${'n'.repeat(300_000)}`, '1|Ann'],
  },
  { what: 'a header alone', text: `${HEAD}\n`, table: ['id|name|price'] },
  { what: 'nothing at all', text: '', refused: 'SLUICE_SOURCE_EMPTY' },
  { what: 'one column', text: lines(['name', 'Ann', 'Bob']), table: ['name', 'Ann', 'Bob'] },
  {
    what: 'a title',
    text: lines(['Prices of May', '', ...clean]),
    table: TABLE,
    said: /first 2 lines are above the header.*"Prices of May"/,
  },
  { what: 'a padded title', text: lines(['Prices,,', ',,', ...clean]), table: TABLE, said: /"Prices"/ },
  { what: 'a title that is given', text: lines(['a,b,c', 'd,e,f', ...clean]), given: { skipLines: 2 }, table: TABLE },
  {
    what: 'two header rows',
    text: lines([HEAD, '(no),(text),(EUR)', ...ROWS]),
    table: ['id|name|price', '(no)|(text)|(EUR)', '1|Ann|1.50', '2|Bob|2.25', '3|Cid|3.75'],
    said: /the record below the header looks like more of it.*--skip-lines 1/,
  },
  { what: 'a footer', text: with4('Total: 7.50'), table: TABLE, rejects: ['5: type-error'] },
  {
    what: 'a second table below',
    text: lines([...clean, '', 'code,city', 'x,Rome', 'y,Paris']),
    table: ['id|name|price', '1|Ann|1.5', '2|Bob|2.25', '3|Cid|3.75'],
    rejects: ['6: type-error', '7: type-error', '8: type-error'],
  },
  { what: 'a cell is missing', text: with4('4,Dan'), table: TABLE, rejects: ['5: missing-cell'] },
  { what: 'a cell too many', text: with4('4,Dan,1,x'), table: TABLE, rejects: ['5: extra-cell'] },
  { what: 'an empty cell too many', text: with4('4,Dan,1,'), table: TABLE, rejects: ['5: extra-cell'] },
  { what: 'another delimiter in one record', text: with4('4;Dan;1'), table: TABLE, rejects: ['5: type-error'] },
  { what: 'a record of delimiters alone', text: with4(',,'), table: [...TABLE, '∅|∅|∅'] },
  {
    what: 'trailing delimiters',
    text: lines(clean.map((line) => `${line},`)),
    table: TABLE,
    said: /end with a delimiter that separates nothing/,
  },
  { what: 'columns that a spreadsheet left behind', text: lines(clean.map((line) => `${line},,,`)), table: TABLE },
  {
    what: 'a value in a column without a name',
    text: lines([`${HEAD},`, '1,Ann,1.50,', '2,Bob,2.25,x']),
    refused: 'SLUICE_COLUMNS',
  },
  {
    what: 'a value in a column without a name, which is left out',
    text: lines([`${HEAD},`, '1,Ann,1.50,', '2,Bob,2.25,x']),
    skip: [''],
    table: ['id|name|price', '1|Ann|1.5', '2|Bob|2.25'],
  },
  { what: 'two columns of one name', text: lines(['id,name,name', '1,a,b']), refused: 'SLUICE_COLUMNS' },
  { what: 'a quote within a cell', text: with4('4,Da"n,1.00'), table: [...TABLE, '4|Da"n|1'] },
  {
    what: 'a quote that never closes',
    text: lines([...clean.slice(0, 2), '9,"Eve,1.00', ...ROWS.slice(1)]),
    table: TABLE,
    rejects: ['3: quote-error'],
  },
  {
    what: 'a character behind the closing quote',
    text: with4('4,"Dan"x,1.00'),
    table: TABLE,
    rejects: ['5: quote-error'],
  },
  { what: 'a line end within quotes', text: with4('4,"Da\nn",1.00'), table: [...TABLE, '4|Da\nn|1'] },
  {
    what: 'a line end without quotes',
    text: with4('4,Da\nn,1.00'),
    table: TABLE,
    rejects: ['5: missing-cell', '6: type-error'],
  },
  { what: "Excel's sep=;", text: `sep=;\r\n${lines(clean, '\r\n').replaceAll(',', ';')}`, table: TABLE, said: /sep=/ },
  {
    what: "Excel's text formulas",
    text: lines(['id,zip', '1,="0012"', '2,="0013"']),
    table: ['id|zip', '1|="0012"', '2|="0013"'],
  },
  {
    what: 'decimal commas',
    text: lines(['id;price', '1;1,50', '2;2,25']),
    table: ['id|price', '1|1.5', '2|2.25'],
  },
  {
    what: 'commas that may be decimal ones or not',
    text: lines(['id;price;list', '1;1,500;1,2,3', '2;2,250;4,5']),
    table: ['id|price|list', '1|1,500|1,2,3', '2|2,250|4,5'],
  },
  {
    what: 'line ends of all kinds',
    text: 'id,name\r\n1,a\r2,b\n3,"c\rd"\n4,e',
    table: ['id|name', '1|a', '2|b', '3|c\rd', '4|e'],
  },
  {
    what: 'leading zeros, telephone numbers, days and months',
    text: lines(['zip,tel,day', '00123,+48 12,05/06/2024', '7,555-1,13/06/2024']),
    table: ['zip|tel|day', '00123|+48 12|05/06/2024', '7|555-1|13/06/2024'],
  },
  {
    what: 'a byte that is not UTF-8',
    text: Buffer.concat([Buffer.from(lines(clean)), Buffer.from('4,D\xe4n,1.00\n', 'latin1')]),
    table: TABLE,
    rejects: ['5: encoding-error'],
  },
  { what: 'a NUL', text: with4('4,D\0n,1.00'), table: TABLE, rejects: ['5: encoding-error'] },
  { what: 'the same number of commas and semicolons', text: lines(['a,b;c', 'x,y;z']), refused: 'SLUICE_DIALECT' },
  { what: 'comments', text: lines(['# made by a program', ...clean]), table: TABLE },
]

let folder: string
before(() => {
  folder = temporaryFolder()
})

for (const [i, { what, text, given, skip, table, rejects = [], refused, said }] of FILES.entries()) {
  test(what, async () => {
    const source = join(folder, `${i}.csv`)
    writeFileSync(source, text)
    const to = `sqlite:${join(folder, `${i}.db`)}`
    const notices: string[] = []
    const onNotice = (notice: string) => notices.push(notice)
    const options = { source, to, table: 't', onNotice, ...(given && { dialect: given }), ...(skip && { skip }) }
    if (refused) {
      await assert.rejects(load(options), (error) => error instanceof SluiceError && error.code === refused)
      return
    }
    const receipt = await load(options)
    const database = await openDatabase(to)
    try {
      const columns = await database.query<{ name: string }>(`SELECT name FROM pragma_table_info('t') ORDER BY cid`)
      const rows = await database.query('SELECT * FROM t ORDER BY rowid')
      const found = [
        columns.map(({ name }) => name),
        ...rows.map((row) => Object.values(row).map((cell) => cell ?? '∅')),
      ]
      assert.deepEqual(
        found.map((cells) => cells.join('|')),
        table,
      )
      const refusals = await database.query<{ line: number; code: string }>(
        'SELECT line, code FROM failed_imports ORDER BY record',
      )
      assert.deepEqual(
        refusals.map(({ line, code }) => `${line}: ${code}`),
        rejects,
      )
      assert.equal(receipt.recordsRead, rows.length + refusals.length)
      if (said) assert.match(notices.join('\n'), said)
    } finally {
      await database.close()
    }
  })
}
