import { jsonLoadSuite } from './json-load-suite.ts'
import { startPostgres } from './support/postgres.ts'

jsonLoadSuite('PostgreSQL', startPostgres)
