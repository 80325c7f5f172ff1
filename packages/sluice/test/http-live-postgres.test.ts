import { after } from 'node:test'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { liveSuite } from './live-suite.ts'

const database = await startPostgres()
liveSuite(async () => ({ DATABASE_URL: database.url }))
after(() => database.stop())
