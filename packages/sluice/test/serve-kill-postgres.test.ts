import { after } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { serveKillSuite } from './serve-kill-suite.ts'

const databases: Awaited<ReturnType<typeof startPostgres>>[] = []
after(async () => {
  for (const database of databases) await database.stop()
})

serveKillSuite(async () => {
  const database = await startPostgres()
  databases.push(database)
  return { DATABASE_URL: database.url }
})
