/**
 * An object store for tests: OpenStack Swift as Debian has it, which speaks the protocol of S3 through its middleware s3api. One
 * process for each of its four servers, one copy of everything, in a temporary folder.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../packages/engine/test/support/postgres.ts'
import { command } from './commands.ts'

const PACKAGES = ['swift-proxy', 'swift-object', 'swift-container', 'swift-account']
const STORES = ['object', 'container', 'account'] as const
/** The user `nobody` of Debian; the servers refuse to work as root. */
const NOBODY = 65534

interface ObjectStore {
  /** Of S3, without a path. */
  endpoint: string
  accessKeyId: string
  secretAccessKey: string
  stop(): Promise<void>
}

/** Throws an Error whose message is the reason why it cannot be had. */
export async function startSwift(): Promise<ObjectStore> {
  command('swift-proxy-server', PACKAGES)
  const folder = mkdtempSync(join(tmpdir(), 'sluice-swift-'))
  chmodSync(folder, 0o755)
  const ports = {
    proxy: await freePort(),
    object: await freePort(),
    container: await freePort(),
    account: await freePort(),
  }
  writeSettings(folder, ports)
  const root = process.getuid?.() === 0
  if (root) execFileSync('chown', ['-R', String(NOBODY), folder])
  const servers = ([...STORES, 'proxy'] as const).map((name) => {
    const log = openSync(join(folder, `${name}.log`), 'w')
    return spawn(`swift-${name}-server`, [join(folder, `${name}-server.conf`)], {
      stdio: ['ignore', log, log],
      ...(root && { uid: NOBODY, gid: NOBODY }),
    })
  })
  const pids = servers.map(({ pid }) => String(pid))
  // Outlives this process, however it ends, and then ends the servers and removes their files.
  const script = 'folder=$1; shift; read _; kill "$@"; sleep 0.3; rm -rf "$folder"'
  const watchdog = spawn('sh', ['-c', script, 'sh', folder, ...pids], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  watchdog.unref()
  const endpoint = `http://127.0.0.1:${ports.proxy}`
  await Promise.all(Object.values(ports).map((port) => answers(`http://127.0.0.1:${port}`, folder)))
  return {
    endpoint,
    accessKeyId: 'test:tester',
    secretAccessKey: 'testing',
    async stop() {
      watchdog.kill('SIGKILL')
      const ended = servers.map((server) => new Promise((resolve) => server.once('exit', resolve)))
      for (const server of servers) server.kill()
      await Promise.all(ended)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function writeSettings(folder: string, ports: Record<'proxy' | (typeof STORES)[number], number>): void {
  mkdirSync(join(folder, 'srv', 'd0'), { recursive: true })
  const write = (name: string, text: string) => writeFileSync(join(folder, `${name}-server.conf`), text)
  const common = (port: number) =>
    `[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = ${port}\nworkers = 0\nuser = nobody\nswift_dir = ${folder}\nlog_level = WARNING\n`
  for (const store of STORES) {
    const builder = join(folder, `${store}.builder`)
    const build = (...words: string[]) => execFileSync('swift-ring-builder', [builder, ...words], { stdio: 'ignore' })
    build('create', '4', '1', '1')
    build('add', `r1z1-127.0.0.1:${ports[store]}/d0`, '1')
    build('rebalance')
    write(
      store,
      `${common(ports[store])}devices = ${join(folder, 'srv')}\nmount_check = false\nfallocate_reserve = 0\n` +
        `[pipeline:main]\npipeline = ${store}-server\n[app:${store}-server]\nuse = egg:swift#${store}\n`,
    )
  }
  const filters = {
    catch_errors: '',
    // s3api asks for a cache, and is content with one that does not answer.
    cache: 'memcache_servers = 127.0.0.1:1\n',
    s3api: 'location = us-east-1\nmin_segment_size = 1048576\n',
    tempauth: 'user_test_tester = testing .admin\n',
    bulk: '',
    slo: '',
    dlo: '',
    versioned_writes: 'allow_versioned_writes = true\n',
  }
  const sections = Object.entries(filters).map(
    ([name, text]) => `[filter:${name}]\nuse = egg:swift#${name === 'cache' ? 'memcache' : name}\n${text}`,
  )
  write(
    'proxy',
    `${common(ports.proxy)}[pipeline:main]\npipeline = ${Object.keys(filters).join(' ')} proxy-server\n` +
      `[app:proxy-server]\nuse = egg:swift#proxy\nallow_account_management = true\naccount_autocreate = true\n${sections.join('')}`,
  )
  writeFileSync(
    join(folder, 'swift.conf'),
    '[swift-hash]\nswift_hash_path_suffix = sluice\nswift_hash_path_prefix = tests\n',
  )
}

/** The servers take a second or two to start. */
async function answers(endpoint: string, folder: string): Promise<void> {
  for (let tried = 0; tried < 150; tried++) {
    const status = await fetch(endpoint).then(
      (response) => response.status,
      () => 0,
    )
    // Whoever shows no key, or asks a store for nothing, is refused, so it answers.
    if (status !== 0 && status !== 503) return
    await delay(200)
  }
  throw new Error(`Swift did not start: see ${folder}/*.log`)
}
