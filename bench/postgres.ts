import { execFileSync } from 'node:child_process'
import { chownSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { command, version } from '../scripts/commands.ts'

/** Clock ticks of /proc, 100 a second on every Linux (USER_HZ). */
const TICKS = 100

/** A PostgreSQL server of its own with initdb's settings, which are Debian's. */
export interface Postgres {
  url: string
  version: string
  /** Runs one or more statements. */
  sql(statements: string): Promise<Record<string, unknown>[]>
  /** CPU time in seconds of the server's processes so far, those that ended included. */
  cpuSeconds(): number
  stop(): Promise<void>
}

export async function startPostgres(): Promise<Postgres> {
  const initdb = command('initdb', 'postgresql')
  const pgCtl = command('pg_ctl', 'postgresql')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-postgres-'))
  const owner = serverUser()
  if (owner) chownSync(folder, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const port = await freePort()
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { ...owner, cwd: folder, stdio: 'ignore' })

  run(initdb, '-D', data, '-U', 'sluice', '-A', 'trust', '--encoding', 'UTF8', '--locale', 'C.UTF-8')
  run(
    pgCtl,
    'start',
    '-w',
    '-D',
    data,
    '-l',
    join(folder, 'log'),
    '-o',
    `-p ${port} -k ${folder} -c listen_addresses=127.0.0.1`,
  )
  const url = `postgres://sluice@127.0.0.1:${port}/postgres`
  const client = new pg.Client(url)
  await client.connect()
  const postmaster = Number(readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n')[0])
  return {
    url,
    version: version(command('postgres', 'postgresql')),
    sql: async (statements) => [await client.query(statements)].flat().at(-1)?.rows ?? [],
    cpuSeconds: () => cpuSeconds(postmaster),
    async stop() {
      await client.end()
      run(pgCtl, 'stop', '-w', '-m', 'fast', '-D', data)
      rmSync(folder, { recursive: true })
    },
  }
}

/** PostgreSQL refuses to run as root: then as the user that Debian's package made for it. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A parent's counters take in a child's when it ends, so backends that are gone are in the postmaster's. */
function cpuSeconds(postmaster: number): number {
  let ticks = 0
  for (const path of globSync('/proc/[0-9]*/stat')) {
    const stat = readStat(path)
    if (!stat) continue
    const { pid, fields } = stat
    // proc(5): 4 ppid, 14 utime, 15 stime, 16 cutime, 17 cstime; `fields` begins with the third.
    if (pid === postmaster) ticks += fields[11]! + fields[12]! + fields[13]! + fields[14]!
    else if (fields[1] === postmaster) ticks += fields[11]! + fields[12]!
  }
  return ticks / TICKS
}

function readStat(path: string): { pid: number; fields: number[] } | undefined {
  try {
    const stat = readFileSync(path, 'utf8')
    // The second field, the program's name in parentheses, may hold spaces.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return { pid: Number.parseInt(stat, 10), fields }
  } catch {
    // The process ended between the listing and the read.
    return undefined
  }
}
