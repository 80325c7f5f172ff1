import { join } from 'node:path'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { testMigrations } from './migrations-suite.ts'

await testMigrations(`sqlite:${join(temporaryFolder(), 'test.db')}`)
