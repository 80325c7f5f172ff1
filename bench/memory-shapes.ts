/**
 * `npm run bench:shapes`: files of unusual shape under the memory limits of `npm run bench:memory`: one line of 500 MB, lines as long as
 * a record may be, and 5,000 columns. Each must be loaded, or refused with a message; nothing may be ended for want of memory.
 * Options: --to postgres|sqlite (both), --only NAME (see SHAPES).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { createGroup } from './memory-group.ts'
import { startPostgres } from './postgres.ts'
import { SLUICE, WORK } from './sample.ts'
import { newSqliteTarget, postgresTarget } from './targets.ts'
import { expect, MB, show, watch } from './watch.ts'

/** A file, how it is loaded, and what must come of it. */
interface Shape {
  file: string
  write: (put: (text: string | Buffer) => void) => void
  flags?: string[]
  /** Records inserted and rejected, or what the message of a refusal says. */
  expected: { inserted: number; rejected: number } | RegExp
}

const PIECE = Buffer.alloc(MB, 'x')
const ROWS = 1_000
const rows = () => Array.from({ length: ROWS }, (_, i) => `${i},name ${i}\n`).join('')
const objects = () => Array.from({ length: ROWS }, (_, i) => `{"id":${i},"name":"name ${i}"}\n`).join('')
const columns = Array.from({ length: 5_000 }, (_, i) => `c${i}`)

/** A line of 500 MB between others. */
const endless =
  (before: string, behind: string, some = rows, header = 'id,name\n'): Shape['write'] =>
  (put) => {
    put(header + some() + before)
    for (let i = 0; i < 500; i++) put(PIECE)
    put(behind + some())
  }
const oneRejected = { inserted: 2 * ROWS, rejected: 1 }

const longest: Shape = {
  file: 'longest-records.csv',
  write(put) {
    put(`id,name\n${rows()}`)
    for (let line = 0; line < 20; line++) {
      put('1,')
      for (let i = 0; i < 15; i++) put(PIECE)
      put('\n')
    }
  },
  expected: { inserted: ROWS + 20, rejected: 0 },
}

const wide: Pick<Shape, 'file' | 'write'> = {
  file: 'wide.csv',
  write(put) {
    put(`${columns.join()}\n`)
    for (let i = 0; i < 2 * ROWS; i++) put(`${columns.map((_, at) => i + at).join()}\n`)
  },
}
const NARROW = join(WORK, 'narrow.schema.json')

const SHAPES: Record<string, Shape> = {
  'one line of 500 MB': { file: 'line.csv', write: endless('1,', '\n'), expected: oneRejected },
  'one quoted line of 500 MB': { file: 'quoted-line.csv', write: endless('1,"', '"\n'), expected: oneRejected },
  'one line of 500 MB, NDJSON': {
    file: 'line.ndjson',
    write: endless('{"id":1,"name":"', '"}\n', objects, ''),
    expected: oneRejected,
  },
  'one line of 500 MB that may be so long': {
    file: 'line.csv',
    write: endless('1,', '\n'),
    flags: ['--max-record-bytes', '600MB'],
    expected: /--max-record-bytes/,
  },
  'records of 15 MB': longest,
  '5,000 columns': { ...wide, expected: /columns and may have/ },
  '5,000 columns, three of them wanted': {
    ...wide,
    flags: ['--schema', NARROW, '--unknown-columns', 'ignore'],
    expected: { inserted: 2 * ROWS, rejected: 0 },
  },
}

const { values: flags } = parseArgs({
  options: {
    to: { type: 'string', multiple: true, default: ['postgres', 'sqlite'] },
    only: { type: 'string', multiple: true, default: Object.keys(SHAPES) },
  },
})

mkdirSync(WORK, { recursive: true })
writeFileSync(NARROW, JSON.stringify({ fields: columns.slice(0, 3).map((name) => ({ name, type: 'integer' })) }))
if (flags.to.includes('sqlite')) {
  const target = newSqliteTarget(join(WORK, 'shapes.db'))
  for (const name of flags.only) await judge(`SQLite, ${name}`, SHAPES[name]!, target, 256)
}
if (flags.to.includes('postgres')) {
  const server = await startPostgres()
  try {
    for (const name of flags.only) await judge(`PostgreSQL, ${name}`, SHAPES[name]!, postgresTarget(server, ''), 512)
  } finally {
    await server.stop()
  }
}

/** Loads the file of a shape into a new table, in a group of `limit` MB. */
async function judge(
  title: string,
  shape: Shape,
  target: { url: string; reset: () => Promise<void> },
  limit: number,
): Promise<void> {
  await target.reset()
  const path = fileOf(shape)
  const group = createGroup(limit * MB)
  try {
    const args = ['load', path, '--to', target.url, '--table', 'shape', ...(shape.flags ?? []), '--json', '--quiet']
    const child = spawn('sh', ['-c', `${group.enter} && exec "$0" "$@"`, process.execPath, SLUICE, ...args])
    const watched = watch(child.pid!)
    const [stdout, stderr, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ])
    watched.stop()
    console.log(`\n${title}: limit ${limit} MB, peak RSS (VmHWM) ${show(watched.peak())}; group: ${group.report()}`)
    const { expected } = shape
    if (expected instanceof RegExp) {
      console.log(stderr.trim().slice(0, 300))
      expect('it is refused with a message', code === 2 && expected.test(stderr))
    } else {
      expect(`it is loaded (exit ${code ?? signal})`, code === 0)
      if (code !== 0) return
      const { inserted, rejected } = JSON.parse(stdout) as { inserted: number; rejected: number }
      expect(`${expected.inserted} rows are in, ${expected.rejected} rejected`, inserted === expected.inserted)
      expect('and no more rejects', rejected === expected.rejected)
    }
    expect(`the peak is below ${limit} MB`, watched.peak() < limit * MB)
  } finally {
    group.remove()
  }
}

function fileOf({ file, write }: Shape): string {
  const path = join(WORK, file)
  if (!existsSync(path)) {
    const unfinished = openSync(`${path}.part`, 'w')
    write((piece) => writeSync(unfinished, piece as string))
    closeSync(unfinished)
    renameSync(`${path}.part`, path)
  }
  return path
}
