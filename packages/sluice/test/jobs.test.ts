import { join } from 'node:path'
import { jobsSuite } from './jobs-suite.ts'
import { temporaryFolder } from './sluice.ts'

const folder = temporaryFolder()

jobsSuite(async () => ({
  databaseUrl: `sqlite:${join(folder, 'jobs.db')}`,
  storage: { kind: 'local', folder: join(folder, 'data') },
}))
