import { conflictSuite } from './conflict-suite.ts'
import { startPostgres } from './support/postgres.ts'

conflictSuite(startPostgres)
