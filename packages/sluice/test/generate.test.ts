import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { generate } from '../src/generate/generate.ts'
import { BIN, EXAMPLES, sluice } from './sluice.ts'

const HEADER = 'id,customer_code,first_name,last_name,email,phone,signup_date,amount,country,note,active'

/** Whether a record, as an independent reader sees it, is what the schema of the sample asks for. */
function isSound(cells: string[]): boolean {
  const [id = '', code = '', first = '', last = '', email = '', phone = '', date = '', amount = '', country = ''] =
    cells
  const [note = '', active = ''] = cells.slice(9)
  const [, y1, m1, d1, m2, d2, y2] = /^(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)\/(\d\d)\/(\d{4}))$/.exec(date) ?? []
  const month = Number(m1 ?? m2) - 1
  const day = new Date(Date.UTC(Number(y1 ?? y2), month, Number(d1 ?? d2)))
  return (
    cells.length === 11 &&
    /^[1-9]\d{0,17}$/.test(id) &&
    /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/.test(code) &&
    [first, last].every((name) => /^[\p{L}']{1,100}$/u.test(name)) &&
    /^ *[\w.]+@[\w.]+\.[a-z]{2,} *$/i.test(email) &&
    /^\+\d{1,2}-\d{3}-\d{7}$/.test(phone) &&
    day.getUTCMonth() === month &&
    /^-?\d+\.\d\d$/.test(amount) &&
    /^[A-Z]{2}$/.test(country) &&
    /^[a-z]/.test(note) &&
    /^(true|false|t|f|yes|no|1|0)$/.test(active)
  )
}

/** The records of a sample, its header checked and taken off. A stray quote is kept as text. */
function readRecords(sample: Buffer | string): string[][] {
  const [header, ...records]: string[][] = parse(sample, { relax_column_count: true, relax_quotes: true })
  assert.equal(header!.join(','), HEADER)
  return records
}

const sampleOf = (options: Parameters<typeof generate>[0]) => Buffer.concat([...generate(options)])

test('the command prints exactly the shares asked for, and says so', async () => {
  const { code, stdout, stderr } = await sluice(['generate', '--rows', '5050', '--bad', '1%', '--duplicates', '0.3%'])
  assert.equal(code, 0)
  assert.equal(stderr, 'rows=5050 bad=51 duplicates=15 sound=4984 seed=1\n')
  const records = readRecords(stdout)
  const sound = records.filter(isSound)
  assert.equal(records.length, 5050)
  assert.equal(records.length - sound.length, 51)
  assert.equal(new Set(sound.map(([id]) => id)).size, 4984)
})

describe('counts', () => {
  for (const [rows, bad, duplicates] of [
    [0, 0, 0],
    [1, 0, 0],
    [1, 1, 0],
    [2, 0, 1],
    [3, 1, 1],
    [100, 99, 0],
    [100, 50, 49],
    [100, 0, 99],
    [20_000, 3_000, 5_000],
  ] as const) {
    test(`${rows} rows, ${bad} bad, ${duplicates} duplicates`, () => {
      for (const seed of [0, 1, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
        const records = readRecords(sampleOf({ rows, bad, duplicates, seed }))
        assert.equal(records.length, rows)
        const seen = new Set<string>()
        let repeated = 0
        for (const [index, cells] of records.entries()) {
          if (!isSound(cells)) continue
          if (seen.has(cells[0]!)) repeated++
          else assert.equal(cells[0], String(index + 1))
          seen.add(cells[0]!)
        }
        assert.equal(repeated, duplicates)
        assert.equal(records.filter((cells) => !isSound(cells)).length, bad)
      }
    })
  }
})

test('a seed gives one file, another seed another', () => {
  const options = { rows: 3_000, bad: 30, duplicates: 30, seed: 7 }
  assert.deepEqual(sampleOf(options), sampleOf(options))
  assert.notDeepEqual(sampleOf(options), sampleOf({ ...options, seed: 8 }))
})

test('what is sound is the same with and without bad records', () => {
  const clean = readRecords(sampleOf({ rows: 2_000, bad: 0, duplicates: 0, seed: 3 }))
  const other = readRecords(sampleOf({ rows: 2_000, bad: 200, duplicates: 100, seed: 3 }))
  const changed = other.filter((cells, index) => cells.join() !== clean[index]!.join())
  assert.equal(changed.length, 300)
})

test('the places of bad records are spread over the file', () => {
  const bad = readRecords(sampleOf({ rows: 40_000, bad: 4_000, duplicates: 4_000, seed: 5 })).map(
    (cells) => !isSound(cells),
  )
  for (let quarter = 0; quarter < 4; quarter++) {
    const here = bad.slice(quarter * 10_000, (quarter + 1) * 10_000).filter(Boolean).length
    // Four standard deviations of the hypergeometric distribution.
    assert.ok(Math.abs(here - 1_000) < 4 * Math.sqrt(1_000 * 0.9 * 0.75), `${here} in quarter ${quarter}`)
  }
})

test('the sample has what it promises: quotes, newlines, two date forms, spaces, capitals', () => {
  const text = sampleOf({ rows: 2_000, bad: 0, duplicates: 0, seed: 1 }).toString()
  assert.match(text, /,"[a-z]+, [a-z ]+",/)
  assert.match(text, / ""quoted"" /)
  assert.match(text, /,"[a-z]+\n[a-z ]+, more",/)
  assert.match(text, /,\d\d\/\d\d\/\d{4},/)
  assert.match(text, /,\d{4}-\d\d-\d\d,/)
  assert.match(text, /, User\./)
  assert.match(text, /@gmail\.com {2},/)
  assert.match(text, /,USER\.\w+@EXAMPLE\.COM,/)
  assert.match(text, /,Łukasz,/)
  assert.match(text, /,-\d+\.\d\d,/)
})

test('--schema prints the schema of the examples', async () => {
  const { code, stdout } = await sluice(['generate', '--schema'])
  assert.equal(code, 0)
  assert.equal(stdout, readFileSync(join(EXAMPLES, 'customers.schema.json'), 'utf8'))
  assert.deepEqual(
    JSON.parse(stdout)
      .fields.map((field: { name: string }) => field.name)
      .join(),
    HEADER,
  )
})

test('a reader that goes away ends it quietly', async () => {
  const child = spawn(process.execPath, [BIN, 'generate', '--rows', '1000000000'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  await once(child.stdout, 'data')
  child.stdout.destroy()
  const [code] = await once(child, 'close')
  assert.equal(code, 0)
  assert.equal(stderr, '')
})
