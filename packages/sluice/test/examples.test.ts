import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { DAMAGES } from '../src/generate/damage.ts'
import { generate } from '../src/generate/generate.ts'
import { EXAMPLES, sluice } from './sluice.ts'

const CUSTOMERS = join(EXAMPLES, 'customers.csv')
const SCHEMA = join(EXAMPLES, 'customers.schema.json')

test('the example without its schema: types are inferred, and some dozen records do not fit them', async () => {
  const cwd = temporaryFolder()
  const { code, stdout, stderr } = await sluice(['load', CUSTOMERS, '--json'], { cwd })
  assert.equal(code, 0, stderr)
  const { recordsRead, inserted, rejected, rejectsByCode } = JSON.parse(stdout)
  assert.deepEqual({ recordsRead, inserted, rejected }, { recordsRead: 5_010, inserted: 4_977, rejected: 33 })
  assert.deepEqual(rejectsByCode, {
    'type-error': 16,
    'missing-cell': 3,
    'extra-cell': 4,
    'quote-error': 6,
    'encoding-error': 4,
  })
})

test('the example with its schema has every reject code that a CSV file can have', async () => {
  const cwd = temporaryFolder()
  const { code, stdout, stderr } = await sluice(['load', CUSTOMERS, '--schema', SCHEMA, '--json'], { cwd })
  assert.equal(code, 0, stderr)
  const { recordsRead, inserted, rejected, rejectsByCode } = JSON.parse(stdout)
  assert.deepEqual({ recordsRead, inserted, rejected }, { recordsRead: 5_010, inserted: 4_948, rejected: 62 })
  assert.deepEqual(rejectsByCode, {
    'type-error': 25,
    'constraint-error': 13,
    'missing-cell': 3,
    'extra-cell': 3,
    'unique-error': 8,
    'quote-error': 6,
    'encoding-error': 4,
  })
})

test('a generated sample has the rejects that it says, each for its own reason', async () => {
  const cwd = temporaryFolder()
  const turns = 20
  const bad = DAMAGES.length * turns
  const [rows, duplicates] = [bad * 20, 30]
  writeFileSync(join(cwd, 'customers.csv'), Buffer.concat([...generate({ rows, bad, duplicates, seed: 9 })]))
  const { code, stdout, stderr } = await sluice(['load', 'customers.csv', '--schema', SCHEMA, '--json'], { cwd })
  assert.equal(code, 0, stderr)

  const expected: Record<string, number> = { 'unique-error': duplicates }
  for (const damage of DAMAGES) expected[damage.code] = (expected[damage.code] ?? 0) + turns
  const { recordsRead, inserted, rejectsByCode } = JSON.parse(stdout)
  assert.deepEqual(rejectsByCode, expected)
  assert.deepEqual([recordsRead, inserted], [rows, rows - bad - duplicates])
})
