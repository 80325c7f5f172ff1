/**
 * `prepack` and `postpack` of a package, run in its folder. In the repository a package's entries are TypeScript, which
 * Node does not run under node_modules; so what is published is compiled to dist/, and for the time of `npm pack` its
 * package.json names those files: `./src/a.ts` becomes `./dist/a.js`. `--restore` puts package.json back.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'

const ROOT = `${import.meta.dirname}/..`
const KEPT = '.tmp/package.json'

type Manifest = Record<string, unknown> & { dependencies?: Record<string, string> }

// Also before packing: an earlier `npm pack` may have been killed between the two.
restore()
if (!process.argv.includes('--restore')) prepare()

function prepare(): void {
  const manifest: Manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  // The declarations of sluice refer to those of the engine.
  if (manifest.dependencies?.['@sluice/engine']) compile('../engine')
  compile('.')
  // What it says is for people; on standard output npm has its JSON.
  if (manifest['name'] === 'sluice') execFileSync('node', ['../web/build.ts'], { stdio: ['ignore', 2, 2] })
  mkdirSync('.tmp', { recursive: true })
  copyFileSync('package.json', KEPT)
  copyFileSync(`${ROOT}/LICENSE`, 'LICENSE')
  for (const field of ['exports', 'imports', 'bin']) {
    if (manifest[field]) manifest[field] = toCompiled(manifest[field], field === 'exports')
  }
  writeFileSync('package.json', `${JSON.stringify(manifest, null, 2)}\n`)
}

function restore(): void {
  // What was compiled would soon be older than its source.
  for (const folder of ['.', '../engine']) rmSync(`${folder}/dist`, { recursive: true, force: true })
  if (!existsSync(KEPT)) return
  renameSync(KEPT, 'package.json')
  rmSync('LICENSE', { force: true })
}

function compile(folder: string): void {
  execFileSync('tsc', ['-p', `${folder}/tsconfig.build.json`], { stdio: 'inherit' })
}

/** An entry, or a tree of entries, with every TypeScript file replaced by what was compiled from it. */
function toCompiled(entry: unknown, withTypes: boolean): unknown {
  if (typeof entry === 'string') {
    const [, name] = /^(?:\.\/)?src\/(.*)\.ts$/.exec(entry) ?? []
    if (!name) return entry
    return withTypes ? { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` } : `./dist/${name}.js`
  }
  return Object.fromEntries(Object.entries(entry as object).map(([key, value]) => [key, toCompiled(value, withTypes)]))
}
