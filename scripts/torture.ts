/**
 * `npm run torture`: the long forms of the tests that do harm to loads, on real servers: a million rows, each N of the
 * sweeps, 200 kills. Every random choice comes from one seed, which is printed; `SLUICE_TORTURE_SEED` repeats a run. Words
 * after `--` choose files by their path. A table at the end tells what was done.
 */
import { randomInt } from 'node:crypto'

const FILES = [
  ...['kill', 'hygiene', 'faults', 'nth-message', 'crash', 'pgbouncer', 'limits', 'parallel'],
  ...['chaos', 'interrupt', 'resume', 'replay', 'atomic', 'isolate', 'commit', 'http-hostile', 'dedupe', 'conflict'],
]

process.env.SLUICE_TORTURE = '1'
process.env.SLUICE_TORTURE_SEED ??= String(randomInt(2 ** 31))
console.log(`SLUICE_TORTURE_SEED=${process.env.SLUICE_TORTURE_SEED}`)
if (process.argv.length === 2) process.argv.push(...FILES)
process.argv.push('--reporter', './scripts/torture-summary.ts')
await import('./test.ts')
