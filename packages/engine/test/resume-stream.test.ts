import { join } from 'node:path'
import { resumeStreamTests } from './resume-stream-suite.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

resumeStreamTests(async () => {
  const folder = temporaryFolder()
  return { url: `sqlite:${join(folder, 'resume.db')}`, close: async () => undefined }
})
