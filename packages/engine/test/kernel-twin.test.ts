import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Encoding } from '../src/schema/program.ts'
import { disagreement, type Way } from './support/compare.ts'
import { hostileCase } from './support/generate-hostile.ts'
import { Random } from './support/random.ts'

const ENCODINGS: Encoding[] = ['pg-binary', 'pg-text', 'sqlite-page']
const SEEDS = Number(process.env.SLUICE_TEST_SEEDS ?? 150)
const FIRST_SEED = Number(process.env.SLUICE_TEST_FIRST_SEED ?? 1)

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

describe('kernel and twin', () => {
  for (const encoding of ENCODINGS) {
    test(`agree on ${SEEDS} hostile sources, ${encoding}`, () => {
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        const given = hostileCase(seed, encoding === 'sqlite-page' ? 'sqlite' : 'pg')
        for (const way of ways(seed)) {
          // Byte by byte a huge source takes long and shows no more than a small one.
          if (way.pieces[0]! < 64 && given.bytes.length > 20_000) continue
          const difference = disagreement(given, encoding, way)
          assert.equal(difference, undefined, `seed ${seed}: ${difference}`)
        }
      }
    })
  }
})
