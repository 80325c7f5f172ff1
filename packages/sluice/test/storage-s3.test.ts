import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import {
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { load } from '@sluice/engine'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { deleteObject } from '../src/jobs/run-job.ts'
import { openS3Storage } from '../src/storage/s3.ts'
import { sluice } from './sluice.ts'
import { pattern, storageSuite } from './storage-suite.ts'
import { CuttingProxy } from './support/cutting-proxy.ts'

const endpoint = process.env.SLUICE_TEST_S3!
const bucket = `sluice-${randomUUID()}`
const place = { bucket, endpoint, region: 'us-east-1' }
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })

before(() => client.send(new CreateBucketCommand({ Bucket: bucket })))
after(() => client.destroy())

async function traces(): Promise<string[]> {
  const objects = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
  const parts = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return [...(objects.Contents ?? []), ...(parts.Uploads ?? [])].map(({ Key }) => Key!)
}

storageSuite(async () => ({ storage: openS3Storage(place), traces }))

test('a download that is cut again and again is opened again behind what came', async (t) => {
  const proxy = await CuttingProxy.start(endpoint)
  t.after(() => proxy.close())
  const bytes = pattern(9_000_000)
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'uploads/cut', Body: bytes }))
  const storage = openS3Storage({ ...place, endpoint: proxy.url })
  t.after(() => storage.close())
  await storage.stat('uploads/cut')
  proxy.cutAfter = [100_000, 2_000_000, 1, 70_000, 3_000_000, 500_000]
  const chunks: Buffer[] = []
  for await (const chunk of storage.read('uploads/cut', 1_234)) chunks.push(Buffer.from(chunk))
  assert.ok(Buffer.concat(chunks).equals(bytes.subarray(1_234)))
  assert.equal(proxy.cuts, 6)
  await storage.delete('uploads/cut')
})

test('a load goes on through a connection that is cut', async (t) => {
  const proxy = await CuttingProxy.start(endpoint)
  t.after(() => proxy.close())
  const rows = Array.from({ length: 200_000 }, (_, i) => `${i},name ${i}`)
  await client.send(
    new PutObjectCommand({ Bucket: bucket, Key: 'in/people.csv', Body: `id,name\n${rows.join('\n')}\n` }),
  )
  const storage = openS3Storage({ ...place, endpoint: proxy.url })
  t.after(() => storage.close())
  const { bytes: size, version } = (await storage.stat('in/people.csv'))!
  proxy.cutAfter = [1_000_000, 500_000, 200_000]
  const read = (fromByte: number) => storage.read('in/people.csv', fromByte)
  const source = { name: 's3/people.csv', size, fingerprint: version, read }
  const receipt = await load({ source, to: `sqlite:${temporaryFolder()}/cut.db` })
  assert.deepEqual([receipt.inserted, receipt.rejected, receipt.table], [200_000, 0, 'people'])
  assert.equal(proxy.cuts, 3)
})

test('an object that is replaced while it is read is an error', async (t) => {
  const proxy = await CuttingProxy.start(endpoint)
  t.after(() => proxy.close())
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'in/replaced', Body: pattern(3_000_000) }))
  const storage = openS3Storage({ ...place, endpoint: proxy.url })
  t.after(() => storage.close())
  const reading = (async () => {
    for await (const _ of storage.read('in/replaced', 0)) {
      proxy.cutAfter = [1]
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'in/replaced', Body: pattern(3_000_001) }))
    }
  })()
  await assert.rejects(reading, { code: 'SLUICE_SOURCE_CHANGED' })
})

test('a sweep aborts the multipart uploads of a prefix that were left behind', async () => {
  for (const Key of ['swept/a', 'swept/b', 'kept/c'])
    await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key }))
  const storage = openS3Storage(place)
  await storage.sweep('swept/', new Date(Date.now() - 3_600_000))
  const left = async () => (await traces()).filter((key) => /^(?:swept|kept)/.test(key)).sort()
  assert.deepEqual(await left(), ['kept/c', 'swept/a', 'swept/b'])
  await storage.sweep('swept/', new Date(Date.now() + 3_600_000))
  assert.deepEqual(await left(), ['kept/c'])
  await storage.sweep('kept/', new Date(Date.now() + 3_600_000))
})

test('an object goes with the multipart upload that was begun first, and whose answer was lost', async (t) => {
  const proxy = await CuttingProxy.start(endpoint)
  t.after(() => proxy.close())
  const storage = openS3Storage({ ...place, endpoint: proxy.url })
  t.after(() => storage.close())
  const objectKey = 'begun/twice'
  const left = async () => (await traces()).filter((key) => key.startsWith(objectKey))
  proxy.cutAfter = [1]
  await storage.put(objectKey, Readable.from([pattern(6_000_000)]))
  assert.deepEqual([proxy.cuts, (await left()).length], [1, 2])
  await deleteObject({ storage }, { objectKey, receiver: null })
  assert.deepEqual(await left(), [])
})

test('a bucket that is not there, and a store that cannot be reached, are told', async () => {
  const missing = openS3Storage({ ...place, bucket: 'no-such-bucket' })
  await assert.rejects(Array.fromAsync(missing.list('x')), { code: 'SLUICE_STORAGE', message: /s3:\/\/no-such-bucket/ })
  const away = openS3Storage({ ...place, endpoint: 'http://127.0.0.1:9' })
  await assert.rejects(away.stat('x'), { code: 'SLUICE_STORAGE', message: /ECONNREFUSED/ })
})

test('sluice load takes an object, and knows it again', async () => {
  const cwd = temporaryFolder()
  const env = {
    S3_ENDPOINT: endpoint,
    AWS_ACCESS_KEY_ID: process.env.AWS_ACCESS_KEY_ID!,
    AWS_SECRET_ACCESS_KEY: process.env.AWS_SECRET_ACCESS_KEY!,
  }
  const Key = 'in/orders 2024.csv'
  await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: 'id,name\n1,Ada\n2\n3,Grace\n' }))
  const { code, stdout, stderr } = await sluice(['load', `s3://${bucket}/${Key}`, '--json'], { cwd, env })
  assert.equal(code, 0, stderr)
  const { table, inserted, rejected, source } = JSON.parse(stdout)
  assert.deepEqual([table, inserted, rejected, source], ['orders_2024', 2, 1, `s3://${bucket}/${Key}`])
  const none = await sluice(['load', `s3://${bucket}/none`], { cwd, env })
  assert.equal(none.code, 2)
  assert.match(none.stderr, /There is no object s3:/)
  const two = await sluice(['load', `s3://${bucket}/a`, 'b.csv'], { cwd, env })
  assert.match(two.stderr, /An object of S3 is loaded by itself/)
})
