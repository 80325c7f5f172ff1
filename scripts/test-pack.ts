/**
 * `npm run test:pack`: what a user gets from the registry works. Packs each package, installs the tarballs in an empty
 * folder, loads a file through the library and through the command line, and type-checks a consumer.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
const PACKAGES = ['engine', 'sluice']
const RECORDS = 1_000

const temp = mkdtempSync(join(tmpdir(), 'sluice-pack-'))
try {
  const tarballs = pack(join(temp, 'repository'))
  engineAlone(join(temp, 'alone'), tarballs[0]!)
  const app = join(temp, 'app')
  install(app, tarballs)
  loadThroughLibrary(app)
  loadThroughCommandLine(app)
  await serves(app)
  checkTypes(app)
  console.log('packed, installed, loaded, served and type-checked')
} finally {
  rmSync(temp, { recursive: true, force: true })
}

/** Packs a copy of the packages, because packing rewrites package.json while it works. Returns the tarballs' paths. */
function pack(copy: string): string[] {
  const left = new Set(['node_modules', 'dist', 'test', '.tmp'])
  cpSync(join(ROOT, 'packages'), join(copy, 'packages'), {
    recursive: true,
    filter: (path) => !left.has(basename(path)),
  })
  for (const name of ['package.json', 'tsconfig.json', 'LICENSE', 'scripts']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return PACKAGES.map((name) => {
    const folder = join(copy, 'packages', name)
    const [packed] = JSON.parse(run(folder, 'npm', 'pack', '--json', '--pack-destination', temp)) as [
      { filename: string; files: { path: string }[] },
    ]
    const paths = packed.files.map((file) => file.path)
    console.log(`${packed.filename}: ${paths.length} files`)
    const foreign = paths.filter((path) => /(^|\/)(test|src)\/|(?<!\.d)\.ts$/.test(path))
    assert.deepEqual(foreign, [], 'sources and tests are not published')
    assert.ok(paths.includes('LICENSE'))
    if (name === 'sluice') assert.ok(paths.includes('page/index.html'), 'the page is published')
    if (name === 'engine') assert.ok(paths.includes('kernel/kernel.wasm'), 'the kernel is published')
    return join(temp, packed.filename)
  })
}

/** Who embeds the engine installs no server. */
function engineAlone(folder: string, tarball: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  run(folder, 'npm', 'install', '--no-audit', '--no-fund', tarball)
  const names = readdirSync(join(folder, 'node_modules'))
  assert.deepEqual(
    names.filter((name) => ['fastify', 'bullmq', 'ioredis', 'socket.io', '@aws-sdk', '@tus', 'node'].includes(name)),
    [],
  )
  console.log(`the engine alone: ${names.length} packages and scopes`)
}

function install(app: string, tarballs: string[]): void {
  mkdirSync(app)
  const manifest = { private: true, type: 'module', allowScripts: { node: true } }
  writeFileSync(join(app, 'package.json'), JSON.stringify(manifest))
  const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const types = `@types/node@${devDependencies['@types/node']}`
  run(app, 'npm', 'install', '--no-audit', '--no-fund', ...tarballs, types)
  const rows = Array.from({ length: RECORDS }, (_, row) => `${row + 1},name ${row + 1},2024-02-29\n`)
  writeFileSync(join(app, 'people.csv'), `id,name,born\n${rows.join('')}x,no number,2024-02-30\n`)
  const fields = [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
    { name: 'born', type: 'date' },
  ]
  writeFileSync(join(app, 'people.schema.json'), JSON.stringify({ fields, primaryKey: 'id' }))
}

function loadThroughLibrary(app: string): void {
  writeFileSync(
    join(app, 'load.js'),
    `import { load } from '@sluice/engine'
    import schema from './people.schema.json' with { type: 'json' }
    console.log(JSON.stringify(await load({ source: 'people.csv', to: 'sqlite:library.db', schema })))`,
  )
  // The sluice package brings the Node that it needs; `npx node` is that one, whatever the machine has.
  assertReceipt(run(app, 'npx', '--no-install', 'node', 'load.js'))
}

function loadThroughCommandLine(app: string): void {
  const options = ['--schema', 'people.schema.json', '--to', 'sqlite:command-line.db', '--json', '--quiet']
  assertReceipt(run(app, 'npx', '--no-install', 'sluice', 'load', 'people.csv', ...options))
}

/** What the server needs is imported only when it starts. */
async function serves(app: string): Promise<void> {
  const launcher = join(app, 'node_modules/sluice/bin/sluice.js')
  const child = spawn(process.execPath, [launcher, 'serve', '--port', '0'], {
    cwd: app,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    let printed = ''
    for await (const text of child.stderr) {
      printed += text
      const url = /listening \w+ (\S+)/.exec(printed)?.[1]
      if (url === undefined) continue
      assert.equal((await fetch(`${url}/health`)).status, 200)
      return
    }
    assert.fail(`sluice serve ended:\n${printed}`)
  } finally {
    child.kill()
  }
}

function assertReceipt(json: string): void {
  const { recordsRead, inserted, rejected } = JSON.parse(json)
  assert.deepEqual({ recordsRead, inserted, rejected }, { recordsRead: RECORDS + 1, inserted: RECORDS, rejected: 1 })
}

function checkTypes(app: string): void {
  writeFileSync(
    join(app, 'consumer.ts'),
    `import { load, type Receipt } from '@sluice/engine'
    export const receipt: Receipt = await load({ source: 'people.csv', to: 'sqlite:people.db', table: 'people' })
    // @ts-expect-error: were the types lost, everything would be allowed
    export const wrong: string = receipt.inserted\n`,
  )
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2024', '--types', 'node']
  run(app, join(ROOT, 'node_modules/.bin/tsc'), ...options, 'consumer.ts')
}

/** Runs a program and returns its standard output; what it says on standard error is shown, and on failure everything. */
function run(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, error } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}:\n${stdout}`, { cause: error })
  return stdout
}
