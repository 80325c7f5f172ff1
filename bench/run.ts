/**
 * `npm run bench`: sluice and its peers load the same file in turn, several times. A ratio is the median of those within each turn:
 * where a machine is now faster and now slower, that strikes all of a turn.
 * Options: --rows N (1,000,000), --runs N (3), --only NAME (repeatable; see comparisons.ts).
 */
import { arch, cpus, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { COMPARISONS, type Comparison } from './comparisons.ts'
import { type Measurement, measure } from './measure.ts'
import { startPostgres } from './postgres.ts'
import type { Subject } from './subject.ts'
import { formatTable } from './table.ts'

/** One run of a subject. */
interface Run extends Measurement {
  /** CPU time of the database's server during the run. */
  serverSeconds: number | null
}

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '3' },
    only: { type: 'string', multiple: true, default: Object.keys(COMPARISONS) },
  },
})
const unknown = flags.only.filter((name) => !(name in COMPARISONS))
if (unknown.length > 0) {
  console.error(`--only ${unknown.join()}: there are ${Object.keys(COMPARISONS).join(', ')}`)
  process.exit(2)
}

const server = await startPostgres()
try {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, ${memory}, ${arch()}; Node ${process.version}; ${server.version}`,
  )
  console.log(`${Number(flags.rows).toLocaleString('en')} records, median of ${flags.runs} runs (least–most)`)
  for (const name of flags.only) report(await compare(await COMPARISONS[name]!(Number(flags.rows), server)))
} finally {
  await server.stop()
}

interface Result {
  comparison: Comparison
  runs: Map<Subject, Run[]>
  /** Subjects that cannot be had, with the reason. */
  missing: string[]
}

async function compare(comparison: Comparison): Promise<Result> {
  const runs = new Map<Subject, Run[]>()
  const missing: string[] = []
  for (const make of comparison.subjects) {
    try {
      runs.set(make(), [])
    } catch (error) {
      missing.push((error as Error).message)
    }
  }
  const order = [...runs]
  for (let turn = 0; turn < Number(flags.runs); turn++) {
    for (const [subject, done] of order) done.push(await run(subject, comparison))
    // Each comes after another one than before, so that what one leaves behind does not always strike the same.
    order.push(order.shift()!)
  }
  return { comparison, runs, missing }
}

async function run(subject: Subject, { target, sample }: Comparison): Promise<Run> {
  await target?.reset()
  const before = target?.cpuSeconds?.() ?? 0
  const measurement = await measure(subject.command)
  const serverSeconds = target?.cpuSeconds ? target.cpuSeconds() - before : null
  const expected = sample.records - sample.bad
  const count = (await target?.count()) ?? expected
  if (count !== expected && !subject.inexact) {
    throw new Error(`${subject.name} loaded ${count} records where ${expected} are sound`)
  }
  return { ...measurement, serverSeconds, seconds: subject.seconds?.(measurement.stdout) ?? measurement.seconds }
}

function report({ comparison, runs, missing }: Result): void {
  const { sample, floors } = comparison
  const [ours] = [...runs.values()]
  const rows = [...runs].map(([subject, done]) => {
    const seconds = done.map((one) => one.seconds)
    const middle = median(seconds)
    const ratio = median(seconds.map((value, turn) => value / ours![turn]!.seconds))
    const floor = floors[subject.name]
    return [
      subject.name,
      `${ratio.toFixed(2)} ×`,
      floor === undefined ? '' : `≥ ${floor} × ${ratio >= floor ? 'held' : 'MISSED'}`,
      `${middle.toFixed(2)} (${Math.min(...seconds).toFixed(2)}–${Math.max(...seconds).toFixed(2)})`,
      Math.round(sample.records / middle).toLocaleString('en'),
      (sample.bytes / 1e6 / middle).toFixed(0),
      median(done.map((one) => one.cpuSeconds)).toFixed(2),
      done[0]?.serverSeconds === null ? '–' : median(done.map((one) => one.serverSeconds ?? 0)).toFixed(2),
      (median(done.map((one) => one.peakRss)) / 1e6).toFixed(0),
    ]
  })
  console.log(`\n${comparison.title} (${(sample.bytes / 1e6).toFixed(0)} MB)`)
  const heads = ['', 'ours is', 'floor', 'seconds', 'records/s', 'MB/s', 'CPU s', 'server CPU s', 'peak RSS MB']
  console.log(formatTable([heads, ...rows]))
  for (const reason of missing) console.log(`not measured: ${reason}`)
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
