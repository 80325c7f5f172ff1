import { join } from 'node:path'
import { testMigrations } from './migrations-suite.ts'
import { temporaryFolder } from './sluice.ts'

await testMigrations(`sqlite:${join(temporaryFolder(), 'test.db')}`)
