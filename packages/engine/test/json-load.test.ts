import { join } from 'node:path'
import { jsonLoadSuite } from './json-load-suite.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

jsonLoadSuite('SQLite', async () => {
  const folder = temporaryFolder()
  return {
    url: `sqlite:${join(folder, 'json.db')}`,
    stop: async () => undefined,
  }
})
