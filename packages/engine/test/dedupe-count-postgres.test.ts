import { contentCountSuite } from './dedupe-count-suite.ts'
import { startPostgres } from './support/postgres.ts'

contentCountSuite(startPostgres)
