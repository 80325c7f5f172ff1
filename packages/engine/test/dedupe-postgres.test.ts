import { dedupeSuite } from './dedupe-suite.ts'
import { startPostgres } from './support/postgres.ts'

dedupeSuite(startPostgres)
