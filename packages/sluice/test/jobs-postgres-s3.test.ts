import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { jobsSuite } from './jobs-suite.ts'

const database = await startPostgres()
const place = { endpoint: process.env.SLUICE_TEST_S3!, region: 'us-east-1', bucket: `sluice-${randomUUID()}` }
const client = new S3Client({ ...place, forcePathStyle: true })
await client.send(new CreateBucketCommand({ Bucket: place.bucket }))
after(async () => {
  client.destroy()
  await database.stop()
})

jobsSuite(async () => ({ databaseUrl: database.url, storage: { kind: 's3', ...place } }))

test('the bucket holds the object of what failed, nothing else and no parts', async () => {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: place.bucket }))
  assert.equal(Contents.length, 2)
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: place.bucket }))
  assert.deepEqual(Uploads, [])
})
