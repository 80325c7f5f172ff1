import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { resumeStreamTests } from './resume-stream-suite.ts'

resumeStreamTests(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-resume-'))
  return { url: `sqlite:${join(folder, 'resume.db')}`, close: async () => rmSync(folder, { recursive: true }) }
})
