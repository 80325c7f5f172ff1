import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { load, openDatabase } from '@sluice/engine'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { customerSchemaText } from '../src/generate/schema.ts'
import { Api } from './api.ts'
import { startRedis } from './redis.ts'
import { serve } from './serve.ts'
import { start } from './sluice.ts'

const postgres = await startPostgres()
const redis = await startRedis()
const database = await openDatabase(postgres.url)
const endpoint = process.env.SLUICE_TEST_S3!
const bucket = `sluice-${randomUUID()}`
const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
await s3.send(new CreateBucketCommand({ Bucket: bucket }))
const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
const folder = temporaryFolder()
const ENV = {
  DATABASE_URL: postgres.url,
  REDIS_URL: redis.url,
  S3_BUCKET: bucket,
  S3_ENDPOINT: endpoint,
  AWS_ACCESS_KEY_ID,
  AWS_SECRET_ACCESS_KEY,
  SLUICE_LEASE_SECONDS: '3',
  SLUICE_SEGMENT_BYTES: '1000000',
  SLUICE_TMP_DIR: folder,
}
const server = await serve(folder, ENV)
const api = new Api(server)
const workers: ReturnType<typeof start>[] = []
after(async () => {
  for (const { child, ended } of workers) {
    child.kill('SIGKILL')
    await ended
  }
  await server.stop()
  s3.destroy()
  await database.close()
  await redis[Symbol.asyncDispose]()
  await postgres.stop()
})

async function work(): Promise<void> {
  const worker = start(['worker'], { cwd: folder, env: ENV, inputStaysOpen: true, timeout: 110_000 })
  workers.push(worker)
  await new Promise<void>((resolve, reject) => {
    worker.child.stderr.on('data', (text: string) => /working/.test(text) && resolve())
    worker.ended.then(({ code, stderr }) => reject(new Error(`sluice worker ended with ${code}: ${stderr}`)), reject)
  })
}

/** Without its key: a table that has one is loaded in the order of the source. */
const { primaryKey: _, ...schema } = JSON.parse(customerSchemaText())
const CSV = Buffer.concat([...generate({ rows: 60_000, bad: 600, duplicates: 0, seed: 5 })])

async function left(table: string, jobId: string): Promise<unknown> {
  const rows = await database.query(
    `SELECT count(*) AS n, sum(hashtextextended(CAST(t AS text), 0)) AS sum FROM ${table} t`,
  )
  const rejects = await database.query(
    `SELECT line, record, byte_offset, column_name, code, message, value, raw FROM failed_imports WHERE job_id = $1 ORDER BY record`,
    [jobId],
  )
  return { rows, rejects }
}

const holders = (uploadId: string) =>
  database.query<{ segment: number; lease_owner: string }>(
    `SELECT segment, lease_owner FROM ingestion_checkpoints WHERE job_id = $1 AND lease_owner IS NOT NULL`,
    [uploadId],
  )
const pidOf = (owner: string) => Number(owner.split('/')[1])

test('two workers load one upload in segments, and what one leaves behind when it is killed the other one does', async () => {
  const receipt = await load({
    source: {
      name: 'in one',
      size: CSV.length,
      fingerprint: 1,
      read: async function* (at: number) {
        yield CSV.subarray(at)
      },
    },
    to: postgres.url,
    table: 'whole',
    schema,
  })
  const expected = await left('whole', receipt.jobId)
  assert.equal(receipt.rejected, 600)
  await work()
  await work()
  for (const kills of [0, 1]) {
    const fields = { batchRows: '500', schema: JSON.stringify(schema) }
    const { uploadId } = (await api.upload(CSV, { name: `parts${kills}.csv`, fields })).json
    const seen = new Set<number>()
    for (let looks = 0; seen.size < 2; looks++) {
      assert.ok(looks < 1_000, `only ${[...seen]} of ${workers.map(({ child }) => child.pid)} took part`)
      for (const { lease_owner } of await holders(uploadId)) seen.add(pidOf(lease_owner))
      await delay(10)
    }
    if (kills > 0) process.kill(pidOf((await holders(uploadId))[0]!.lease_owner), 'SIGKILL')
    const over = await api.over(uploadId)
    assert.equal(over.status, 'completed', over.error)
    const { jobId, source, table, elapsedMs, rowsPerSecond, resumedAtRecord, ...counts } = receipt
    for (const [name, value] of Object.entries(counts)) assert.deepEqual(over.receipt[name], value, name)
    assert.deepEqual(await left(`parts${kills}`, uploadId), expected)
    const segments = await database.query('SELECT done FROM ingestion_checkpoints WHERE job_id = $1', [uploadId])
    assert.ok(segments.length > 8 && segments.every(({ done }) => done), `${segments.length} segments`)
  }
  for (let looks = 0; ; looks++) {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }))
    const { Uploads = [] } = await s3.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    if (Contents.length + Uploads.length === 0) break
    assert.ok(looks < 100, 'an object is left')
    await delay(100)
  }
})
