import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CSV, type Dialect } from '../src/parse/dialect.ts'
import type { Encoding, ProgramColumn } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { difference, disagreement, type Way } from './support/compare.ts'
import { type HostileCase, hostileCase } from './support/generate-hostile.ts'
import { hostileProgram } from './support/hostile-program.ts'
import { Random } from './support/random.ts'

const ENCODINGS: Encoding[] = ['pg-binary', 'pg-text', 'sqlite-page']
const SEEDS = Number(process.env.SLUICE_TEST_SEEDS ?? 20)
const FIRST_SEED = Number(process.env.SLUICE_TEST_FIRST_SEED ?? 1)

const TEXT = columnOf({ name: 'text' })

function ways(seed: number): Way[] {
  const random = new Random(seed)
  const sizes = Array.from({ length: 7 }, () => random.pick([1, 3, 16, 60, 64, 65, 200, 1000, 5000]))
  return [
    { pieces: [65_537] },
    { pieces: [1] },
    { pieces: [7], limits: { records: 3, bytes: 100 } },
    { pieces: [4096], closeEarly: true },
    { pieces: sizes, limits: { records: random.between(1, 40), bytes: 5000 }, closeEarly: random.chance(30) },
  ]
}

function assertAgree(given: HostileCase, encoding: Encoding, way: Way, name: string): void {
  const found = disagreement(given, encoding, way)
  assert.equal(found, undefined, `${name}: ${found}`)
}

describe('kernel and twin', () => {
  for (const encoding of ENCODINGS) {
    const database = encoding === 'sqlite-page' ? 'sqlite' : 'pg'

    test(`agree on ${SEEDS} hostile sources, ${encoding}`, () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        const given = hostileCase(seed, database)
        for (const way of ways(seed)) {
          // Byte by byte a huge source takes long and shows no more than a small one.
          if (way.pieces[0]! < 64 && given.bytes.length > 20_000) continue
          assertAgree(given, encoding, way, `seed ${seed}`)
        }
      }
    })

    test(`agree on any sequence of the bytes that mean something, ${encoding}`, () => {
      const bytes = fc.array(fc.constantFrom(...'",;\n\r\\#a1', '""', '\r\n', '",', ',"', '\xef\xbb\xbf'), {
        maxLength: 40,
      })
      const dialect = fc.record<Dialect>({
        encoding: fc.constant('utf-8'),
        delimiter: fc.constantFrom(',', ';', ',;', ',,'),
        trailingDelimiter: fc.boolean(),
        quote: fc.constantFrom('"', null),
        escape: fc.constantFrom(null, '\\'),
        comment: fc.constantFrom(null, '#'),
        header: fc.constant(false),
        lineEnd: fc.constantFrom('lf', 'cr', 'any'),
        nullWords: fc.constantFrom([''], ['a']),
      })
      const program = fc.integer({ min: 0, max: 999 }).map((seed) => hostileProgram(new Random(seed), database, true))
      const maxRecordBytes = fc.option(fc.integer({ min: 1, max: 20 }), { nil: undefined })
      const pieces = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 })
      fc.assert(
        fc.property(
          bytes,
          dialect,
          program,
          maxRecordBytes,
          pieces,
          (parts, dialect, program, maxRecordBytes, pieces) => {
            const given = { bytes: Buffer.from(parts.join(''), 'latin1'), dialect, program, maxRecordBytes }
            assert.equal(difference(given, encoding, { pieces }), undefined)
          },
        ),
        { numRuns: SEEDS * 2 },
      )
    })
  }

  const LIMITED: [string, number][] = [
    ['N\r\n', 1],
    ['xxxx\ny\n', 2],
    ['"x\ny\n"\nz\n', 3],
  ]
  test('agree on records about as long as the limit that arrive byte by byte, and on the lines behind them', () => {
    const line: ProgramColumn = {
      ...TEXT,
      from: { line: true },
      type: { kind: 'integer', bytes: 8 },
      storage: 'pg-int8',
    }
    for (const [text, maxRecordBytes] of LIMITED) {
      const program = { sourceColumns: ['a'], columns: [TEXT, line] }
      const given = { bytes: Buffer.from(text), dialect: { ...CSV, header: false }, program, maxRecordBytes }
      assert.equal(difference(given, 'pg-binary', { pieces: [1] }), undefined)
    }
  })

  const MB = 1024 * 1024
  const LARGE: [string, string][] = [
    ['5,000 cells too many', `1,2\n${'x,'.repeat(5000)}\n3,4\n`],
    [
      'rows that fit no page, with rewritten cells behind them',
      `1,"${'ab""'.repeat(30_000)}"\n${'z,"a""b"\n'.repeat(9)}2,"${'""cd'.repeat(30_000)}"\n3,"""x"\n`,
    ],
    ['a field of 300 KB', `"${'ab""\n'.repeat(60_000)}",2\n3,4\n`],
    ['100,000 short records', '1,2\n'.repeat(100_000)],
    ['an open quote before more than the limit', `1,2\n"x\n3,4\n${`${'y'.repeat(1000)},z\n`.repeat(17 * 1024)}`],
    ['a line longer than the limit', `1,2\n${'y'.repeat(17 * MB)}\r\n3,4`],
    ['many returns', `1,2${'\r'.repeat(MB)}\n3,4${'\r'.repeat(MB)}5\n6,7`],
  ]
  for (const [name, text] of LARGE) {
    test(`agree on ${name}`, () => {
      const columns = [TEXT, { ...TEXT, name: 'more', from: { cell: 1 } }]
      for (const encoding of ['pg-binary', 'sqlite-page'] as const) {
        const storage = encoding === 'sqlite-page' ? 'sqlite-text' : 'pg-text'
        const program = { sourceColumns: ['a', 'b'], columns: columns.map((one) => ({ ...one, storage }) as const) }
        const given = { bytes: Buffer.from(text), dialect: { ...CSV, header: false }, program }
        assert.equal(difference(given, encoding, { pieces: [65_537] }), undefined)
      }
    })
  }
})
