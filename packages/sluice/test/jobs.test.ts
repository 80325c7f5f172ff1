import { join } from 'node:path'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { jobsSuite } from './jobs-suite.ts'

const folder = temporaryFolder()

jobsSuite(async () => ({
  databaseUrl: `sqlite:${join(folder, 'jobs.db')}`,
  storage: { kind: 'local', folder: join(folder, 'data') },
}))
