import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSqlite } from '../src/write/sqlite/sqlite.ts'
import { conformance } from './database-conformance.ts'
import { sqliteBatch } from './support/sqlite-batch.ts'

conformance(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  return {
    open: () => openSqlite(join(folder, 'test.db')),
    batch: sqliteBatch,
    async stop() {
      rmSync(folder, { recursive: true })
    },
  }
})
