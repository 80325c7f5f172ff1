import { join } from 'node:path'
import { contentCountSuite } from './dedupe-count-suite.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

contentCountSuite(async () => {
  const folder = temporaryFolder()
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => undefined }
})
