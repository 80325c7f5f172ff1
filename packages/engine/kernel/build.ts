/**
 * Compiles the kernel, `index.ts` beside this file, to `kernel.wasm`. Runs as `prepare`, after every `npm ci` and
 * `npm install`; it does nothing while `kernel.wasm` is newer than everything it is made from. `--force` compiles anyway.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/**
 * `stub`: a runtime without a garbage collector, since the kernel allocates nothing. `importMemory`: the host owns the
 * memory and lays it out. `noAssert`: no bounds check per byte; that the kernel stays in its buffers is what tests show.
 */
const OPTIONS = [
  '--enable',
  'simd',
  '--enable',
  'bulk-memory',
  '-O3',
  '--noAssert',
  '--runtime',
  'stub',
  '--importMemory',
]

const folder = import.meta.dirname
const wasm = join(folder, 'kernel.wasm')
const { values: flags } = parseArgs({ options: { force: { type: 'boolean', default: false } } })

const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(folder, name))
// The lock file stands for the compiler's version: files that npm unpacks carry no time of their own.
const newest = Math.max(...[...sources, join(folder, '../../../package-lock.json')].map(modified))

if (flags.force || modified(wasm) <= newest) await compile()
else console.log('kernel: kernel.wasm is up to date')

async function compile(): Promise<void> {
  const asc = await compiler()
  if (!asc) return
  const start = performance.now()
  const { error } = await asc.main([join(folder, 'index.ts'), '--outFile', wasm, ...OPTIONS])
  if (error) {
    console.error(`kernel: not compiled: ${error.message}`)
    process.exitCode = 1
    return
  }
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  console.log(`kernel: compiled kernel.wasm, ${statSync(wasm).size.toLocaleString('en')} bytes, in ${seconds} s`)
}

/** The AssemblyScript compiler; undefined, with a line that says so, where development dependencies are left out. */
async function compiler() {
  try {
    return await import('assemblyscript/asc')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    // Without this, `npm ci --omit=dev` could never succeed, not even where kernel.wasm is copied in from another stage.
    console.error(
      'kernel: not compiled, because AssemblyScript is a development dependency and those were omitted: ' +
        'run `npm ci` without --omit=dev, or bring packages/engine/kernel/kernel.wasm from a checkout that has it',
    )
    return undefined
  }
}

/** Modification time in milliseconds; 0 for what does not exist. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
