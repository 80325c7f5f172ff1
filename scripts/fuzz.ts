/**
 * `npm run fuzz -- --minutes 30 --seed 1`: bytes → check and load → what must hold. Files of CSV and JSON, in several encodings and
 * compressed, are mutated; `check` on the file, `check` on a stream, the twin and `load` into SQLite must agree on every
 * record, and the process must not grow. An execution is made from its own seed alone: `--seed N --executions 1` repeats it. One that does not end
 * ends the process, with its seed.
 */
import { randomInt } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { execute } from '../packages/engine/test/fuzz/execution.ts'

/** One execution in so many loads as well: that takes some 40 ms, the rest 5. */
const LOADS = 8
/** Executions after which the process has its size, and how much it may grow from there, in bytes. */
const WARM = 1_000
const MOST_GROWTH = 256 * 1024 * 1024
/** Finds that are printed. */
const MOST_FINDS = 20
/** Seconds that one execution may take. They are counted, so that a process which stood still is not taken for one that hangs. */
const MOST_SECONDS = 60

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '1' },
    seed: { type: 'string', default: String(randomInt(2 ** 31)) },
    executions: { type: 'string', default: String(Number.MAX_SAFE_INTEGER) },
  },
})
const end = performance.now() + Number(flags.minutes) * 60_000
const [first, most] = [Number(flags.seed), Number(flags.executions)]
/** The execution at hand and its seed. A loop in the kernel leaves no turn to a timer of this thread. */
const current = new Float64Array(new SharedArrayBuffer(16))
const watchdog = new Worker(
  `const { workerData: { current, seconds } } = require('node:worker_threads')
  let [seen, waited] = [-1, 0]
  setInterval(() => {
    waited = current[0] === seen ? waited + 1 : 0
    seen = current[0]
    if (waited < seconds) return
    require('node:fs').writeSync(2, 'HANGS: seed ' + current[1] + ' did not end within ' + seconds + ' s\\n')
    process.kill(process.pid, 'SIGKILL')
  }, 1000)`,
  { eval: true, workerData: { current, seconds: MOST_SECONDS } },
)
watchdog.unref()
const folder = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'))
let [done, finds, size] = [0, 0, Number.POSITIVE_INFINITY]
console.log(`seed ${first}, ${flags.minutes} minutes`)
try {
  while (done < most && performance.now() < end && finds < MOST_FINDS) {
    const seed = (first + done) % 2 ** 32
    current.set([done, seed])
    try {
      await execute(seed, folder, seed % LOADS === 0 || most === 1)
    } catch (error) {
      finds++
      console.error(`FIND ${finds}: ${(error as Error).message}`)
    }
    done++
    const { rss } = process.memoryUsage()
    if (done === WARM) size = rss
    if (rss > size + MOST_GROWTH)
      throw new Error(`after ${done} executions the process has ${rss} bytes, and had ${size}`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
console.log(`${done} executions, ${finds} finds`)
process.exit(finds === 0 ? 0 : 1)
