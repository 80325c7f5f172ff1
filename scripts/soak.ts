/**
 * `npm run soak -- --minutes 60 [--seed 1] [--s3]`: one server and two workers under mixed load, on a real PostgreSQL and a real Redis,
 * and with `--s3` on a real object store: small and large files, direct and resumable uploads, bodies that break off, cancels, retries
 * of what failed, and a worker that is killed every quarter of a minute. It watches what must not grow, and ends with 1 where
 * something did, or where the tables do not hold what the jobs account for.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { globSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openDatabase } from '@sluice/engine'
import { startPostgres } from '../packages/engine/test/support/postgres.ts'
import { startRedis } from '../packages/sluice/test/redis.ts'
import { SoakClient } from './soak-client.ts'
import { startSwift } from './swift.ts'

const { values: flags } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    s3: { type: 'boolean', default: false },
  },
})
const MINUTES = Number(flags.minutes)
/** Clients that do one thing after the other. */
const CLIENTS = 4
const SAMPLE_MS = 10_000
const KILL_EVERY_MS = 15_000
/** After that a status and its object go, so that what is kept is bounded within a short soak, too. */
const TTL_SECONDS = 30
/** A resumable upload must be whole by then, also where the machine has other things to do. */
const UPLOAD_TTL_SECONDS = 120
/** V8 grows in steps, and gives back late: two quarters of a soak without a leak differed by 14 MB at most. */
const RSS_GROWTH_MB = 24
const BIN = join(import.meta.dirname, '../packages/sluice/bin/sluice.js')

interface Sample {
  second: number
  rssMb: number
  descriptors: number
  connections: number
  temporary: number
  objects: number
  keys: number
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-soak-'))
const postgres = await startPostgres([])
const redis = await startRedis()
const swift = flags.s3 ? await startSwift() : undefined
const database = await openDatabase(postgres.url)
const env: Record<string, string> = {
  PATH: process.env.PATH ?? '',
  HOME: process.env.HOME ?? '',
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  SLUICE_DATA_DIR: join(folder, 'data'),
  SLUICE_TMP_DIR: join(folder, 'tmp'),
  SLUICE_STATUS_TTL: `${TTL_SECONDS}s`,
  SLUICE_UPLOAD_TTL: `${UPLOAD_TTL_SECONDS}s`,
  SLUICE_LEASE_SECONDS: '3',
  SLUICE_RATE_LIMIT: '1000000',
  LOG_LEVEL: 'warn',
  PORT: '0',
  ...(swift && {
    S3_BUCKET: 'soak',
    S3_ENDPOINT: swift.endpoint,
    AWS_ACCESS_KEY_ID: swift.accessKeyId,
    AWS_SECRET_ACCESS_KEY: swift.secretAccessKey,
  }),
}
mkdirSync(env['SLUICE_TMP_DIR']!)
const bucket = swift ? await makeBucket() : undefined
const processes = new Set<ChildProcess>()
const samples: Sample[] = []
const server = start(['serve'])
const url = await said(server, /listening on (\S+)/)
const workers = [start(['worker']), start(['worker'])]
await Promise.all(workers.map((worker) => said(worker, /working/)))

let failed = false
try {
  const client = new SoakClient(url, Number(flags.seed))
  // What the first uploads bring along, such as compiled code, pools and a connection for each client, is no growth.
  await Promise.all(Array.from({ length: CLIENTS }, () => client.warmUp()))
  await atRest()
  const [before, openBefore] = [await sample(), descriptors()]
  const end = performance.now() + MINUTES * 60_000
  const began = performance.now()
  await Promise.all([
    ...Array.from({ length: CLIENTS }, () => client.workUntil(end)),
    killWorkersUntil(end),
    watchUntil(end, began),
  ])
  await atRest()
  const after = await sample()
  console.log(`\ndescriptors before: ${openBefore}\ndescriptors after:  ${descriptors()}`)
  failed = judge(before, after, client)
  failed = (await isWrong()) || failed
} finally {
  for (const child of processes) child.kill('SIGKILL')
  await database.close()
  await swift?.stop()
  await redis[Symbol.asyncDispose]()
  await postgres.stop()
  rmSync(folder, { recursive: true, force: true })
}
process.exit(failed ? 1 : 0)

function start(args: string[]): ChildProcess {
  const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
  processes.add(child)
  child.once('exit', () => processes.delete(child))
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', noteWarnings)
  return child
}

/** What is worth a look, as it stands. That uploads fail by their rejects is meant. */
function noteWarnings(text: string): void {
  for (const line of text.split('\n'))
    if (/"level":[56]0/.test(line) && !line.includes('SLUICE_ERROR_BUDGET')) console.log(`  log: ${line.slice(0, 300)}`)
}

function said(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stderr!.on('data', (part: string) => {
      text += part
      const found = pattern.exec(text)
      if (found) resolve(found[1] ?? '')
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${text}`)))
  })
}

async function killWorkersUntil(end: number): Promise<void> {
  for (let i = 0; performance.now() + KILL_EVERY_MS < end; i++) {
    await delay(KILL_EVERY_MS)
    // Every second one is asked to stop, the others are not.
    const worker = workers[i % 2]!
    worker.kill(i % 4 < 2 ? 'SIGKILL' : 'SIGTERM')
    await once(worker, 'exit')
    workers[i % 2] = start(['worker'])
    await said(workers[i % 2]!, /working/)
  }
}

async function watchUntil(end: number, began: number): Promise<void> {
  const head = ['second', 'RSS MB', 'descriptors', 'connections', 'temporary', 'objects', 'keys']
  console.log(head.map((name) => name.padStart(12)).join(''))
  while (performance.now() < end) {
    await delay(Math.min(SAMPLE_MS, Math.max(0, end - performance.now())))
    const one = { ...(await sample()), second: Math.round((performance.now() - began) / 1000) }
    samples.push(one)
    console.log(
      Object.values(one)
        .map((value) => String(value).padStart(12))
        .join(''),
    )
  }
}

/** Of the server, and of what all of them share. */
async function sample(): Promise<Sample> {
  const proc = `/proc/${server.pid}`
  const [, rss] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`${proc}/status`, 'utf8'))!
  const [connections] = await database.query<{ n: string }>(
    'SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  )
  return {
    second: 0,
    rssMb: Math.round(Number(rss) / 1024),
    descriptors: readdirSync(`${proc}/fd`).length,
    connections: Number(connections!.n),
    temporary: filesBelow(env['SLUICE_TMP_DIR']!),
    objects: bucket ? await bucket.count() : filesBelow(env['SLUICE_DATA_DIR']!),
    keys: await redis.size(),
  }
}

/** What the server has open, by kind: it tells what has grown. A debugger that was attached is a socket, a thread and its pipes. */
function descriptors(): string {
  const folder = `/proc/${server.pid}/fd`
  const kinds = new Map<string, number>()
  for (const name of readdirSync(folder)) {
    const kind = kindOf(join(folder, name))
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return [...kinds]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}

function kindOf(link: string): string {
  try {
    // `socket:[123]` and `pipe:[123]` without their number, files as they are.
    return readlinkSync(link).replace(/:\[\d+\]$/, '')
  } catch {
    // It was closed since it was listed.
    return 'closed'
  }
}

function filesBelow(path: string): number {
  return globSync('**', { cwd: path, withFileTypes: true }).filter((one) => one.isFile()).length
}

/** Every upload is over and forgotten, with its object. */
async function atRest(): Promise<void> {
  const until = performance.now() + (UPLOAD_TTL_SECONDS + 120) * 1_000
  for (;;) {
    const [left] = await database.query<{ n: string }>('SELECT count(*) AS n FROM sluice_uploads')
    if (Number(left!.n) === 0) return
    if (performance.now() > until) throw new Error(`${left!.n} uploads do not come to their end`)
    await delay(1_000)
  }
}

function judge(before: Sample, after: Sample, client: SoakClient): boolean {
  const quarter = Math.floor(samples.length / 4)
  const median = (part: Sample[]) =>
    part.map(({ rssMb }) => rssMb).sort((a, b) => a - b)[Math.floor(part.length / 2)] ?? 0
  const second = median(samples.slice(quarter, 2 * quarter))
  const last = median(samples.slice(-quarter))
  // Identity and locks of a shared folder are files of it, too; pools keep a connection or two.
  const rows: [string, number, number, number][] = [
    ['RSS of the server, MB, second and last quarter', second, last, RSS_GROWTH_MB],
    ['descriptors at rest', before.descriptors, after.descriptors, 4],
    ['connections at rest', before.connections, after.connections, 2],
    ['temporary files at rest', before.temporary, after.temporary, 0],
    ['objects at rest', before.objects, after.objects, 0],
    ['Redis keys at rest', before.keys, after.keys, 4],
  ]
  console.log(`\n${JSON.stringify(client.done)}`)
  let grew = false
  for (const [name, from, to, allowed] of rows) {
    const isGrowth = to > from + allowed
    grew ||= isGrowth
    console.log(`${isGrowth ? 'GREW' : 'held'}  ${name}: ${from} → ${to}`)
  }
  return grew
}

/** Whether a table holds other rows than those that the jobs say they inserted. */
async function isWrong(): Promise<boolean> {
  let wrong = false
  const tables = await database.query<{ name: string; jobs: string; inserted: string }>(
    'SELECT target_table AS name, count(*) AS jobs, sum(inserted) AS inserted FROM ingestion_jobs GROUP BY 1 ORDER BY 1',
  )
  for (const { name, jobs, inserted } of tables) {
    const [found] = await database.query<{ n: string }>(`SELECT count(*) AS n FROM ${name}`)
    const isSame = Number(found!.n) === Number(inserted)
    wrong ||= !isSame
    console.log(
      `${isSame ? 'held' : 'LOST'}  ${name}: ${jobs} jobs inserted ${inserted} rows, the table has ${found!.n}`,
    )
  }
  return wrong
}

async function makeBucket(): Promise<{ count(): Promise<number> }> {
  const { S3Client, CreateBucketCommand, paginateListObjectsV2, ListMultipartUploadsCommand } = await import(
    '@aws-sdk/client-s3'
  )
  const client = new S3Client({
    endpoint: swift!.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: swift!.accessKeyId, secretAccessKey: swift!.secretAccessKey },
  })
  await client.send(new CreateBucketCommand({ Bucket: 'soak' }))
  return {
    /** Objects, and uploads to S3 that were begun. */
    async count() {
      let count = 0
      for await (const page of paginateListObjectsV2({ client }, { Bucket: 'soak' })) count += page.KeyCount ?? 0
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'soak' }))
      return count + Uploads.length
    },
  }
}
