import { after, before } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { killTests } from './kill.ts'
import { postgresTarget, type Target } from './torture.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

const terminate = async ({ query }: Target): Promise<number> => {
  const sql = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'sluice'`
  return (await query(sql)).length
}

killTests('PostgreSQL', () => postgresTarget(server.url), terminate)
