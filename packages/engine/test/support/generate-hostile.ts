import { CSV, type Dialect } from '../../src/parse/dialect.ts'
import type { Program, ProgramColumn } from '../../src/schema/program.ts'
import { hostileProgram } from './hostile-program.ts'
import { hostileValue } from './hostile-values.ts'
import { Random } from './random.ts'

/** A source and what is to be done with it. */
export interface HostileCase {
  dialect: Dialect
  program: Program
  bytes: Uint8Array
  maxRecordBytes?: number
}

/** The case of a seed: always the same one. */
export function hostileCase(seed: number, database: 'pg' | 'sqlite'): HostileCase {
  const random = new Random(seed)
  const dialect = hostileDialect(random)
  const calm = random.chance(60)
  const program = hostileProgram(random, database, calm)
  let bytes: Buffer = random.chance(5) ? noise(random, dialect) : file(random, dialect, program, calm)
  if (random.chance(calm ? 10 : 35)) bytes = mutate(random, bytes, dialect)
  const limit = random.chance(20) ? random.pick([1, 2, 5, 16, 17, 40, 64, 100, 1000]) : undefined
  return limit === undefined ? { dialect, program, bytes } : { dialect, program, bytes, maxRecordBytes: limit }
}

function hostileDialect(random: Random): Dialect {
  const plain = random.chance(50)
  return {
    encoding: 'utf-8',
    delimiter: plain ? ',' : random.pick([',', ';', '\t', '|', '\x01', ' ', '||', ', ', '§', '~|~']),
    trailingDelimiter: random.chance(10),
    quote: plain ? '"' : random.pick(['"', '"', "'", null]),
    escape: plain ? null : random.pick([null, null, '\\', '"']),
    comment: random.chance(20) ? random.pick(['#', '%']) : null,
    header: false,
    lineEnd: random.chance(75) ? 'lf' : random.pick(['cr', 'any'] as const),
    nullWords: random.pick([
      CSV.nullWords,
      CSV.nullWords,
      [],
      ['', 'NULL', 'N/A'],
      ['\\N'],
      ['NULL', '-', 'é', 'a-much-longer-word'],
    ]),
  }
}

function lineEnd(random: Random, { lineEnd }: Dialect): string {
  if (lineEnd === 'cr') return '\r'
  if (lineEnd === 'any') return random.pick(['\n', '\r', '\r\n'])
  return random.chance(3) ? '\r\r\n' : random.pick(['\n', '\n', '\r\n'])
}

function file(random: Random, dialect: Dialect, program: Program, calm: boolean): Buffer {
  const end = lineEnd(random, dialect)
  const mixed = random.chance(20)
  const parts: Buffer[] = random.chance(10) ? [Buffer.from([0xef, 0xbb, 0xbf])] : []
  const rows = random.chance(70) ? random.between(1, 12) : random.between(10, 120)
  for (let row = 0; row < rows; row++) {
    if (random.chance(3)) parts.push(Buffer.from(lineEnd(random, dialect)))
    if (dialect.comment && random.chance(5)) parts.push(Buffer.from(`${dialect.comment} "note`), Buffer.from(end))
    parts.push(record(random, dialect, program, calm))
    if (row < rows - 1 || random.chance(80)) parts.push(Buffer.from(mixed ? lineEnd(random, dialect) : end))
  }
  return Buffer.concat(parts)
}

function record(random: Random, dialect: Dialect, program: Program, calm: boolean): Buffer {
  const byCell = new Map<number, ProgramColumn>()
  for (const column of program.columns) if ('cell' in column.from) byCell.set(column.from.cell, column)
  let count = program.sourceColumns.length
  if (random.chance(3)) count = random.below(count + 1)
  if (random.chance(3)) count += random.pick([1, 2, 80])
  const cells = Array.from({ length: count }, (_, cell) => {
    const column = byCell.get(cell)
    if (random.chance(6)) return Buffer.from(random.pick([...dialect.nullWords, '']))
    const value = column ? hostileValue(random, column, calm) : random.pick(['x', '', 'y z'])
    return quoteCell(
      random,
      dialect,
      random.chance(calm ? 15 : 100) ? spoil(random, Buffer.from(value)) : Buffer.from(value),
    )
  })
  const delimiter = Buffer.from(dialect.delimiter)
  return Buffer.concat(cells.flatMap((cell, index) => (index === 0 ? [cell] : [delimiter, cell])))
}

const NOT_UTF8 = [
  'c080',
  'eda080',
  'f4908080',
  'f5',
  'e282',
  '80',
  'f0808080',
  'ff',
  'e08080',
  'c1bf',
  'f8888080',
  'c3',
  'edbfbf',
  '00',
]
const UTF8_EDGES = [
  'c280',
  'dfbf',
  'e0a080',
  'efbfbf',
  'f0908080',
  'f48fbfbf',
  'ed9fbf',
  'ee8080',
  '7f',
  '01',
  '0b',
  '08',
]

/** Sometimes puts bytes into a value that are no text, or lets it grow huge. */
function spoil(random: Random, value: Buffer): Buffer {
  if (random.chance(97)) return value
  const at = random.below(value.length + 1)
  const [before, behind] = [value.subarray(0, at), value.subarray(at)]
  if (random.chance(85)) {
    const bytes = Buffer.from(random.pick(random.chance(60) ? NOT_UTF8 : UTF8_EDGES), 'hex')
    return Buffer.concat([before, bytes, behind])
  }
  const filler = random.pick(['x', 'é', '0', ' ', '"', 'Ab\t', '😀'])
  return Buffer.concat([before, Buffer.from(filler.repeat(random.pick([20, 300, 2000, 20_000, 70_000]))), behind])
}

function quoteCell(random: Random, { delimiter, quote, escape: escapeChar, lineEnd }: Dialect, value: Buffer): Buffer {
  if (quote === null) return value
  const text = value.toString('latin1')
  const ends = lineEnd === 'cr' ? /\r/ : lineEnd === 'lf' ? /\n/ : /[\r\n]/
  const needed = text.includes(delimiter) || text.startsWith(quote) || ends.test(text)
  if (!random.chance(needed ? 98 : 20)) return value
  const mark = escapeChar ?? quote
  const inner = random.chance(5) ? `${text}${random.pick(['\n', '\r\n', '\r', delimiter, quote])}` : text
  const escaped = inner.replaceAll(mark, mark + mark)
  const quoted = mark === quote ? escaped : escaped.replaceAll(quote, mark + quote)
  const [open, close] = [random.chance(99) ? quote : '', random.chance(99) ? quote : '']
  return Buffer.from(`${open}${quoted}${close}${random.chance(1) ? random.pick(['x', ' ', '\r']) : ''}`, 'latin1')
}

/** Bytes in which every byte that has a meaning is frequent. */
function noise(random: Random, { delimiter, quote, escape: escapeChar, comment }: Dialect): Buffer {
  const alphabet = [
    'a',
    '1',
    '0',
    '-',
    ' ',
    '\n',
    '\r',
    delimiter,
    delimiter,
    quote ?? 'q',
    quote ?? 'q',
    escapeChar ?? 'e',
    comment ?? '#',
  ]
  alphabet.push('\0', '\xff', '\xc3\xa9')
  return Buffer.from(random.text(alphabet, random.pick([3, 10, 100, 1000])), 'latin1')
}

function mutate(random: Random, original: Buffer, dialect: Dialect): Buffer {
  let bytes: Buffer = Buffer.from(original)
  for (let times = random.pick([1, 1, 2, 5, 20]); times > 0; times--) {
    const at = random.below(bytes.length + 1)
    const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
    const kind = random.below(5)
    if (kind === 0 && bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
    else if (kind === 1)
      bytes = Buffer.concat([before, noise(random, dialect).subarray(0, random.between(1, 4)), behind])
    else if (kind === 2) bytes = Buffer.concat([before, behind.subarray(random.between(1, 5))])
    else if (kind === 3 && random.chance(30)) bytes = Buffer.from(before)
    else
      bytes = Buffer.concat([
        before,
        Buffer.from(random.pick([dialect.quote ?? '"', '\r', '\n', dialect.delimiter])),
        behind,
      ])
  }
  return bytes
}
