import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Encoding, Program } from '../src/schema/program.ts'
import { firstDifference, minimise } from './support/compare.ts'
import { type HostileCase, hostileCase } from './support/generate-hostile.ts'
import { Random } from './support/random.ts'
import { type RunOptions, runKernel } from './support/run-kernel.ts'
import { twin } from './twin/twin.ts'

type Way = Pick<RunOptions, 'pieces' | 'limits' | 'closeEarly'>

/** The difference between kernel and twin; what the kernel throws is one too. */
function differ(given: HostileCase, encoding: Encoding, way: Way): string | undefined {
  const options = { ...given, encoding }
  const expected = twin(given.bytes, options)
  try {
    return firstDifference(expected, runKernel(given.bytes, { ...options, ...way }))
  } catch (error) {
    return `kernel threw ${(error as Error).stack}`
  }
}

/** Fails with the smallest case that shows the difference. */
function assertAgree(given: HostileCase, encoding: Encoding, way: Way, name: string): void {
  if (differ(given, encoding, way) === undefined) return
  const fewer = (program: Program): HostileCase => ({ ...given, program })
  const fails = (bytes: Uint8Array): boolean => differ({ ...least, bytes }, encoding, way) !== undefined
  let least = given
  least = { ...least, bytes: minimise(least.bytes, fails) }
  for (const column of given.program.columns) {
    const columns = least.program.columns.filter((other) => other !== column)
    const program = { ...least.program, columns }
    if (columns.length > 0 && differ({ ...fewer(program), bytes: least.bytes }, encoding, way)) {
      least = { ...least, program }
    }
  }
  least = { ...least, bytes: minimise(least.bytes, fails) }
  assert.fail(
    [
      `${name}, ${encoding}, pieces of ${way.pieces}`,
      JSON.stringify(Buffer.from(least.bytes).toString('latin1')).slice(0, 1000),
      JSON.stringify({ ...least, bytes: undefined }),
      differ(least, encoding, way),
    ].join('\n'),
  )
}

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
          assertAgree(given, encoding, way, `seed ${seed}`)
        }
      }
    })
  }
})
