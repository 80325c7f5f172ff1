import { openPostgres } from '../src/write/postgres/postgres.ts'
import { conformance } from './database-conformance.ts'
import { batchOf } from './support/pg-batch.ts'
import { startPostgres } from './support/postgres.ts'

conformance(async () => {
  const server = await startPostgres()
  return { open: () => openPostgres(server.url), batch: batchOf, stop: () => server.stop() }
})
