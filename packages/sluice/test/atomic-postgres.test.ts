import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openDatabase } from '@sluice/engine'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { atomicSuite } from './atomic-suite.ts'
import { sluice } from './sluice.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

atomicSuite(async () => server.url)

test('a user who may not delete learns so before anything is staged', async () => {
  const cwd = temporaryFolder()
  writeFileSync(join(cwd, 'in.csv'), 'id\n1\n')
  const database = await openDatabase(server.url)
  const role = `loader_${process.pid}`
  try {
    await database.query(`CREATE ROLE ${role} LOGIN PASSWORD 'secret'`)
    await database.query('CREATE TABLE guarded (id int)')
    await database.query(`GRANT SELECT, INSERT ON guarded TO ${role}`)
    await database.query(`GRANT ALL ON SCHEMA public TO ${role}`)
    for (const table of ['ingestion_jobs', 'ingestion_checkpoints', 'failed_imports', 'sluice_schema'])
      await database.query(`GRANT ALL ON ${table} TO ${role}`)
    const url = new URL(server.url)
    url.username = role
    url.password = 'secret'
    const args = ['load', 'in.csv', '--table', 'guarded', '--mode', 'replace', '--to', url.href]
    const { code, stderr } = await sluice(args, { cwd })
    assert.equal(code, 1, stderr)
    assert.match(stderr, /GRANT DELETE ON "guarded"/)
    const staged = await database.query(`SELECT 1 FROM pg_class WHERE starts_with(relname, 'sluice_stage_')`)
    assert.deepEqual(staged, [])
  } finally {
    await database.query(`DROP OWNED BY ${role}`)
    await database.query(`DROP ROLE ${role}`)
    await database.close()
  }
})
