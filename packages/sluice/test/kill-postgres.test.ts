import { after, before } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { killTests } from './kill.ts'
import { postgresTarget } from './torture.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

killTests('PostgreSQL', () => postgresTarget(server.url))
