import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { sluice, start } from './sluice.ts'
import { LONG, postgresTarget, SEED, sqliteTarget, type Target } from './torture.ts'

/** The long form is a file of 1 GB. */
const ROWS = LONG ? 5_000_000 : 200_000
const BATCH = LONG ? 5_000 : 2_000
/** In seconds. The short form runs beside other tests on a busy machine. */
const SOON = LONG ? 2 : 10

let server: Awaited<ReturnType<typeof startPostgres>>
const folder = temporaryFolder()
const file = join(folder, 'late.csv')
const schema = join(folder, 'schema.json')

before(async () => {
  server = await startPostgres()
  const rows = generate({ rows: ROWS, bad: ROWS / 100, duplicates: 0, seed: SEED })
  await pipeline(Readable.from(rows), createWriteStream(file))
  await pipeline(Readable.from([(await sluice(['generate', '--schema'])).stdout]), createWriteStream(schema))
})
after(() => server.stop())

describe(`a load of ${ROWS} records that is killed at 90 %`, () => {
  const targets: [string, () => Target][] = [
    ['PostgreSQL', () => postgresTarget(server.url)],
    ['SQLite', () => sqliteTarget(join(folder, 'late.db'))],
  ]
  for (const [name, targetFor] of targets) {
    test(`writes its first new rows within ${SOON} s of the next start: ${name}`, async (t) => {
      const target = targetFor()
      const args = ['load', file, '--schema', schema, '--table', 'late', '--to', target.url]
      args.push('--batch-rows', String(BATCH), '--json')
      const kill = `after-commit:${(ROWS / BATCH) * 0.9}=kill`
      const first = await sluice(args, { env: { SLUICE_FAILPOINTS: kill }, timeout: 600_000 })
      assert.equal(first.signal, 'SIGKILL', first.stderr)
      const read = async () => Number((await target.query('SELECT records_read FROM ingestion_jobs'))[0]!.records_read)
      const before = await read()
      assert.ok(before > ROWS * 0.89 && before < ROWS * 0.91)

      const began = performance.now()
      const { ended, child } = start(args, { timeout: 600_000 })
      while ((await read()) === before && child.exitCode === null) await delay(10)
      const seconds = (performance.now() - began) / 1000
      t.diagnostic(`new rows after ${seconds.toFixed(2)} s`)
      assert.ok(seconds < SOON)
      const { code, stdout, stderr } = await ended
      assert.equal(code, 0, stderr)
      const { recordsRead, inserted, rejected, resumedAtRecord } = JSON.parse(stdout)
      assert.deepEqual([recordsRead, inserted, rejected], [ROWS, ROWS * 0.99, ROWS * 0.01])
      assert.equal(resumedAtRecord, before)
      assert.equal(Number((await target.query('SELECT count(*) AS n FROM late'))[0]!.n), inserted)
    })
  }
})
