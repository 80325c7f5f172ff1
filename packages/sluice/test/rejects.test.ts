import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { rejectsSuite } from './rejects-suite.ts'
import { sluice } from './sluice.ts'

rejectsSuite(async (folder) => `sqlite:${join(folder, 'a.db')}`)

/** In KB. Without small batches the load took more than this; one without rejects takes 128 MB. */
const PEAK_LIMIT = 200 * 1024
const TELL_PEAK = `data:text/javascript,process.on('exit',()=>console.error('peak',process.resourceUsage().maxRSS))`

test('rows that the database refuses take little memory, however many they are and whatever the size of a batch is', async () => {
  const cwd = temporaryFolder()
  const database = new DatabaseSync(join(cwd, 'a.db'))
  database.exec('CREATE TABLE c (id integer primary key, n integer check (n = 0), name text)')
  database.close()
  const lines = Array.from({ length: 120_000 }, (_, i) => `${i + 1},${i % 2},some name ${i}\n`)
  writeFileSync(join(cwd, 'c.csv'), `id,n,name\n${lines.join('')}`)
  const { code, stdout, stderr } = await sluice(
    ['load', 'c.csv', '--table', 'c', '--to', 'sqlite:a.db', '--batch-rows', '50000', '--json', '--quiet'],
    { cwd, node: [process.execPath, '--import', TELL_PEAK] },
  )
  assert.equal(code, 0, stderr)
  assert.deepEqual(JSON.parse(stdout).rejectsByCode, { 'constraint-error': 60_000 })
  const peak = Number(/peak (\d+)/.exec(stderr)?.[1])
  assert.ok(peak < PEAK_LIMIT, `${peak} KB`)
})
