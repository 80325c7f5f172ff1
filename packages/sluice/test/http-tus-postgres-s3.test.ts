import { randomUUID } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after } from 'node:test'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { tusSuite } from './tus-suite.ts'

const database = await startPostgres()
const endpoint = process.env.SLUICE_TEST_S3!
const bucket = `sluice-${randomUUID()}`
const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true })
await client.send(new CreateBucketCommand({ Bucket: bucket }))
after(async () => {
  client.destroy()
  await database.stop()
})
const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
const tmp = temporaryFolder()

tusSuite(
  async () => ({
    DATABASE_URL: database.url,
    S3_BUCKET: bucket,
    S3_ENDPOINT: endpoint,
    SLUICE_TMP_DIR: tmp,
    AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY,
  }),
  async () => {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    const parts = readdirSync(tmp, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    return [
      ...Contents.map(({ Key }) => `object ${Key}`),
      ...Uploads.map(({ Key }) => `multipart upload ${Key}`),
      ...parts.map(({ parentPath, name }) => join(parentPath, name)),
    ]
  },
)
