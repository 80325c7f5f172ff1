import { join } from 'node:path'
import { openSqlite } from '../src/write/sqlite/sqlite.ts'
import { conformance } from './database-conformance.ts'
import { sqliteBatch } from './support/sqlite-batch.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

conformance(async () => {
  const folder = temporaryFolder()
  return {
    open: () => openSqlite(join(folder, 'test.db')),
    batch: sqliteBatch,
    stop: async () => undefined,
  }
})
