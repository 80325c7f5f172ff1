import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Row } from '../src/options.ts'
import { CSV, type Dialect } from '../src/parse/dialect.ts'
import { MappedParser } from '../src/parse/mapped-parser.ts'
import type { MapRow } from '../src/parse/mapped-row.ts'
import type { Encoding, Program, ProgramColumn } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { firstDifference } from './support/compare.ts'
import { type HostileCase, hostileCase } from './support/generate-hostile.ts'
import { Random } from './support/random.ts'
import { type RunOptions, runKernel } from './support/run-kernel.ts'
import type { TwinResult } from './twin/twin.ts'

const ENCODINGS: Encoding[] = ['pg-binary', 'pg-text', 'sqlite-page']
const SEEDS = Number(process.env.SLUICE_TEST_SEEDS ?? 20)
const FIRST_SEED = Number(process.env.SLUICE_TEST_FIRST_SEED ?? 1)

const named = (name: string, cell: number, rest: Partial<ProgramColumn> = {}) =>
  columnOf({ name, from: { cell }, ...rest })

/** A program of text columns, one for each name. */
const texts = (...names: string[]): Program => ({
  sourceColumns: names,
  columns: names.map((name, cell) => named(name, cell)),
})

interface Case {
  text: string
  program?: Program
  dialect?: Partial<Dialect>
  map: MapRow
  pieces?: number[]
  limits?: RunOptions['limits']
  maxRecordBytes?: number
}

/** Rows as lines of PostgreSQL's text form, and rejects. */
function run({ text, dialect, map, program = texts('a', 'b'), pieces = [65_537], ...rest }: Case) {
  const options = { program, dialect: { ...CSV, ...dialect }, encoding: 'pg-text' as const, pieces, ...rest }
  const { rows, rejects } = runKernel(Buffer.from(text), options, (given) => new MappedParser({ ...given, map }))
  return { rows: rows.map(({ bytes }) => Buffer.from(bytes).toString().slice(0, -1)), rejects }
}

const same: MapRow = (row) => row

/** A case in which no name stands for two columns, as a row of names needs it. */
function withNames({ program, ...rest }: HostileCase): HostileCase {
  return {
    ...rest,
    program: { ...program, sourceColumns: program.sourceColumns.map((name, cell) => `${name}${cell}`) },
  }
}

/** NULL words gone: a function gets null for them, and so cannot give them back. */
function withoutNullWords(result: TwinResult): TwinResult {
  for (const { errors } of result.rejects) {
    for (const error of errors) if (error.message === 'the value is required') error.value = ''
  }
  return result
}

describe('a function that changes nothing', () => {
  for (const encoding of ENCODINGS) {
    test(`changes nothing on ${SEEDS} hostile sources, ${encoding}`, () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        const given = withNames(hostileCase(seed, encoding === 'sqlite-page' ? 'sqlite' : 'pg'))
        const random = new Random(seed)
        const options = {
          ...given,
          encoding,
          pieces: [random.pick([1, 7, 64, 1000, 65_537])],
          limits: { records: random.between(1, 40), bytes: random.pick([100, 5000]) },
          closeEarly: random.chance(30),
        }
        if (options.pieces[0]! < 64 && given.bytes.length > 5000) options.pieces = [4096]
        const expected = withoutNullWords(runKernel(given.bytes, options))
        const found = runKernel(given.bytes, options, (kernel) => new MappedParser({ ...kernel, map: same }))
        const difference = firstDifference(expected, withoutNullWords(found))
        assert.equal(difference, undefined, `seed ${seed}: ${difference}`)
      }
    })
  }
})

describe('a function that changes rows', () => {
  const upper: MapRow = (row) => ({ ...row, a: row.a?.toUpperCase() ?? null })

  test('gets cells by header name, NULL as null, and what it gives back is loaded', () => {
    const seen: Row[] = []
    const program = texts('a', '__proto__', 'c')
    const map: MapRow = (row) => {
      seen.push({ ...row })
      return { ...row, a: `${row.a}, "${row.c}"\n`, c: row.a === '2' ? null : '' }
    }
    const { rows, rejects } = run({
      text: '1,x,\n2,,""\n3,N/A,"N/A"\n',
      program,
      map,
      dialect: { nullWords: ['', 'N/A'] },
    })
    assert.deepEqual(rejects, [])
    assert.deepEqual(rows, ['1, "null"\\n\tx\t', '2, ""\\n\t\\N\t\\N', '3, "N/A"\\n\t\\N\t'])
    assert.deepEqual(
      seen.map((row) => [row.a, Object.getOwnPropertyDescriptor(row, '__proto__')?.value, row.c]),
      [
        ['1', 'x', null],
        ['2', null, ''],
        ['3', null, 'N/A'],
      ],
    )
  })

  test('a row of one NULL is a row', () => {
    assert.deepEqual(run({ text: 'x\ny\n', program: texts('a'), map: () => ({ a: null }) }).rows, ['\\N', '\\N'])
  })

  test('rejects tell where the record stands in the source, and show what was checked', () => {
    const program = { ...texts('a', 'b'), columns: [named('n', 0, { type: { kind: 'integer', bytes: 8 } })] }
    const text = '\n"1",x\n\n"2\n2",y\r\n3\n4,"z"\n5,no,more\n6,"a"b\n7,q'
    const map: MapRow = (row) => (row.b === 'z' ? 'z is not wanted' : { ...row, a: row.a === '7' ? 'x7' : row.a! })
    const { rows, rejects } = run({ text, program, map, pieces: [1] })
    assert.deepEqual(rows, ['1', '3'])
    assert.deepEqual(
      rejects.map(({ record, line, byteOffset, errors, raw }) => [
        [record, line, byteOffset, Buffer.from(raw).toString()].join('|'),
        ...errors.map(({ column: name, code, message, value }) => [name, code, message, value].join('|')),
      ]),
      [
        ['2|4|8|"2\n2",y', 'a|type-error|"2\n2" is not an integer|2\n2'],
        ['4|7|19|4,"z"', '|constraint-error|z is not wanted|'],
        ['5|8|25|5,no,more', '|extra-cell|cell 3 is one too many: a record has 2 cells|more'],
        ['6|9|35|6,"a"b', 'b|quote-error|a character follows the closing quote|'],
        ['7|10|42|7,q', 'a|type-error|"x7" is not an integer|x7'],
      ],
    )
  })

  test('the line of a record is that of the source', () => {
    const line = named('_line', 0, { from: { line: true }, type: { kind: 'integer', bytes: 8 } })
    const program = { ...texts('a', 'b'), columns: [named('a', 0), line] }
    const map: MapRow = (row) => ({ ...row, a: 'two\nlines' })
    const { rows } = run({ text: '1,"\n"\n2\n\n3,x,y\n4,z\n', program, map })
    assert.deepEqual(rows, ['two\\nlines\t1', 'two\\nlines\t3', 'two\\nlines\t6'])
  })

  test('does not see bytes that are not UTF-8 in a loaded column', () => {
    const program = { ...texts('a', 'b'), columns: [named('a', 0)] }
    const text = Buffer.from('\xff,1\n2,\xff\n', 'latin1')
    const options = { program, dialect: CSV, encoding: 'pg-text' as const, pieces: [3] }
    const seen: Row[] = []
    const map: MapRow = (row) => {
      seen.push({ ...row })
      return row
    }
    const { rows, rejects } = runKernel(text, options, (given) => new MappedParser({ ...given, map }))
    assert.equal(rows.length, 1)
    assert.deepEqual(rejects[0]?.errors[0]?.code, 'encoding-error')
    assert.deepEqual(seen, [{ a: '2', b: '\ufffd' }])
  })

  test('half a surrogate pair, and a row that has grown too large, are rejects', () => {
    const half = run({ text: '1,2\n', map: (row) => ({ ...row, b: '😀'.slice(0, 1) }) })
    assert.deepEqual([half.rejects[0]?.errors[0]?.column, half.rejects[0]?.errors[0]?.code], ['b', 'encoding-error'])
    const large = run({ text: '1,2\n3,4\n', map: (row) => ({ ...row, b: row.b!.repeat(60) }), maxRecordBytes: 50 })
    assert.equal(large.rejects.length, 2)
    assert.equal(large.rejects[1]?.errors[0]?.message, 'the record is longer than 50 bytes after map')
    assert.equal(large.rejects[1]?.rawLength, 3)
  })

  test('endless records and endless comments take no more memory than a record may', () => {
    const long = 'x'.repeat(1_000_000)
    const text = `1,a\n# ${long}\n2,${long}\n\n3,"${long}"\n${'# short\n'.repeat(100_000)}4,d\n5,"${long}`
    const dialect = { comment: '#' }
    const { rows, rejects } = run({ text, map: upper, dialect, pieces: [4096], maxRecordBytes: 1000 })
    assert.deepEqual(rows, ['1\ta', '4\td'])
    assert.deepEqual(
      rejects.map(({ record, line, rawLength, raw, errors }) => [record, line, rawLength, raw.length, errors[0]!.code]),
      [
        [2, 3, 1_000_002, 65_536, 'record-too-large'],
        [3, 5, 1_000_004, 65_536, 'record-too-large'],
        [5, 100_007, 1_000_003, 65_536, 'record-too-large'],
      ],
    )
  })

  test('wherever the buffer ends at an endless record, the next one is on the line behind it', () => {
    // What may wait before a record is endless; the last of it may be its line end, or half of that.
    const most = 1000 + 256 * 1024
    for (const lineEnd of ['\r', '\r\n']) {
      for (let length = most - 2; length <= most; length++) {
        const text = ['1,a', `2,${'x'.repeat(length - 2)}`, `3`, '4,d', ''].join(lineEnd)
        const dialect = { lineEnd: 'any' as const }
        const { rows, rejects } = run({ text, map: same, dialect, pieces: [1], maxRecordBytes: 1000 })
        assert.deepEqual(rows, ['1\ta', '4\td'])
        const places = rejects.map(({ record, line, rawLength }) => [record, line, rawLength])
        assert.deepEqual(
          places,
          [
            [2, 2, length],
            [3, 3, 1],
          ],
          `${length} bytes and ${JSON.stringify(lineEnd)}`,
        )
      }
    }
  })
})

describe('a function that is wrong', () => {
  const cases: { name: string; map: (row: Row) => unknown; message: RegExp }[] = [
    {
      name: 'throws',
      map: () => {
        throw new RangeError('out of range')
      },
      message: /map failed at record 2 \(line 3\): out of range/,
    },
    { name: 'returns nothing', map: () => undefined, message: /record 2 \(line 3\), returned undefined/ },
    { name: 'returns a list', map: () => [], message: /returned an array/ },
    { name: 'is asynchronous', map: async () => Promise.reject(new Error('later')), message: /returned a promise/ },
    { name: 'adds a column', map: (row) => ({ ...row, c: '1' }), message: /added "c", .* \(a, b\)/ },
    { name: 'leaves a column out', map: ({ a }) => ({ a }), message: /gave "b" no value/ },
    { name: 'gives a number', map: (row) => ({ ...row, a: 1 }), message: /gave "a" a value of type number/ },
  ]
  for (const { name, map, message } of cases) {
    test(name, () => {
      let calls = 0
      const second = (row: Row) => (++calls === 2 ? map(row) : row) as Row
      assert.throws(() => run({ text: '1,a\n\n2,b\n', map: second }), { code: 'SLUICE_MAP', message })
    })
  }

  test('cannot tell two loaded columns of one name apart', () => {
    assert.throws(() => run({ text: '1,2\n', program: texts('a', 'a'), map: (row) => row }), { code: 'SLUICE_COLUMNS' })
  })
})
