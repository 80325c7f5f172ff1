/** An object store and a Redis, as the environment that sluice is given, and what is in them. */
import { execFileSync } from 'node:child_process'
import { CreateBucketCommand, ListMultipartUploadsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { startRedis } from '../../packages/sluice/test/redis.ts'
import { command } from '../../scripts/commands.ts'
import { startSwift } from '../../scripts/swift.ts'
import type { Room } from './room.ts'

export interface Objects {
  env: Record<string, string>
  /** Objects of uploads that are stored whole. */
  count(): Promise<number>
  /** Uploads in parts that were begun and not ended. */
  unfinished(): Promise<number>
}

/** A bucket of its own, in the store at `SLUICE_TEST_S3` or in OpenStack Swift from Debian's packages. */
export async function objectStore(room: Room): Promise<Objects> {
  const given = process.env['SLUICE_TEST_S3']
  const { AWS_ACCESS_KEY_ID = '', AWS_SECRET_ACCESS_KEY = '' } = process.env
  const store = given ? undefined : await startSwift()
  if (store) room.closing(() => store.stop())
  const endpoint = given ?? store!.endpoint
  const accessKeyId = store?.accessKeyId ?? AWS_ACCESS_KEY_ID
  const secretAccessKey = store?.secretAccessKey ?? AWS_SECRET_ACCESS_KEY
  const bucket = `accept-${process.pid}-${Date.now().toString(36)}`
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    // Swift says 503 in its first moments.
    maxAttempts: 10,
    credentials: { accessKeyId, secretAccessKey },
  })
  room.closing(async () => client.destroy())
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  return {
    env: {
      S3_BUCKET: bucket,
      S3_ENDPOINT: endpoint,
      S3_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
    },
    count: async () =>
      (await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'uploads/' }))).KeyCount ?? 0,
    unfinished: async () =>
      (await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads?.length ?? 0,
  }
}

/** A Redis of its own, as BullMQ wants it, or the one at `SLUICE_TEST_REDIS`, with a number of a database that nobody else uses. */
export async function redis(room: Room): Promise<Record<string, string>> {
  const given = process.env['SLUICE_TEST_REDIS']
  if (given) return { REDIS_URL: given }
  command('redis-server', 'redis-server')
  const server = await startRedis(['--maxmemory-policy', 'noeviction'])
  room.closing(async () => server[Symbol.asyncDispose]())
  return { REDIS_URL: server.url }
}

const DATA = `local found = {}
for _, key in ipairs(redis.call('keys', 'sluice:*')) do
  if redis.call('type', key).ok == 'hash' then table.insert(found, redis.call('hget', key, 'data') or '') end
end
return found`

/** What the entries of the queue hold. */
export function queued(url: string): string[] {
  return execFileSync(command('redis-cli', 'redis-tools'), ['-u', url, 'eval', DATA, '0'], { encoding: 'utf8' }).split(
    '\n',
  )
}
