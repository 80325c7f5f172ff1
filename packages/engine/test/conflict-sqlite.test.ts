import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { conflictSuite } from './conflict-suite.ts'

conflictSuite(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conflict-'))
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => rmSync(folder, { recursive: true }) }
})
