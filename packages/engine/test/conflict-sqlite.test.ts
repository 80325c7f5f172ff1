import { join } from 'node:path'
import { conflictSuite } from './conflict-suite.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

conflictSuite(async () => {
  const folder = temporaryFolder()
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => undefined }
})
