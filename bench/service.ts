/**
 * `npm run bench:service`: the server under a memory limit that the kernel enforces, fed by curl, watched from outside.
 * Options: --rows N (5,000,000), --on embedded|servers (both: SQLite and a folder, PostgreSQL and S3), --limit MB (512),
 * --only large|speed|many|calm (all), --runs N (5).
 *
 * large: one file staged, and one loaded directly. speed: the same file by HTTP and by `sluice load`, in turn. many: ten uploads of a
 * million rows at once. calm: five loads, and how long the server keeps others waiting. Fails when a goal is missed.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { openLocalStorage } from '../packages/sluice/src/storage/local.ts'
import { clientOf, openS3Storage } from '../packages/sluice/src/storage/s3.ts'
import type { ObjectStorage } from '../packages/sluice/src/storage/storage.ts'
import { startSwift } from '../scripts/swift.ts'
import { createGroup } from './memory-group.ts'
import { startPostgres } from './postgres.ts'
import { type Sample, SLUICE, sample, WORK } from './sample.ts'
import { postgresTarget, sqliteTarget, type Target } from './targets.ts'
import { expect, expectFlat, MB, show, type Watched, watch } from './watch.ts'

const PEAK_LIMIT = 200 * MB
const LEAST_SPEED = 0.85
const MOST_LAG_MS = 50
const MOST_HEALTH_MS = 100
const BUCKET = 'bench'
const run = promisify(execFile)

const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    on: { type: 'string', multiple: true, default: ['embedded', 'servers'] },
    only: { type: 'string', multiple: true, default: ['large', 'speed', 'many', 'calm'] },
    limit: { type: 'string', default: '512' },
    runs: { type: 'string', default: '5' },
  },
})

interface Place {
  name: string
  target: Target
  env: Record<string, string>
  storage: ObjectStorage
  stop(): Promise<void>
}

async function embedded(): Promise<Place> {
  const folder = join(WORK, 'service')
  const target = sqliteTarget(join(WORK, 'service.db'), 'primary key')
  rmSync(folder, { recursive: true, force: true })
  const storage = await openLocalStorage(folder)
  return { name: 'SQLite + folder', target, env: { SLUICE_DATA_DIR: folder }, storage, stop: async () => undefined }
}

async function servers(): Promise<Place> {
  const [postgres, swift] = [await startPostgres(), await startSwift()]
  const { endpoint, accessKeyId, secretAccessKey } = swift
  const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
  Object.assign(process.env, env)
  const place = { bucket: BUCKET, endpoint, region: 'us-east-1' }
  const client = new S3Client(clientOf(place))
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  client.destroy()
  return {
    name: 'PostgreSQL + S3',
    target: postgresTarget(postgres, 'primary key'),
    env: { ...env, S3_BUCKET: BUCKET, S3_ENDPOINT: endpoint, S3_REGION: place.region },
    storage: openS3Storage(place),
    stop: () => Promise.all([postgres.stop(), swift.stop()]).then(() => undefined),
  }
}

interface Served {
  url: string
  memory: Watched
  stop(): Promise<void>
}

/** Starts the server in a group of its own: not one page of it is outside. */
async function serve({ target, env }: Place): Promise<Served> {
  const group = createGroup(Number(flags.limit) * MB)
  const child = spawn('sh', ['-c', `${group.enter} && exec "$0" "$@"`, process.execPath, SLUICE, 'serve'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env, DATABASE_URL: target.url, PORT: '0', LOG_LEVEL: 'warn' },
  })
  const url = await listening(child)
  const memory = watch(child.pid!)
  return {
    url,
    memory,
    async stop() {
      memory.stop()
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill()
      await ended
      group.remove()
    },
  }
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`sluice serve ended with ${code}`)))
    child.stderr!.on('data', (text) => {
      const url = /listening \w+ (\S+)/.exec(String(text))?.[1]
      if (url) resolve(url)
      else process.stderr.write(text)
    })
  })
}

/** Sends a form as the seeds do. */
async function post({ url }: Served, file: Sample, query: string, table = 'customers') {
  const form = ['-F', `table=${table}`, '-F', `schema=<${file.schema}`, '-F', `file=@${file.path}`]
  const { stdout } = await run('curl', ['-sS', '-w', '\n%{http_code}', ...form, `${url}/upload?${query}`])
  const [body, code] = stdout.split(/\n(?=\d+$)/) as [string, string]
  return { code: Number(code), json: JSON.parse(body) as Record<string, unknown> }
}

async function settled({ url }: Served, uploadId: unknown): Promise<string> {
  for (;;) {
    const { status } = (await (await fetch(`${url}/upload/${uploadId}/status`)).json()) as { status: string }
    if (!['uploaded', 'processing'].includes(status)) return status
    await delay(200)
  }
}

/** The object goes behind the last row. */
async function isEmpty(storage: ObjectStorage): Promise<boolean> {
  for (let tries = 0; tries < 20; tries++) {
    if ((await Array.fromAsync(storage.list('uploads/'))).length === 0) return true
    await delay(250)
  }
  return false
}

async function large(place: Place): Promise<void> {
  const file = sample(Number(flags.rows), 1)
  for (const mode of ['staged', 'direct']) {
    await place.target.reset()
    const served = await serve(place)
    try {
      const start = performance.now()
      const { code, json } = await post(served, file, `mode=${mode}`)
      const answered = (performance.now() - start) / 1000
      const status = mode === 'staged' ? await settled(served, json['uploadId']) : json['status']
      const seconds = (performance.now() - start) / 1000
      const [peak, quarters] = [served.memory.peak(), served.memory.quarters()]
      console.log(
        `\n${place.name}, ${mode}: ${file.records.toLocaleString('en')} records, ${Math.round(file.bytes / 1e6)} MB: ${code} after ` +
          `${answered.toFixed(1)} s, ${status} after ${seconds.toFixed(1)} s, ${Math.round(file.records / seconds).toLocaleString('en')} rows/s`,
      )
      console.log(`peak RSS (VmHWM) ${show(peak)}; by quarters ${quarters.map(show).join(', ')}`)
      expect('the answer is as specified', code === (mode === 'staged' ? 202 : 200) && status === 'completed')
      expect('the table holds every sound record', (await place.target.count()) === file.records - file.bad)
      expect('nothing is stored any more', await isEmpty(place.storage))
      expectFlat(peak, quarters, PEAK_LIMIT)
    } finally {
      await served.stop()
    }
  }
}

/** The best of several runs in turn: the other programs of a machine only ever add to a time. */
async function speed(place: Place): Promise<void> {
  const file = sample(1_000_000, 1)
  const best = { http: Number.POSITIVE_INFINITY, cli: Number.POSITIVE_INFINITY }
  for (let i = 0; i < Number(flags.runs); i++) {
    await place.target.reset()
    const served = await serve(place)
    let start = performance.now()
    await post(served, file, 'mode=direct')
    best.http = Math.min(best.http, performance.now() - start)
    await served.stop()
    await place.target.reset()
    start = performance.now()
    const to = ['--to', place.target.url, '--table', 'customers', '--schema', file.schema, '--quiet']
    await run(process.execPath, [SLUICE, 'load', file.path, ...to])
    best.cli = Math.min(best.cli, performance.now() - start)
  }
  const ratio = best.cli / best.http
  const rate = (ms: number) => `${Math.round(file.records / (ms / 1000)).toLocaleString('en')} rows/s`
  console.log(`\n${place.name}: HTTP ${rate(best.http)}, sluice load ${rate(best.cli)}, ratio ${ratio.toFixed(2)}`)
  expect(`direct uploads reach ${LEAST_SPEED} of the speed of sluice load`, ratio >= LEAST_SPEED)
}

async function many(place: Place): Promise<void> {
  const file = sample(1_000_000)
  for (const mode of ['staged', 'direct']) {
    await place.target.reset()
    const served = await serve(place)
    try {
      const posts = Array.from({ length: 10 }, async (_, i) => {
        const { json } = await post(served, file, `mode=${mode}`, `many_${i}`)
        return mode === 'staged' ? settled(served, json['uploadId']) : json['status']
      })
      const states = await Promise.all(posts)
      console.log(
        `\n${place.name}, ten uploads of ${Math.round(file.bytes / 1e6)} MB at once, ${mode}: peak ${show(served.memory.peak())}`,
      )
      expect(
        'each is loaded',
        states.every((state) => state === 'completed'),
      )
      expect(`the peak is under ${flags.limit} MB`, served.memory.peak() < Number(flags.limit) * MB)
    } finally {
      await served.stop()
    }
  }
}

async function calm(place: Place): Promise<void> {
  const file = sample(1_000_000)
  await place.target.reset()
  const served = await serve(place)
  try {
    // What the start took is not asked for; each look begins a new count.
    await fetch(`${served.url}/metrics`)
    let done = false
    const posts = Promise.all(
      Array.from({ length: 5 }, (_, i) => post(served, file, i < 2 ? 'wait=true' : 'mode=direct', `calm_${i}`)),
    ).finally(() => {
      done = true
    })
    const health: number[] = []
    while (!done) {
      const start = performance.now()
      await (await fetch(`${served.url}/health`)).arrayBuffer()
      health.push(performance.now() - start)
      await delay(20)
    }
    await posts
    const metrics = await (await fetch(`${served.url}/metrics`)).text()
    const lag = Number(/^nodejs_eventloop_lag_p99_seconds (\S+)/m.exec(metrics)?.[1]) * 1000
    const worst = Math.max(...health)
    console.log(
      `\n${place.name}, five loads: event loop delay p99 ${lag.toFixed(0)} ms; ${health.length} times /health, the slowest ${worst.toFixed(0)} ms`,
    )
    expect(`the event loop is no later than ${MOST_LAG_MS} ms (p99)`, lag < MOST_LAG_MS)
    expect(`/health answers within ${MOST_HEALTH_MS} ms`, worst < MOST_HEALTH_MS)
  } finally {
    await served.stop()
  }
}

mkdirSync(WORK, { recursive: true })
const parts = { large, speed, many, calm }
for (const on of flags.on) {
  const place = await { embedded, servers }[on as 'embedded' | 'servers']()
  try {
    for (const only of flags.only) await parts[only as keyof typeof parts](place)
  } finally {
    await place.storage.close()
    await place.stop()
  }
}
