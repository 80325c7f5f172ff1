import fc from 'fast-check'
import type { Dialect } from '../../src/parse/dialect.ts'

/** A table as text, in one of the ways in which people and programs write it. */
export interface Written {
  bytes: Buffer
  /** What a load is told of it: all that cannot be sniffed for sure. */
  dialect: Partial<Dialect>
  /** Its records: `n` is a number, the others are text or NULL. One record, `bad`, has a word for `n`. */
  rows: Row[]
  bad: { record: number; line: number; byteOffset: number; raw: Buffer }
  /** Where the first record's line begins. */
  head: number
}

export type Row = { [name in (typeof NAMES)[number]]: string | null }

export const NAMES = ['a', 'n', 'b', 'c'] as const

const DELIMITERS = [',', '\t', ';', '|', ' ', '||', '::', '§']
/** Of cells: whatever means something in a dialect, and what has 2, 3 and 4 bytes. */
const UNITS = [...',\t;|: §"\'\\#\r\n', '||', '::', '\r\n', '""', "''", '\\"', 'é', '한', '😀', '\ufeff', 'a', 'Z', '0']
const text = fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 8 })
const cell = fc.oneof({ arbitrary: text, weight: 5 }, fc.constant(''), fc.constant(null))
const rows = fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 8 })

/** Line ends that may be mixed in one file, by what the dialect takes for one. */
const LINE_ENDS = {
  lf: ['\n', '\r\n', '\r\r\n'],
  cr: ['\r'],
  any: ['\r', '\n', '\r\n'],
} satisfies Record<Dialect['lineEnd'], string[]>

const style = fc.record({
  delimiter: fc.constantFrom(...DELIMITERS),
  quote: fc.constantFrom('"', "'"),
  escape: fc.constantFrom(null, '\\'),
  comment: fc.constantFrom(null, '#'),
  header: fc.boolean(),
  trailing: fc.boolean(),
  opening: fc.constantFrom('none', 'preamble', 'sep='),
  lineEnd: fc.constantFrom('lf', 'cr', 'any'),
  mark: fc.boolean(),
  ended: fc.boolean(),
})

/** Made one by one, for cells and lines; they repeat themselves where the table is longer. */
const choices = fc.array(fc.nat(11), { minLength: 5, maxLength: 17 })

/** Delimited text in any dialect. */
export const delimited: fc.Arbitrary<Written> = fc
  .record({ style, rows, bad: fc.nat(), choices })
  .map(({ style, rows, bad, choices }) => {
    const { delimiter, quote, escape: escaping, comment, header, lineEnd, mark, ended } = style
    const choose = chooser(choices)
    const ends = LINE_ENDS[lineEnd as Dialect['lineEnd']]
    const end = () => ends[choose() % ends.length]!
    // Nothing names the columns of a file without a header, nor tells how many of them are none.
    const trailing = style.trailing && header
    const { all, at } = recordsOf(rows, bad)
    const escaped = (value: string) =>
      escaping === null
        ? value.replaceAll(quote, quote + quote)
        : value.replace(/[\\"']/g, (one) => (one === escaping || one === quote ? escaping + one : one))
    const written = (value: string | null, first: boolean): string => {
      if (value === null) return ''
      const breaks = lineEnd === 'lf' ? /\n|\r$/ : lineEnd === 'cr' ? /\r/ : /[\r\n]/
      const must =
        value === '' ||
        value.startsWith(quote) ||
        breaks.test(value) ||
        (value + delimiter).indexOf(delimiter) < value.length ||
        // A comment, or a byte order mark at the start of the file.
        (first && (value[0] === comment || value[0] === '\ufeff'))
      return must || choose() % 3 === 0 ? `${quote}${escaped(value)}${quote}` : value
    }
    const line = (cells: readonly (string | null)[]) =>
      cells.map((one, i) => written(one, i === 0)).join(delimiter) + (trailing ? delimiter : '')
    const noise = () => {
      const kind = choose()
      if (kind === 0) return end()
      return kind === 1 && comment !== null ? `${comment} it's "${delimiter}${end()}` : ''
    }

    const named = style.opening === 'sep=' && Buffer.byteLength(delimiter) === 1 && delimiter !== ' '
    const skipLines = style.opening === 'preamble' ? 2 : 0
    let out = mark ? '\ufeff' : ''
    if (named) out += `sep=${delimiter}${end()}`
    if (skipLines > 0) out += `Sales of 2024, "all"${end()}in 1,000's${end()}`
    if (header) out += noise() + line(NAMES) + end()
    const head = Buffer.byteLength(out)
    let found: Pick<Written['bad'], 'line' | 'byteOffset' | 'raw'> | undefined
    all.forEach((row, i) => {
      out += noise()
      const record = line(NAMES.map((name) => row[name]))
      if (i === at) {
        const lines = out.match(lineEnd === 'lf' ? /\n/g : lineEnd === 'cr' ? /\r/g : /\r\n|\r|\n/g) ?? []
        found = { line: 1 + lines.length, byteOffset: Buffer.byteLength(out), raw: Buffer.from(record) }
      }
      out += record + (i + 1 < all.length || ended ? end() : '')
    })
    const dialect: Partial<Dialect> = {
      ...(named ? {} : { delimiter }),
      quote,
      escape: escaping,
      comment,
      header,
      lineEnd: lineEnd as Dialect['lineEnd'],
      trailingDelimiter: trailing,
      ...(skipLines > 0 && { skipLines }),
    }
    return {
      bytes: Buffer.from(out),
      dialect,
      rows: all.filter((_, i) => i !== at),
      bad: { record: at + 1, ...found! },
      head,
    }
  })

/** JSON: lines, an array, or an array somewhere in a document. */
export const json: fc.Arbitrary<Written> = fc
  .record({ form: fc.constantFrom('ndjson', 'array', 'nested'), mark: fc.boolean(), rows, bad: fc.nat(), choices })
  .map(({ form, mark, rows, bad, choices }) => {
    const choose = chooser(choices)
    const isLines = form === 'ndjson'
    const space = () => ['', '', ' ', '\t', isLines ? '' : '\r\n'][choose() % 5]!
    const { all, at } = recordsOf(rows, bad)
    const string = (value: string) => {
      const plain = JSON.stringify(value)
      if (choose() % 3 > 0) return plain
      return plain.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    }
    const member = (name: string, value: string | null) => {
      const written =
        value === null ? 'null' : name === 'n' && choose() % 2 === 0 && value !== 'x' ? value : string(value)
      return `${space()}${string(name)}${space()}:${space()}${written}${space()}`
    }
    const object = (row: Row) => {
      const members = NAMES.filter((name) => row[name] !== null || choose() % 2 === 0)
      if (choose() % 4 === 0) members.reverse()
      return `{${members.map((name) => member(name, row[name])).join(',')}}`
    }
    const opening = { ndjson: '', array: `[${space()}`, nested: '{"meta": {"rows": "]"}, "data": {"rows": [' }[form]!
    const closing = { ndjson: '', array: ']', nested: ']}, "end": []}\n' }[form]!
    let out = (mark ? '\ufeff' : '') + opening
    const head = Buffer.byteLength(out)
    let found: Pick<Written['bad'], 'line' | 'byteOffset' | 'raw'> | undefined
    all.forEach((row, i) => {
      if (isLines && choose() === 0) out += ' \n'
      if (!isLines) out += space()
      const record = object(row)
      if (i === at) {
        const line = out.split('\n').length
        found = { line, byteOffset: Buffer.byteLength(out), raw: Buffer.from(record) }
      }
      out += record
      if (isLines) out += choose() % 2 === 0 ? '\n' : '\r\n'
      else out += space() + (i + 1 < all.length ? ',' : '')
    })
    const dialect: Partial<Dialect> = isLines
      ? { format: 'ndjson' }
      : { format: 'json', ...(form === 'nested' && { jsonPath: 'data.rows' }) }
    return {
      bytes: Buffer.from(out + closing),
      dialect,
      rows: all.filter((_, i) => i !== at),
      bad: { record: at + 1, ...found! },
      head,
    }
  })

/** A table with some of its bytes changed, put in or left out, most of them behind the header. */
export const mutated: fc.Arbitrary<Written> = fc
  .record({
    written: fc.oneof({ arbitrary: delimited, weight: 2 }, json),
    changes: fc.array(
      fc.record({
        kind: fc.constantFrom('flip', 'insert', 'delete'),
        at: fc.nat(),
        byte: fc.oneof(fc.constantFrom(...Buffer.from('"\'\\\n\r,;|: #{}[]\0\xff\xc3', 'latin1')), fc.nat(255)),
        anywhere: fc.nat(9).map((one) => one === 0),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ written, changes }) => {
    let { bytes } = written
    for (const { kind, at, byte, anywhere } of changes) {
      const from = anywhere ? 0 : Math.min(written.head, bytes.length - 1)
      const place = from + (at % Math.max(1, bytes.length - from))
      const put = kind === 'delete' ? [] : [byte]
      bytes = Buffer.concat([
        bytes.subarray(0, place),
        Buffer.from(put),
        bytes.subarray(kind === 'insert' ? place : place + 1),
      ])
    }
    return { ...written, bytes }
  })

function recordsOf(cells: [string | null, string | null, string | null][], bad: number): { all: Row[]; at: number } {
  const at = bad % cells.length
  return { all: cells.map(([a, b, c], i) => ({ a, n: i === at ? 'x' : `${i}`, b, c })), at }
}

function chooser(choices: readonly number[]): () => number {
  let next = 0
  return () => choices[next++ % choices.length]!
}
