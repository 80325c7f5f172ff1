import { join } from 'node:path'
import { dedupeSuite } from './dedupe-suite.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

dedupeSuite(async () => {
  const folder = temporaryFolder()
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => undefined }
})
