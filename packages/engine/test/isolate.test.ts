import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isolate, type Refusal } from '../src/write/isolate.ts'

/** A database that refuses some rows, and names one of them as `name` has it. Counts what it was asked. */
function database(guilty: Set<number>, name: (guiltyHere: number[], from: number, to: number) => number | undefined) {
  const loaded: number[] = []
  const counter = { attempts: 0, rowsSent: 0 }
  const attempt = async (from: number, to: number): Promise<Refusal | undefined> => {
    counter.attempts++
    counter.rowsSent += to - from
    const here = [...guilty].filter((rank) => rank >= from && rank < to).sort((a, b) => a - b)
    if (here.length > 0) return { code: 'database-error', message: '', column: null, row: name(here, from, to) }
    for (let rank = from; rank < to; rank++) loaded.push(rank)
    return undefined
  }
  return { attempt, loaded, counter }
}

const NAMES = {
  first: (here: number[]) => here[0],
  last: (here: number[]) => here.at(-1),
  none: () => undefined,
  innocent: (_here: number[], _from: number, to: number) => to - 1,
  'out of range': (_here: number[], _from: number, to: number) => to,
}

for (const [naming, name] of Object.entries(NAMES)) {
  test(`finds exactly the guilty rows, the rest loads once and in order, when the database names ${naming}`, async () => {
    const rowsAndGuilty = fc
      .integer({ min: 0, max: 300 })
      .chain((rows) =>
        fc.tuple(
          fc.constant(rows),
          fc.uniqueArray(fc.integer({ min: 0, max: Math.max(0, rows - 1) }), { maxLength: rows }),
        ),
      )
    await fc.assert(
      fc.asyncProperty(rowsAndGuilty, async ([rows, list]) => {
        const guilty = new Set(list)
        const { attempt, loaded, counter } = database(guilty, name)
        const found = await isolate(rows, attempt)
        const all = Array.from({ length: rows }, (_, rank) => rank)
        assert.deepEqual(
          found.map(({ rank }) => rank),
          all.filter((rank) => guilty.has(rank)),
        )
        assert.deepEqual(
          loaded,
          all.filter((rank) => !guilty.has(rank)),
        )
        const bound = 2 + 4 * guilty.size * Math.ceil(Math.log2(Math.max(2, rows)))
        assert.ok(counter.attempts <= bound, `${counter.attempts} attempts for ${guilty.size} of ${rows}`)
      }),
      { numRuns: 200 },
    )
  })
}

test('of two rows that exclude each other the earlier one is loaded', async () => {
  const loaded = new Set<number>()
  // Ranks 3 and 900 have the same key.
  const found = await isolate(1_000, async (from, to) => {
    const conflict = (from <= 3 || loaded.has(3)) && from <= 900 && to > 900
    if (conflict) return { code: 'unique-error', message: '', column: null }
    for (let rank = from; rank < to; rank++) loaded.add(rank)
    return undefined
  })
  assert.deepEqual(
    found.map(({ rank }) => rank),
    [900],
  )
})

test('a row that is guilty only beside a guilty one is loaded', async () => {
  // Rank 7 has the key of rank 2, which is refused for another reason. The database names rank 7 first.
  const loaded = new Set<number>()
  const found = await isolate(10, async (from, to) => {
    const has = (rank: number) => from <= rank && rank < to
    if (has(7) && (has(2) || loaded.has(2))) return { code: 'unique-error', message: '', column: null, row: 7 }
    if (has(2)) return { code: 'constraint-error', message: '', column: null }
    for (let rank = from; rank < to; rank++) loaded.add(rank)
    return undefined
  })
  assert.deepEqual(
    found.map(({ rank }) => rank),
    [2],
  )
  assert.equal(loaded.size, 9)
})

test('one guilty row of 50,000 takes four attempts when named, thousands do not send everything again each time', async () => {
  const one = database(new Set([25_000]), NAMES.first)
  await isolate(50_000, one.attempt)
  assert.equal(one.counter.attempts, 4)

  const many = database(new Set(Array.from({ length: 5_000 }, (_, i) => i * 10)), NAMES.first)
  await isolate(50_000, many.attempt)
  assert.ok(many.counter.attempts <= 5_000 * 5, String(many.counter.attempts))
  assert.ok(many.counter.rowsSent <= 50_000 * 8, String(many.counter.rowsSent))
})

test('an error that is not a refusal ends it', async () => {
  await assert.rejects(
    isolate(10, async () => {
      throw new Error('the server is gone')
    }),
    /server is gone/,
  )
})

test('where rows may refer to rows behind them, just those are guilty that hang on a guilty one', async () => {
  // A parent has a smaller number in a random order, so that there are no rings; -1 is a row that is nowhere.
  const forest = fc.integer({ min: 1, max: 80 }).chain((rows) =>
    fc.tuple(
      fc.shuffledSubarray(
        Array.from({ length: rows }, (_, rank) => rank),
        { minLength: rows },
      ),
      fc.array(fc.nat(), { minLength: rows, maxLength: rows }),
      fc.uniqueArray(fc.nat(rows - 1), { maxLength: 4 }),
      fc.uniqueArray(fc.nat(rows - 1), { maxLength: 4 }),
      fc.boolean(),
    ),
  )
  await fc.assert(
    fc.asyncProperty(forest, async ([order, picks, orphans, bad, names]) => {
      const parents = new Map<number, number | undefined>()
      for (const [place, rank] of order.entries()) {
        const pick = picks[place]! % (place + 1)
        parents.set(rank, orphans.includes(rank) ? -1 : pick === place ? undefined : order[pick]!)
      }
      const isGood = (rank: number): boolean => {
        const parent = parents.get(rank)
        return !bad.includes(rank) && (parent === undefined || (parent !== -1 && isGood(parent)))
      }
      const loaded = new Set<number>()
      let attempts = 0
      const found = await isolate(order.length, async (from, to) => {
        attempts++
        const here = Array.from({ length: to - from }, (_, i) => from + i)
        const row = here.find((rank) => bad.includes(rank))
        if (row !== undefined) return { code: 'constraint-error', message: 'bad', column: null, ...(names && { row }) }
        const all = new Set([...loaded, ...here])
        const waits = here.some((rank) => parents.get(rank) !== undefined && !all.has(parents.get(rank)!))
        if (waits) return { code: 'constraint-error', message: 'waits', column: null, waits }
        for (const rank of here) {
          assert.ok(!loaded.has(rank))
          loaded.add(rank)
        }
        return undefined
      })
      const expected = order.filter((rank) => !isGood(rank)).sort((a, b) => a - b)
      assert.deepEqual(
        found.map(({ rank }) => rank),
        expected,
      )
      assert.equal(loaded.size, order.length - expected.length)
      if (expected.length === 0) assert.equal(attempts, 1)
    }),
    { numRuns: 500 },
  )
})

test('rows that are refused together are not tried one by one', async () => {
  let attempts = 0
  const found = await isolate(1_000, async (from, to) => {
    attempts++
    const guilty = Math.max(0, Math.min(to, 600) - Math.max(from, 100))
    return guilty === 0 ? undefined : { code: 'database-error', message: '', column: null, all: guilty === to - from }
  })
  assert.deepEqual(
    found.map(({ rank }) => rank),
    Array.from({ length: 500 }, (_, i) => i + 100),
  )
  assert.ok(attempts < 40, `${attempts} attempts`)
})
