/**
 * `npm run bench:scaling`: one upload of 1 GB, 1 % of it bad, loaded by one `sluice worker` and by two, from OpenStack Swift into
 * PostgreSQL, woken by Redis. Fails unless rows, rejects with their lines and receipt are identical; prints the times and who used the
 * processor; then the law that follows, for machines that are not here. Options: --rows N (5,000,000), --only measured|law (both).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual, parseArgs, promisify } from 'node:util'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { startRedis } from '../packages/sluice/test/redis.ts'
import { startSwift } from '../scripts/swift.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import { cpuSecondsOf, machineCpuSeconds } from './process-cpu.ts'
import { keylessSchema, SLUICE, sample } from './sample.ts'
import { printLaw } from './scaling-law.ts'
import { formatTable } from './table.ts'
import { postgresTarget } from './targets.ts'

const run = promisify(execFile)
const { values: flags } = parseArgs({
  options: {
    rows: { type: 'string', default: '5000000' },
    only: { type: 'string', multiple: true, default: ['measured', 'law'] },
  },
})

interface Outcome {
  rows: unknown
  rejects: unknown
  receipt: unknown
}
interface Run {
  outcome: Outcome
  cells: string[]
  seconds: number
}

let failed = false
if (flags.only.includes('measured')) failed = !(await measured())
if (flags.only.includes('law')) printLaw()
process.exit(failed ? 1 : 0)

async function measured(): Promise<boolean> {
  const file = sample(Number(flags.rows), 1)
  await using stack = new AsyncDisposableStack()
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'sluice-scaling-')), (one) =>
    rmSync(one, { recursive: true, force: true }),
  )
  const postgres = stack.adopt(await startPostgres(), (one) => one.stop())
  const swift = stack.adopt(await startSwift(), (one) => one.stop())
  const redis = stack.use(await startRedis())
  const credentials = { accessKeyId: swift.accessKeyId, secretAccessKey: swift.secretAccessKey }
  const s3 = new S3Client({ endpoint: swift.endpoint, region: 'us-east-1', forcePathStyle: true, credentials })
  await s3.send(new CreateBucketCommand({ Bucket: 'bench' }))
  s3.destroy()
  const target = postgresTarget(postgres, '')
  const env = {
    ...process.env,
    DATABASE_URL: target.url,
    REDIS_URL: redis.url,
    S3_BUCKET: 'bench',
    S3_ENDPOINT: swift.endpoint,
    AWS_ACCESS_KEY_ID: swift.accessKeyId,
    AWS_SECRET_ACCESS_KEY: swift.secretAccessKey,
    SLUICE_TMP_DIR: folder,
    LOG_LEVEL: 'warn',
    PORT: '0',
  }

  async function loadWith(count: number): Promise<Run> {
    await target.reset()
    await using processes = new AsyncDisposableStack()
    const begin = async (args: string[], ready: RegExp) => {
      const child = processes.adopt(spawn(process.execPath, [SLUICE, ...args], { env, cwd: folder }), stop)
      return { child, said: await saying(child, ready) }
    }
    const { said: url } = await begin(['serve'], /listening on (\S+)/)
    const workers = await Promise.all(Array.from({ length: count }, () => begin(['worker'], /(working)/)))
    const form = ['-F', 'table=customers', '-F', `schema=<${keylessSchema(file)}`, '-F', `file=@${file.path}`]
    const { stdout } = await run('curl', ['-sS', ...form, `${url}/upload?force=true`])
    const { uploadId } = JSON.parse(stdout) as { uploadId?: string }
    if (uploadId === undefined) throw new Error(`the upload was refused: ${stdout}`)
    const used = () => ({
      workers: workers.reduce((sum, { child }) => sum + cpuSecondsOf(child.pid!), 0),
      server: postgres.cpuSeconds(),
      all: machineCpuSeconds(),
      at: performance.now(),
    })
    const before = used()
    let status: { status: string; error?: string; receipt: Record<string, unknown> }
    do {
      await delay(200)
      status = (await (await fetch(`${url}/upload/${uploadId}/status`)).json()) as typeof status
    } while (/uploaded|processing/.test(status.status))
    const after = used()
    if (status.status !== 'completed') throw new Error(`the upload ${status.status}: ${status.error}`)
    const seconds = await secondsOf(postgres, uploadId)
    const { jobId: _j, uploadId: _u, source, elapsedMs, rowsPerSecond, resumedAtRecord, ...receipt } = status.receipt
    const of = (name: keyof typeof before) => after[name] - before[name]
    const others = of('all') - of('workers') - of('server')
    const busy = of('all') / ((of('at') / 1000) * availableParallelism())
    const cells = [
      String(count),
      seconds.toFixed(1),
      (file.bytes / 1e6 / seconds).toFixed(0),
      of('workers').toFixed(1),
      of('server').toFixed(1),
      others.toFixed(1),
      `${Math.round(busy * 100)} %`,
      String(await segmentsOf(postgres, uploadId)),
    ]
    return { seconds, cells, outcome: { ...(await left(postgres, uploadId)), receipt } }
  }

  const runs = [await loadWith(1), await loadWith(2)] as const
  const [one, two] = runs
  console.log(
    `\n${file.records.toLocaleString('en')} records, ${Math.round(file.bytes / 1e6)} MB, ${availableParallelism()} cores`,
  )
  const head = [
    'workers',
    'seconds',
    'MB/s',
    'CPU of workers',
    'of PostgreSQL',
    'of all else',
    'cores busy',
    'segments',
  ]
  console.log(formatTable([head, ...runs.map(({ cells }) => cells)]))
  console.log(`speed-up ${(one.seconds / two.seconds).toFixed(2)}`)
  let same = true
  for (const part of ['rows', 'rejects', 'receipt'] as const) {
    const isSame = isDeepStrictEqual(one.outcome[part], two.outcome[part])
    console.log(`${isSame ? 'identical' : 'DIFFERENT'}: ${part}`)
    if (!isSame) console.log(JSON.stringify([one.outcome[part], two.outcome[part]]))
    same &&= isSame
  }
  const [{ n }] = (await postgres.sql('SELECT count(*) AS n FROM customers')) as [{ n: string }]
  console.log(`${n} rows in the table, ${file.records - file.bad} expected`)
  return same && Number(n) === file.records - file.bad
}

async function saying(child: ChildProcess, ready: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  child.stdout!.pipe(process.stderr)
  child.stderr!.on('data', (text) => {
    const said = ready.exec(String(text))?.[1]
    if (said !== undefined) resolve(said)
    else process.stderr.write(text)
  })
  child.once('exit', (code) => reject(new Error(`${child.spawnargs.at(-1)} ended with ${code}`)))
  return promise
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill()
  await ended
}

async function secondsOf(postgres: Postgres, jobId: string): Promise<number> {
  const [job] = await postgres.sql(
    `SELECT extract(epoch FROM completed_at - started_at) AS seconds FROM ingestion_jobs WHERE job_id = '${jobId}'`,
  )
  return Number(job!['seconds'])
}

async function segmentsOf(postgres: Postgres, jobId: string): Promise<number> {
  const [row] = await postgres.sql(`SELECT count(*) AS n FROM ingestion_checkpoints WHERE job_id = '${jobId}'`)
  return Number(row!['n'])
}

/** Sums of hashes stand for all rows and rejects, in whichever order they came. */
async function left(postgres: Postgres, jobId: string): Promise<Omit<Outcome, 'receipt'>> {
  const rows = await postgres.sql(
    'SELECT count(*) AS n, sum(hashtextextended(CAST(c AS text), 0)) AS sum FROM customers c',
  )
  const rejects = await postgres.sql(
    `SELECT count(*) AS n, count(DISTINCT line) AS lines, sum(hashtextextended(concat_ws('|', line, record, byte_offset,
       column_name, code, message, value, errors, encode(raw, 'hex')), 0)) AS sum FROM failed_imports WHERE job_id = '${jobId}'`,
  )
  return { rows, rejects }
}
