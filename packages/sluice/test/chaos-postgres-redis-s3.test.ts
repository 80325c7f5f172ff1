import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from '@sluice/engine'
import { Redis } from 'ioredis'
import { Upload } from 'tus-js-client'
import { startServer } from '../../engine/test/support/postgres.ts'
import { Random } from '../../engine/test/support/random.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { customerSchemaText } from '../src/generate/schema.ts'
import { makeBucket } from './bucket.ts'
import { HARM, type Surroundings } from './chaos.ts'
import { startRedis } from './redis.ts'
import { type Served, serve } from './serve.ts'
import { CuttingProxy } from './support/cutting-proxy.ts'
import { RoundRobin } from './support/round-robin.ts'
import { LONG, postgresTarget, SEED } from './torture.ts'
import { type StartedWorker, startWorker } from './worker.ts'

const ROUNDS = Number(process.env.SLUICE_TORTURE_ROUNDS ?? (LONG ? 100 : 2))
/** One round of them, as it was. */
const ONLY = process.env.SLUICE_TORTURE_ROUND
const ROWS = LONG ? 30_000 : 12_000
/** In which all uploads of a round must be over, and what is left of them gone. */
const ROUND_MS = LONG ? 240_000 : 90_000
/** A resumable upload whose answer was lost is begun again; what came of the first one goes after this. */
const UPLOAD_TTL = '30s'

const { primaryKey, ...free } = JSON.parse(customerSchemaText())
interface Kind {
  name: string
  fields: Record<string, string>
  resumable: boolean
  bytes: Buffer
  /** What a load of it leaves that nothing happens to. */
  expected: unknown
}
const WITH_KEY = { schema: JSON.stringify({ ...free, primaryKey }) }
const WITHOUT = { schema: JSON.stringify(free) }
const KINDS = [
  kindOf('in segments', WITHOUT),
  kindOf('with a key', WITH_KEY, { resumable: true, duplicates: 50 }),
  kindOf('all or none', { ...WITHOUT, atomic: 'true' }),
]

const postgres = await startServer()
const bucket = await CuttingProxy.start(process.env.SLUICE_TEST_S3!)
const { env, left } = await makeBucket(bucket.url)
const folder = temporaryFolder()
const target = postgresTarget(postgres.url)
const names = Object.keys(HARM)
let around: Surroundings
let servers: Served[]
let balancer: RoundRobin

before(async () => {
  const redis = await startRedis()
  const all = {
    ...env,
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    SLUICE_TMP_DIR: folder,
    SLUICE_LEASE_SECONDS: '3',
    SLUICE_SEGMENT_BYTES: '400000',
    SLUICE_UPLOAD_TTL: UPLOAD_TTL,
    SLUICE_RATE_LIMIT: '1000000',
  }
  // Long enough to be met by what goes wrong; and again and again, as what keeps processes alive does it.
  const begin = async (): Promise<StartedWorker> => {
    for (let tries = 1; ; tries++) {
      try {
        return await startWorker(folder, { ...all, SLUICE_FAILPOINTS: 'after-commit:1+=delay=50' })
      } catch (error) {
        if (tries === 20) throw error
        await delay(500)
      }
    }
  }
  const first = await serve(folder, all)
  servers = [first, await serve(folder, all)]
  around = {
    workers: [await begin(), await begin()],
    redis,
    bucket,
    fileBytes: KINDS[0]!.bytes.length,
    startWorker: begin,
    async restartDatabase(signal) {
      const start = await postgres.halt(signal)
      await start()
    },
  }
  balancer = await RoundRobin.start(servers.map(({ url }) => url))
  for (const kind of KINDS) kind.expected = await undisturbed(kind)
})
after(async () => {
  await balancer.close()
  await Promise.all([...servers, ...around.workers].map((one) => one.stop('SIGKILL')))
  await bucket.close()
  await around.redis[Symbol.asyncDispose]()
  await postgres.stop()
})

for (let round = 1; round <= ROUNDS; round++) {
  if (ONLY !== undefined && round !== Number(ONLY)) continue
  const random = new Random(SEED * 1_000 + round)
  const harm = chosen(round, random)
  test(`round ${round} of ${ROUNDS}, seed ${SEED}: ${harm.join(', ')}`, { timeout: 2 * ROUND_MS }, async (t) => {
    bucket.cutAfter = []
    bucket.cutAfterSent = []
    await disturbed(round, harm, random)
    t.diagnostic(`${harm.length} faults`)
  })
}

function kindOf(name: string, fields: Record<string, string>, { resumable = false, duplicates = 0 } = {}): Kind {
  const bytes = Buffer.concat([...generate({ rows: ROWS, bad: 100, duplicates, seed: SEED })])
  return { name, fields, resumable, bytes, expected: undefined }
}

/** Uploads one file of each kind while all that happens. @throws AssertionError where one does not end as if nothing had happened */
async function disturbed(round: number, harm: string[], random: Random): Promise<void> {
  const doing = harm.map(async (name) => {
    await delay(random.between(0, 3_000))
    await HARM[name]!(around, random)
  })
  const sent = Promise.all(KINDS.map((kind) => send(kind, `r${round}_${KINDS.indexOf(kind)}`)))
  await Promise.all(doing)
  const uploads = await sent
  const end = performance.now() + ROUND_MS
  for (const [i, uploadId] of uploads.entries()) {
    const { status, error } = await over(uploadId, end)
    assert.equal(status, 'completed', `${KINDS[i]!.name}: ${error}`)
    assert.deepEqual(await outcome(`r${round}_${i}`, uploadId), KINDS[i]!.expected, KINDS[i]!.name)
    await target.query(`DROP TABLE r${round}_${i}`)
  }
  await nothingIsLeft(end)
}

/** In the short form each at least once, and in the long form each in turn, with others. */
function chosen(round: number, random: Random): string[] {
  const first = names[(round - 1) % names.length]!
  if (!LONG) return names.filter((_, i) => i % ROUNDS === round - 1)
  return [first, ...names.filter((name) => name !== first && random.below(4) === 0)]
}

/** What a load leaves behind that nothing happens to. */
async function undisturbed({ bytes, fields }: Kind): Promise<unknown> {
  const table = `calm_${randomUUID().slice(0, 8)}`
  const source = {
    name: 'calm.csv',
    size: bytes.length,
    fingerprint: table,
    read: async function* (from: number) {
      yield bytes.subarray(from)
    },
  }
  const { jobId } = await load({ source, to: postgres.url, table, schema: JSON.parse(fields['schema']!) })
  return outcome(table, jobId)
}

async function outcome(table: string, jobId: string) {
  const [rows] = await target.query(
    `SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(hashtextextended(CAST(t AS text), 0)) AS sum FROM ${table} t`,
  )
  const rejects = await target.query(
    `SELECT line, record, byte_offset, column_name, code, message, value FROM failed_imports WHERE job_id = '${jobId}' ORDER BY record`,
  )
  const [job] = await target.query(
    `SELECT status, records_read, inserted, updated, unchanged, duplicates, rejected, bytes_committed
       FROM ingestion_jobs WHERE job_id = '${jobId}'`,
  )
  const text = JSON.stringify({ rows, rejects, job }).replaceAll(table, 'THE_TABLE')
  return JSON.parse(text)
}

/** Until it is accepted, as a client does that has to get rid of its file. @returns the uploadId */
async function send(kind: Kind, table: string): Promise<string> {
  const fields = { ...kind.fields, table, batchRows: '1000' }
  if (kind.resumable) return sendInPieces(kind.bytes, fields)
  const headers = { 'idempotency-key': randomUUID() }
  for (;;) {
    const form = new FormData()
    for (const [name, value] of Object.entries(fields)) form.append(name, value)
    form.append('file', new Blob([kind.bytes as Uint8Array<ArrayBuffer>]), `${table}.csv`)
    try {
      const answer = await fetch(`${balancer.url}/upload`, { method: 'POST', body: form, headers })
      const text = await answer.text()
      if (answer.status === 202) return (JSON.parse(text) as { uploadId: string }).uploadId
      // 409: the one before is not known to have ended yet.
      assert.ok(answer.status >= 500 || answer.status === 409, `${answer.status} ${text}`)
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error
    }
    await delay(300)
  }
}

function sendInPieces(bytes: Buffer, metadata: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const upload = new Upload(bytes as never, {
      endpoint: `${balancer.url}/files`,
      metadata: { filename: 'people.csv', ...metadata },
      chunkSize: 1_000_000,
      retryDelays: Array(200).fill(300),
      onError: reject,
      onSuccess: () => resolve(upload.url!.split('/').at(-1)!),
    })
    upload.start()
  })
}

async function over(uploadId: string, end: number): Promise<{ status: string; error?: string }> {
  for (let last = ''; ; await delay(100)) {
    assert.ok(performance.now() < end, `${uploadId} is stuck: ${last}`)
    try {
      const answer = await fetch(`${balancer.url}/upload/${uploadId}/status`)
      last = `${answer.status} ${await answer.text()}`
      if (answer.status !== 200) continue
      const status = JSON.parse(last.slice(4)) as { status: string; error?: string }
      if (!['receiving', 'uploaded', 'processing'].includes(status.status)) return status
    } catch (error) {
      last = String(error)
    }
  }
}

/** No object, no part of one, nothing queued, no lease, no table beside a target, no transaction that nobody ends. */
async function nothingIsLeft(end: number): Promise<void> {
  for (; ; await delay(200)) {
    const found = [...(await left()), ...(await queued()), ...(await held())]
    if (found.length === 0) return
    assert.ok(performance.now() < end, `left behind: ${found.join(', ')}`)
  }
}

async function queued(): Promise<string[]> {
  const client = new Redis(around.redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => undefined)
  try {
    const lengths = await Promise.all(
      ['small', 'large'].flatMap((name) => [
        client.llen(`sluice:${name}:wait`),
        client.llen(`sluice:${name}:active`),
        client.zcard(`sluice:${name}:delayed`),
      ]),
    )
    return lengths.some((length) => length > 0) ? [`queue entries ${lengths}`] : []
  } finally {
    client.disconnect()
  }
}

async function held(): Promise<string[]> {
  const rows = await target.query(`
    SELECT 'checkpoint of ' || job_id AS what FROM ingestion_checkpoints WHERE NOT done OR lease_owner IS NOT NULL
    UNION ALL SELECT 'table ' || relname FROM pg_class WHERE relname LIKE 'sluice\\_stage%' AND relkind = 'r'
    UNION ALL SELECT 'upload ' || upload_id || ' is received' FROM sluice_uploads WHERE received_at IS NULL
    UNION ALL SELECT 'a transaction: ' || query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'`)
  return rows.map(({ what }) => String(what))
}
