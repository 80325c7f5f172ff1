import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { load } from '../src/load.ts'
import { allowedValues } from '../src/schema/allowed.ts'
import type { Field } from '../src/schema/field.ts'
import { momentKey } from '../src/schema/moment.ts'
import { openDatabase } from '../src/write/open.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { parseNumber } from './twin/number.ts'
import { matchMoment } from './twin/strptime.ts'

/** Which cells a field with an enum takes, and the message of the first that it does not take. */
async function taken(field: Partial<Field>, cells: string[]): Promise<[taken: string[], message: string | undefined]> {
  const folder = temporaryFolder()
  const to = `sqlite:${join(folder, 'e.db')}`
  const schema = {
    fields: [
      { name: 'n', type: 'integer' as const },
      { name: 'v', ...field },
    ],
  }
  const source = (async function* () {
    yield Buffer.from(`n;v\n${cells.map((cell, i) => `${i};${cell}\n`).join('')}`)
  })()
  const { jobId } = await load({ source, to, table: 't', schema, dialect: { delimiter: ';', header: true } })
  const database = await openDatabase(to)
  try {
    const rows = await database.query<{ n: number }>('SELECT n FROM t ORDER BY n')
    const errors: { code: string; message: string }[] = []
    for await (const page of new JobStore(database).rejects(jobId)) errors.push(...page.flatMap(({ errors }) => errors))
    assert.ok(errors.every(({ code }) => code === 'constraint-error'))
    assert.equal(errors.length + rows.length, cells.length)
    return [rows.map(({ n }) => cells[n]!), errors[0]?.message]
  } finally {
    await database.close()
  }
}

for (const [field, yes, no] of [
  [{ type: 'integer', constraints: { enum: [1, '2', 30] } }, ['1', '+1', '01', ' 2', '30'], ['3', '-1', '10', '300']],
  [
    { type: 'number', constraints: { enum: [1, 2.5, '1e3', -0.1] } },
    ['1', '1.0', '1.', '01.00', '10e-1', '2.50', '1000', '0.1E4', '-.10'],
    ['1.01', '0.1', '100', '2', '1.00000000000000000001'],
  ],
  [
    { type: 'number', decimalChar: ',', groupChar: '.', constraints: { enum: ['1.000,5', 2.5] } },
    ['1000,5', '1.000,50', '2,5'],
    ['10005', '25'],
  ],
  [{ type: 'number', constraints: { enum: ['NaN', '-inf'] } }, ['nan', '-Infinity'], ['inf', '0']],
  [{ type: 'boolean', constraints: { enum: [true] } }, ['true', 'YES', '1'], ['no', '0']],
  [{ type: 'boolean', trueValues: ['ja'], falseValues: ['nein'], constraints: { enum: [true] } }, ['ja'], ['nein']],
  [{ type: 'date', constraints: { enum: ['2024-02-29'] } }, ['2024-02-29'], ['2024-03-01']],
  [
    { type: 'date', format: ['%d.%m.%Y', '%Y-%j'], constraints: { enum: ['2024-02-01', '3.2.2024'] } },
    ['1.2.2024', '01.02.2024', '2024-32', '03.2.2024'],
    ['2.1.2024', '2024-33'],
  ],
  [{ type: 'time', constraints: { enum: ['08:00'] } }, ['08:00', '08:00:00', '08:00:00.0'], ['08:00:00.1', '09:00']],
  [
    { type: 'datetime', constraints: { enum: ['2024-01-01T12:00:00Z'] } },
    ['2024-01-01T12:00:00Z', '2024-01-01 12:00', '2024-01-01T13:00+01:00', '2024-01-01T07:00:00.000-0500'],
    ['2024-01-01T12:00:00+01', '2024-01-01', '2024-01-01T12:00:00.000001Z'],
  ],
  [{ type: 'datetime', timezone: false, constraints: { enum: ['2024-01-01'] } }, ['2024-01-01T00:00'], ['2024-01-02']],
  [
    { type: 'uuid', constraints: { enum: ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'] } },
    ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    ['b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  ],
  [{ type: 'string', constraints: { enum: ['1', 'x'] } }, ['1', 'x'], ['1.0', 'X', ' 1']],
] as [Partial<Field>, string[], string[]][]) {
  test(`the enum of ${JSON.stringify(field)} allows ${yes.join(' | ')} and not ${no.join(' | ')}`, async () => {
    const [found, message] = await taken(field, [...no, ...yes])
    assert.deepEqual(found, yes)
    assert.equal(message, `"${no[0]}" is not one of: ${field.constraints!.enum!.join(', ')}`)
  })
}

const numberText = fc
  .tuple(
    fc.constantFrom('', '+', '-'),
    fc.stringMatching(/^[0-3]{0,4}$/),
    fc.stringMatching(/^(\.[0-2]{0,3})?$/),
    fc.stringMatching(/^(e[+-]?[0-2]{1,2})?$/),
  )
  .map((parts) => parts.join(''))
  .filter((text) => /\d/.test(text.split('e')[0]!))

test('two numbers are the same to an enum just when the twin says so', () => {
  const column = { formats: [], decimalChar: '.', groupChar: null, trueWords: [], falseWords: [] }
  const type = { kind: 'numeric', precision: null, scale: null } as const
  const plain = (text: string) => {
    const [mantissa, exponent = '0'] = text.split('e')
    const [before, after = ''] = mantissa!.split('.')
    return (
      BigInt(`${before!.replace(/[+-]/, '')}${after}`) *
      (before!.startsWith('-') ? -1n : 1n) *
      10n ** BigInt(Number(exponent) - after.length + 40)
    )
  }
  fc.assert(
    fc.property(numberText, numberText, (a, b) => {
      assert.ok(parseNumber(a, '.', null))
      const says = allowedValues([a], { type, ...column })!(b) === undefined
      assert.equal(says, plain(a) === plain(b), `${a} and ${b}`)
    }),
    {
      numRuns: 2_000,
      examples: [
        ['1', '1.0'],
        ['-0', '0'],
        ['.10', '1e-1'],
      ],
    },
  )
})

test('a number of very many digits is compared in no time', () => {
  const column = { formats: [], decimalChar: '.', groupChar: null, trueWords: [], falseWords: [] }
  const check = allowedValues([1], { type: { kind: 'numeric', precision: null, scale: null }, ...column })!
  const began = performance.now()
  assert.equal(check(`${'0'.repeat(100_000)}1.${'0'.repeat(16_000)}`), undefined)
  assert.notEqual(check(`1.${`${'0'.repeat(100)}1`.repeat(1_000)}`), undefined)
  assert.equal(check(`1e${'0'.repeat(1_000_000)}`), undefined)
  assert.ok(performance.now() - began < 2_000)
})

const PATTERNS = ['%Y-%m-%d', '%d/%m/%y', '%j %Y', '%B %d %Y', '%Y%m%d %I:%M:%S.%f %p', '%b%d%Y%z', '%d%%%m%Y %H']

test('two dates are the same to an enum just when the twin says so', () => {
  const text = fc.oneof(
    fc.stringMatching(/^20[0-2]\d-\d{1,2}-\d{1,2}$/),
    fc.stringMatching(/^[0-3]\d\/[01]?\d\/[0-9]{2}$/),
    fc.stringMatching(/^[0-3]?\d\d 202[0-4]$/),
    fc.stringMatching(/^(May|june|Dec|JANUARY) [0-3]?\d 202\d$/),
    fc.stringMatching(/^2024[01]\d[0-3]\d [01]?\d:[0-5]\d:[0-5]\d\.\d{1,6} [aApP][mM]$/),
    fc.stringMatching(/^(feb|Mar)[0-3]\d2024(Z|[+-]0\d(:?30)?)$/),
    fc.stringMatching(/^[0-3]\d%[01]\d2024 [012]\d$/),
  )
  const moment = (value: string) => {
    const found = matchMoment(value, PATTERNS)
    return found && found.micros - BigInt(found.offset ?? 0) * 60_000_000n
  }
  let same = 0
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [x, y] = [moment(a), moment(b)]
      // The kernel has refused the others before.
      if (x === undefined || y === undefined) return
      if (x === y) same++
      assert.equal(momentKey(a, PATTERNS) === momentKey(b, PATTERNS), x === y, `${a} and ${b}`)
    }),
    {
      numRuns: 5_000,
      examples: [
        ['2024-02-01', '32 2024'],
        ['May 3 2024', '03/5/24'],
        ['feb012024+0030', 'feb012024Z'],
      ],
    },
  )
  assert.ok(same > 0)
})
