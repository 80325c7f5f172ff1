/**
 * Builds the page into `packages/sluice/page`, from where `sluice serve` gives it out and `npm pack` takes it. Runs as `prepare`, after
 * every `npm ci` and `npm install`, in about two seconds; it does nothing while the page is newer than everything it is made from.
 * `--force` builds anyway.
 */
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const folder = import.meta.dirname
const page = join(folder, '../sluice/page')
const { values: flags } = parseArgs({ options: { force: { type: 'boolean', default: false } } })

const sources = readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' }).map((name) => `src/${name}`)
// The lock file stands for the versions of what is built in: files that npm unpacks carry no time of their own.
const parts = [...sources, 'index.html', 'build.ts', '../../package-lock.json'].map((name) => join(folder, name))

if (flags.force || modified(join(page, 'index.html')) <= Math.max(...parts.map(modified))) await build()
else console.log('page: it is up to date')

async function build(): Promise<void> {
  const tools = await builders()
  if (!tools) return
  const [{ build: bundle }, { default: react }] = tools
  const start = performance.now()
  await bundle({
    configFile: false,
    root: folder,
    logLevel: 'warn',
    plugins: [react()],
    build: {
      outDir: page,
      emptyOutDir: true,
      target: 'es2023',
      // The policy of the page takes nothing that is written into it.
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      license: { fileName: 'assets/licenses.md' },
    },
  })
  console.log(`page: built in ${((performance.now() - start) / 1000).toFixed(1)} s`)
}

/** Vite and its plugin; undefined, with a line that says so, where development dependencies are left out. */
async function builders() {
  try {
    return await Promise.all([import('vite'), import('@vitejs/plugin-react')])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    console.error(
      'page: not built, because Vite is a development dependency and those were omitted: `sluice serve` then has no page at /',
    )
    return undefined
  }
}

/** Modification time in milliseconds; 0 for what does not exist. */
function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}
