import { resumeStreamTests } from './resume-stream-suite.ts'
import { startPostgres } from './support/postgres.ts'

resumeStreamTests(async () => {
  const { url, stop } = await startPostgres()
  return { url, close: stop }
})
