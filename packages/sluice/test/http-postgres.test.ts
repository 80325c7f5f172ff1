import { after } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { httpSuite } from './http-suite.ts'

let server: Awaited<ReturnType<typeof startPostgres>> | undefined
after(() => server?.stop())

httpSuite(async () => {
  server = await startPostgres()
  return { DATABASE_URL: server.url }
})
