import { after } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { makeBucket } from './bucket.ts'
import { clusterSuite } from './cluster-suite.ts'
import { startRedis } from './redis.ts'

const postgres = await startPostgres()
const redis = await startRedis()
const bucket = await makeBucket()
const tmp = temporaryFolder()
clusterSuite(
  async () => ({ DATABASE_URL: postgres.url, REDIS_URL: redis.url, SLUICE_TMP_DIR: tmp, ...bucket.env }),
  bucket.left,
)

// Behind the hook of the suite: who uses them ends first.
after(async () => {
  await redis[Symbol.asyncDispose]()
  await postgres.stop()
})
