import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CSV, type Dialect, type JsonDialect } from '../src/parse/dialect.ts'
import { MappedParser } from '../src/parse/mapped-parser.ts'
import { readRecords } from '../src/parse/records.ts'
import type { Encoding, Program, ProgramColumn } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { firstDifference } from './support/compare.ts'
import { Random } from './support/random.ts'
import { runKernel } from './support/run-kernel.ts'
import { twin } from './twin/twin.ts'

const KEYS = ['a', 'b', 'ключ', '__proto__', 'a "b"\n']
const ENCODINGS: Encoding[] = ['pg-binary', 'pg-text', 'sqlite-page']
const RUNS = Number(process.env.SLUICE_TEST_SEEDS ?? 20)

function column(name: string, cell: number, kind: 'text' | 'json' | 'integer', encoding: Encoding): ProgramColumn {
  const isPg = encoding !== 'sqlite-page'
  const storages = {
    text: isPg ? 'pg-text' : 'sqlite-text',
    json: isPg ? 'pg-jsonb' : 'sqlite-text',
    integer: isPg ? 'pg-int8' : 'sqlite-integer',
  } as const
  return columnOf({
    name,
    from: { cell },
    type: kind === 'integer' ? { kind, bytes: 8 } : kind === 'json' ? { kind, top: 'any' } : { kind },
    storage: storages[kind],
    required: cell === 1,
  })
}

/** The last key is one that is not loaded. */
function programFor(encoding: Encoding): Program {
  const kinds = ['text', 'integer', 'json', 'text'] as const
  return { sourceColumns: KEYS, columns: kinds.map((kind, cell) => column(`c${cell}`, cell, kind, encoding)) }
}

function dialect(form: JsonDialect['form'], ignoresUnknown = false): Dialect {
  return { ...CSV, header: false, json: { form, path: [], ignoresUnknown, kept: ['ключ'] } }
}

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\n',
  ' ',
  '\t',
  '\r',
  '"a":',
  '"b":',
  '{"a":',
  '1',
  '-0',
  '1e400',
  '.5',
  'true',
  'null',
  'fals',
  '"a":"x"',
  '"b":1',
  '"ключ":{"x":[1,2]}',
  '"ключ":"t"',
  '"\\u0061":2',
  '"z":3',
  '"z\\n":"q"',
  '{"b":1}',
  '{"b":2,"a":"é"},',
  '{"b":3}\n',
  '"\\ud83d\\ude00"',
  '"\\ud800"',
  '"\\u0000"',
  '\xff',
  '\0',
  '""',
  '"__proto__":""',
  '"a \\"b\\"\\n":5',
  '},\n{',
  ']]',
  '{}',
  '"\\u12',
]

/** What an array's brackets hold, when they are there: a load gives the parser what is behind the first one. */
function source(parts: string[], form: JsonDialect['form']): Buffer {
  const text = Buffer.concat(
    parts.map((part) =>
      /[\0-\xff]/.test(part) && !/[^\0-\xff]/.test(part) ? Buffer.from(part, 'latin1') : Buffer.from(part),
    ),
  )
  return form === 'lines' ? text : Buffer.concat([text, Buffer.from(']')])
}

function differs(
  bytes: Uint8Array,
  options: { dialect: Dialect; encoding: Encoding; maxRecordBytes?: number },
  pieces: number[],
  limits = { records: 50_000, bytes: 10_000_000 },
): string | undefined {
  const program = programFor(options.encoding)
  const position = { byte: 1, line: 1, record: 0 }
  const expected = twin(bytes, { ...options, program, position })
  const reader = readRecords(bytes, options.dialect, {
    position,
    columns: program.sourceColumns,
    maxRecordBytes: options.maxRecordBytes,
  })
  let step = reader.next()
  while (!step.done) step = reader.next()
  const { closed, byte } = step.value
  const tail = Buffer.from(bytes.subarray(byte - 1)).toString('latin1')
  const whole = options.dialect.json!.form === 'lines' || (closed === true && /^[ \t\r\n]*$/.test(tail))
  let found: ReturnType<typeof runKernel>
  try {
    found = runKernel(bytes, { ...options, program, position, pieces, limits })
  } catch (error) {
    if ((error as { code?: string }).code === 'SLUICE_CORRUPT')
      return whole ? `refused: ${(error as Error).message}` : undefined
    throw error
  }
  if (!whole) return 'accepted a broken array'
  const difference = firstDifference(expected, found)
  if (difference !== undefined) return difference
  if (pieces[0]! < 5) return undefined
  // Through a function that changes nothing the result is the same. It reads a record anew for each piece, which takes long.
  const mapped = runKernel(
    bytes,
    { ...options, program, position, pieces, limits },
    (given) => new MappedParser({ ...given, map: (row) => row }),
  )
  const change = firstDifference(expected, mapped)
  return change === undefined ? undefined : `map: ${change}`
}

/** Of a record, in bytes: less than what the parsers hold beside it. */
const LIMIT = 100_000
const MB = 1024 * 1024
const LARGE: [string, JsonDialect['form'], string][] = [
  ['a line longer than the limit', 'lines', `{"a":1}\n{"a":"${'x'.repeat(MB)}"}\n{"a":2}\n`],
  ['a line as long as the limit', 'lines', `{"a":"${'x'.repeat(LIMIT - 8)}"}\n{"a":"${'x'.repeat(LIMIT - 7)}"}\n`],
  ['an element longer than the limit', 'array', `{"a":1}\n,\n {"a":"${'[\\"\\n]},'.repeat(100_000)}"}\n \n,{"a":2}]\n`],
  [
    'a broken element longer than the limit',
    'array',
    `{"a":1},{"a":01,"b":[${'{"c":"]},"},'.repeat(100_000)}1]},{"a":2}]`,
  ],
  ['an element that has no end', 'array', `{"a":1},{"a":"${'x'.repeat(MB)}`],
  [
    'white space without end',
    'array',
    `{"a":1}${' '.repeat(60_000)},${'\n'.repeat(60_000)}{"a":2}${'\t'.repeat(100_000)}]${' '.repeat(MB)}`,
  ],
  [
    '5,000 keys that no column has',
    'array',
    `{${Array.from({ length: 5_000 }, (_, i) => `"k${i}":${i}`).join()}},{"a":1}]`,
  ],
  ['40,000 short records', 'lines', '{"a":1,"b":2}\n{"b":3}\n'.repeat(20_000)],
  [
    'a string of 90 KB with escapes',
    'lines',
    `{"a":"${'\\u00e9\\n"'.replace('"', '\\"').repeat(5_000)}","ключ":"${'\\t'.repeat(20_000)}"}\n`,
  ],
]

describe('kernel and twin agree on JSON', () => {
  for (const [name, form, text] of LARGE) {
    test(`${form}: ${name}`, () => {
      for (const pieces of [[65_537], [1_000_003]]) {
        assert.equal(
          differs(Buffer.from(text), { dialect: dialect(form), encoding: 'pg-binary', maxRecordBytes: LIMIT }, pieces),
          undefined,
        )
      }
    })
  }

  for (const form of ['lines', 'array'] as const) {
    for (const encoding of ENCODINGS) {
      test(`${form}, ${encoding}: any sequence of what means something`, () => {
        const parts = fc.array(fc.constantFrom(...PIECES), { maxLength: 30 })
        const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 3 })
        const most = fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined })
        fc.assert(
          fc.property(parts, sizes, most, fc.boolean(), (parts, pieces, maxRecordBytes, ignores) => {
            const options = { dialect: dialect(form, ignores), encoding, maxRecordBytes }
            assert.equal(differs(source(parts, form), options, pieces, { records: 3, bytes: 40 }), undefined)
          }),
          { numRuns: RUNS },
        )
      })

      test(`${form}, ${encoding}: objects, with a byte changed here and there`, () => {
        for (let seed = 1; seed <= RUNS; seed++) {
          const random = new Random(seed)
          const bytes = objects(random, form)
          if (random.chance(50)) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
          const options = { dialect: dialect(form, random.chance(50)), encoding }
          for (const pieces of [[65_537], [seed % 3 === 0 ? 1 : 7]]) {
            assert.equal(differs(bytes, options, pieces), undefined, `seed ${seed}, pieces of ${pieces}`)
          }
        }
      })
    }
  }
})

function objects(random: Random, form: JsonDialect['form']): Buffer {
  const values = [
    '1',
    '-12',
    '"x"',
    '"long \\u00e9 \\"text\\" in it"',
    'null',
    'true',
    '[1,{"a":"}"}]',
    '{"k":[[]]}',
    '""',
    '1.50',
    '" 5 "',
  ]
  const space = () => random.pick(['', '', '', ' ', '\t', form === 'array' ? '\n  ' : ' '])
  const records = Array.from({ length: random.between(1, 30) }, () => {
    const keys = KEYS.filter(() => random.chance(85))
    if (random.chance(20)) keys.reverse()
    if (random.chance(5)) keys.push(random.pick(['more', 'a']))
    const members = keys.map(
      (key) =>
        `${space()}${JSON.stringify(key)}${space()}:${space()}${key === 'b' ? random.pick(['1', '"22"', '-3']) : random.pick(values)}${space()}`,
    )
    return `{${members.join(',')}}`
  })
  return Buffer.from(
    form === 'lines' ? `${records.join('\n')}\n` : `${records.join(`${space()},${space()}`)}${space()}]${space()}`,
  )
}
