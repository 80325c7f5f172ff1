import { after, before } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { atomicSuite } from './atomic-suite.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

atomicSuite(async () => server.url)
