import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { EXAMPLES, sluice } from './sluice.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
before(async () => {
  server = await startPostgres()
})
after(() => server.stop())

test('the example goes into PostgreSQL as it goes into SQLite, and no password is shown', async () => {
  const cwd = temporaryFolder()
  const files = [join(EXAMPLES, 'customers.csv'), '--schema', join(EXAMPLES, 'customers.schema.json')]
  const { code, stdout, stderr } = await sluice(['load', ...files, '--to', server.url], { cwd })
  assert.equal(code, 0, stderr)
  assert.match(stdout, /\n {2}records read +5,010\n {2}inserted +4,948\n {2}rejected +62 {3}/)
  assert.doesNotMatch(stdout + stderr, /:password@/)
  assert.match(stderr, /amount numeric/)

  // The command of the receipt; the password comes from the environment.
  const words = /\n {2}sluice (rejects \S+ --to \S+)\n$/.exec(stdout)?.[1]?.split(' ')
  assert.ok(words, stdout)
  const { password } = new URL(server.url)
  const csv = await sluice(words, { cwd, env: { PGPASSWORD: password } })
  assert.equal(csv.code, 0, csv.stderr)
  const [header, ...rejects]: string[][] = parse(csv.stdout)
  assert.equal(rejects.length, 62)
  const guarded = rejects.filter((cells) => cells[header!.indexOf('sluice_guarded')] !== '')
  assert.ok(guarded.some(([id]) => id === "'=5000+7"))
})

test('DATABASE_URL is the default of --to', async () => {
  const cwd = temporaryFolder()
  const env = { DATABASE_URL: server.url }
  const load = await sluice(['load', '-', '--table', 'heard', '--json'], { cwd, env, input: 'id,name\n1,Anna\n' })
  assert.equal(load.code, 0, load.stderr)
  const { jobId } = JSON.parse(load.stdout)
  const [job] = JSON.parse((await sluice(['jobs', '--json'], { cwd, env })).stdout)
  assert.deepEqual([job.jobId, job.status, job.inserted], [jobId, 'COMPLETED', 1])
})
