import { randomUUID } from 'node:crypto'
import { after } from 'node:test'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'

export interface Bucket {
  /** For a server or worker that stores in it. */
  env: Record<string, string>
  /** Objects, and multipart uploads that nobody ended. */
  left(): Promise<string[]>
}

/** A bucket of the test file's own. @param endpoint that servers are to use; default: the store's own */
export async function makeBucket(endpoint?: string): Promise<Bucket> {
  const store = process.env.SLUICE_TEST_S3!
  const bucket = `sluice-${randomUUID()}`
  const client = new S3Client({ endpoint: store, region: 'us-east-1', forcePathStyle: true })
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  after(() => client.destroy())
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
  return {
    env: { S3_BUCKET: bucket, S3_ENDPOINT: endpoint ?? store, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY },
    async left() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }))
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
      return [...Contents.map(({ Key }) => `object ${Key}`), ...Uploads.map(({ Key }) => `multipart upload ${Key}`)]
    },
  }
}
