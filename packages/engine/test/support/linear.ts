import assert from 'node:assert/strict'

/** Ten times the input may take this many times as long: linear work takes about 10, quadratic work 100. */
const MOST = 35

/**
 * Asserts that work grows about as its input does. It compares the work with itself, in CPU time of this process, so
 * that neither a slow machine nor a busy one decides.
 *
 * @param prepare makes the work for an input of this size
 * @param size of the smaller input; the larger one is ten times as large
 */
export function assertLinear(prepare: (size: number) => () => unknown, size: number): void {
  const [small, large] = [prepare(size), prepare(size * 10)]
  // The first rounds are the compiler's.
  for (let round = 0; round < 3; round++) small()
  const once = cpuTime(() => {
    for (let round = 0; round < 10; round++) small()
  })
  const ratio = Math.min(cpuTime(large), cpuTime(large)) / Math.max(once / 10, 100)
  assert.ok(ratio < MOST, `ten times the input took ${ratio.toFixed(1)} times as long`)
}

/** In µs. */
function cpuTime(work: () => unknown): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return user + system
}
