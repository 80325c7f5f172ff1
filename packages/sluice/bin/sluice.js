#!/usr/bin/env node
// Plain JavaScript that an old Node can read: it finds a Node that can run the rest.
import { existsSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = 24
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP']
/**
 * Rows make no objects, so a large nursery is only memory: two direct uploads of 200 MB took 212 MB with V8's default of 16 MB, and 180 MB
 * with this; a load of the same file took 133 MB and 122 MB. And V8 lets a heap grow to several times what is alive in it: 5,000,000
 * records with 50,000 rejects took 134 MB into SQLite without the second flag and 122 to 124 MB with it, beside a filter of 131 MB 266 MB
 * and 251 MB, for 2 to 5 % more CPU. V8 heeds both only at the start of the process.
 */
const HEAP = ['--max-semi-space-size=2', '--heap-growing-percent=30']
/**
 * glibc gives each thread an area of its own to take memory from, and what is free in one is of no use to another. And behind the first
 * large piece that is freed it keeps such pieces for itself: records of 15 MB took 30 MB more into SQLite.
 */
const MEMORY = { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '4194304' }

if (Number.parseInt(process.versions.node, 10) < NEEDED) await startAgain(bundledNode())
else if (!replaceProcess()) await run()

async function run() {
  endWithLauncher()
  // With nothing left to do: V8 would give back its heap page by page, which the system does at once. 20 ms.
  process.once('beforeExit', () => process.exit())
  hideKnownWarnings()
  // Node strips types everywhere but under node_modules. In a checkout what was compiled may be older than the source.
  const installed = import.meta.url.includes('/node_modules/')
  if (!installed) keepStrippedSources()
  await import(new URL(installed ? '../dist/cli/main.js' : '../src/cli/main.ts', import.meta.url))
}

/**
 * Stripping the types of our sources takes a compiler of 33 MB into the process and into its thread. Node keeps what it made
 * of a file, for as long as the file does not change.
 */
function keepStrippedSources() {
  const folder = fileURLToPath(new URL('../../../node_modules/.cache/sluice', import.meta.url))
  module.enableCompileCache(folder)
  // For threads, which do not inherit it.
  process.env.NODE_COMPILE_CACHE ??= folder
}

/** Becomes the same program with its settings of memory, as the same process; false where it is that already, or it cannot be done. */
function replaceProcess() {
  const isSet = [...process.execArgv, process.env.NODE_OPTIONS].some((one) => one?.includes('--max-semi-space-size'))
  // Windows has no such call; and a channel to who started this process would be lost.
  if (isSet || process.channel || process.execve === undefined || process.platform === 'win32') return false
  const file = fileURLToPath(import.meta.url)
  const args = [process.execPath, ...process.execArgv, ...HEAP, file, ...process.argv.slice(2)]
  process.execve(process.execPath, args, { ...MEMORY, ...process.env })
  return true
}

/** The Node that the npm package `node`, a dependency of sluice, put on this machine. */
function bundledNode() {
  const file = process.platform === 'win32' ? 'node.exe' : 'node'
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve('node/package.json')), 'bin', file)
    if (existsSync(path)) return path
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error
  }
  console.error(
    `sluice: Node ${NEEDED} is needed, this is ${process.version}, and the Node that comes with sluice is not installed; ` +
      `run "npm rebuild node" (npm's --ignore-scripts leaves it out) or install Node ${NEEDED}`,
  )
  process.exit(1)
}

/**
 * Runs this file with another Node and ends as it ends. Signals are passed on because whoever sends one knows this
 * process only. A terminal sends Ctrl-C to both, so the child then gets it twice at nearly the same time, as it also
 * does under npx and timeout(1); the command line takes such a pair as one (src/cli/interrupt.ts). The channel tells
 * the child when this process is gone.
 */
async function startAgain(node) {
  const { spawn } = await import('node:child_process')
  const child = spawn(node, [...process.execArgv, ...HEAP, fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...MEMORY, ...process.env, SLUICE_LAUNCHER: String(process.pid) },
  })
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`sluice: cannot start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code)
    for (const name of SIGNALS) process.removeAllListeners(name)
    process.kill(process.pid, signal)
    // Only reached where the signal does not end this process, such as SIGQUIT when it is ignored.
    process.exitCode = 128 + constants.signals[signal]
  })
}

/** A load must not go on unseen when its launcher was killed: the next run of the same command would meet it. */
function endWithLauncher() {
  if (!process.channel || process.env.SLUICE_LAUNCHER !== String(process.ppid)) return
  process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'))
  process.channel.unref()
}

/** Early releases of Node 24 call node:sqlite and type stripping experimental, on every start. */
function hideKnownWarnings() {
  const emitWarning = process.emitWarning
  process.emitWarning = (warning, ...rest) => {
    if (rest[0] === 'ExperimentalWarning' && /^(SQLite|Type Stripping) /.test(String(warning))) return
    emitWarning.call(process, warning, ...rest)
  }
}
