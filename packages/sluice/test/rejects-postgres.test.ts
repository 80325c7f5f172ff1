import { after, before } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { rejectsSuite } from './rejects-suite.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

rejectsSuite(async () => server.url)
