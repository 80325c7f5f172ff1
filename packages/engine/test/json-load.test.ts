import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jsonLoadSuite } from './json-load-suite.ts'

jsonLoadSuite('SQLite', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-json-'))
  return {
    url: `sqlite:${join(folder, 'json.db')}`,
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  }
})
