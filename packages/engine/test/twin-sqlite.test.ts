import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { ColumnType, Storage } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { INTEGERS, NUMBERS, WORDS } from './support/hostile-pools.ts'
import { Random } from './support/random.ts'
import { readPages } from './support/run-kernel.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { type Stored, sqliteRecord } from './twin/encode.ts'
import { compareNumbers, parseNumber } from './twin/number.ts'
import { judge } from './twin/values.ts'

/** The records of a table as SQLite itself writes them, rowids from 1. */
function writtenBySqlite(columns: number, rows: SQLInputValue[][]): Uint8Array[] {
  const folder = temporaryFolder()
  const path = join(folder, 'twin.db')
  const database = new DatabaseSync(path)
  database.exec('PRAGMA page_size = 65536')
  database.exec(`CREATE TABLE t (${Array.from({ length: columns }, (_, index) => `c${index}`)})`)
  const insert = database.prepare(`INSERT INTO t VALUES (${Array.from({ length: columns }, () => '?')})`)
  for (const row of rows) insert.run(...row)
  database.close()
  const file = readFileSync(path)
  assert.equal(file.length, 2 * 65_536, 'a page for the schema, a page for the rows')
  const output = new Uint8Array(new SharedArrayBuffer(65_536))
  output.set(file.subarray(65_536))
  return readPages({ output, large: [], rows: rows.length })
}

function store(text: string, type: ColumnType, storage: Storage): Stored | undefined {
  const verdict = judge(Buffer.from(text), columnOf({ type, storage }))
  return 'value' in verdict ? { storage, value: verdict.value } : undefined
}

/** The only value of a record, an integer. */
function integerIn(record: Buffer): bigint {
  if (record[1]! >= 8) return BigInt(record[1]! - 8)
  const body = record.subarray(2)
  return BigInt.asIntN(body.length * 8, BigInt(`0x${body.toString('hex')}`))
}

const NULL: Stored = { storage: 'sqlite-text', value: null }
const NUMERIC: ColumnType = { kind: 'numeric', precision: null, scale: null }

describe('a record of the twin is the one that SQLite writes', () => {
  test('integers in the smallest width', () => {
    const widths = Array.from({ length: 64 }, (_, bits) => 1n << BigInt(bits))
    const edges = widths.flatMap((edge) => [edge - 1n, edge, -edge, -edge - 1n])
    const values = [...edges, ...INTEGERS.filter((text) => /^-?\d{1,18}$/.test(text)).map(BigInt)].filter(
      (value) => BigInt.asIntN(64, value) === value,
    )
    const expected = writtenBySqlite(
      2,
      values.map((value) => [value, null]),
    )
    values.forEach((value, index) => {
      const stored = store(value.toString(), { kind: 'integer', bytes: 8 }, 'sqlite-integer')!
      assert.deepEqual(Buffer.from(sqliteRecord([stored, NULL])), Buffer.from(expected[index]!), `${value}`)
    })
  })

  test('doubles, whole ones too', () => {
    const values = [0, -0, 1, 5, 2 ** 53, 0.1, -1.5, 5e-324, Number.MAX_VALUE, Number.POSITIVE_INFINITY]
    const expected = writtenBySqlite(
      1,
      values.map((value) => [value]),
    )
    values.forEach((value, index) => {
      const text = Object.is(value, -0) ? '-0' : String(value)
      const stored = store(text, { kind: 'float8' }, 'sqlite-real')!
      assert.deepEqual(Buffer.from(sqliteRecord([stored])), Buffer.from(expected[index]!), text)
    })
  })

  test('texts of any length, and many columns', () => {
    const values = [...WORDS, '', 'x'.repeat(57), 'x'.repeat(58), 'é'.repeat(5000), 'x'.repeat(8186), 'x'.repeat(8187)]
    const rows = [...values.map((value) => [value, ...Array.from({ length: 149 }, () => '')])]
    const expected = writtenBySqlite(150, rows)
    rows.forEach((row, index) => {
      const stored = row.map((value) => store(value, { kind: 'text' }, 'sqlite-text')!)
      assert.deepEqual(Buffer.from(sqliteRecord(stored)), Buffer.from(expected[index]!), row[0]!.slice(0, 20))
    })
  })
})

describe('a number without affinity', () => {
  const random = new Random(11)
  const generated = Array.from({ length: 3000 }, () => {
    const digits = random.text('0123456789', random.between(1, 17))
    const at = random.between(0, digits.length)
    const exponent = random.chance(50) ? `e${random.between(-310, 310)}` : ''
    return `${random.pick(['', '-'])}${digits.slice(0, at)}.${digits.slice(at)}${exponent}`
  })

  test('prints the digits that were written, as REAL or as TEXT', () => {
    const database = new DatabaseSync(':memory:')
    const print = database.prepare(`SELECT format('%!.15g', ?) AS text`)
    const counts = { real: 0, text: 0 }
    for (const text of [...NUMBERS, ...generated]) {
      const stored = store(text, NUMERIC, 'sqlite-number')
      if (stored === undefined) continue
      const record = Buffer.from(sqliteRecord([stored]))
      const isReal = record[1] === 7
      const value = isReal ? record.readDoubleBE(2) : undefined
      const printed = isReal ? String(print.get(value!)!.text) : record.subarray(record[0]!).toString()
      counts[isReal ? 'real' : 'text']++
      const [written, again] = [text, printed].map((side) => parseNumber(side.trim(), '.', null)!)
      assert.equal(compareNumbers(written!, again!), 0, `${text} is printed as ${printed}`)
    }
    assert.ok(counts.real > 500 && counts.text > 300, JSON.stringify(counts))
    database.close()
  })

  test('keeps its digits in a column with NUMERIC affinity, where it is let in', () => {
    const database = new DatabaseSync(':memory:')
    database.exec('CREATE TABLE t (n NUMERIC)')
    const insert = database.prepare(
      `INSERT INTO t VALUES (?) RETURNING iif(typeof(n) = 'real', format('%!.15g', n), CAST(n AS TEXT)) AS text`,
    )
    let refused = 0
    for (const text of [...NUMBERS, ...INTEGERS, ...generated]) {
      const stored = store(text, NUMERIC, 'sqlite-exact')
      if (stored === undefined) {
        refused++
        continue
      }
      const record = Buffer.from(sqliteRecord([stored]))
      const value = record[1] === 7 ? record.readDoubleBE(2) : integerIn(record)
      const printed = String(insert.get(value)!.text)
      const [written, again] = [text, printed].map((side) => parseNumber(side.trim(), '.', null)!)
      assert.equal(compareNumbers(written!, again!), 0, `${text} is printed as ${printed}`)
    }
    assert.ok(refused > 100)
    database.close()
  })
})
