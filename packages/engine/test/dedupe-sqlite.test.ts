import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dedupeSuite } from './dedupe-suite.ts'

dedupeSuite(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-dedupe-'))
  return { url: `sqlite:${join(folder, 'test.db')}`, stop: async () => rmSync(folder, { recursive: true }) }
})
