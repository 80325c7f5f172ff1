import { after } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { testMigrations } from './migrations-suite.ts'

const postgres = await startPostgres()
after(() => postgres.stop())
await testMigrations(postgres.url)
