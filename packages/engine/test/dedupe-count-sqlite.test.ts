import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { contentCountSuite } from './dedupe-count-suite.ts'

contentCountSuite(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-count-'))
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => rmSync(folder, { recursive: true }) }
})
