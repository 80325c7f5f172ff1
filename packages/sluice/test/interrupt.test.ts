import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { sluice, start } from './sluice.ts'

/** A load whose input never ends, once its first rows are committed. */
async function startEndless(cwd: string) {
  const args = ['load', '-', '--table', 'people', '--progress', 'json']
  const input = Buffer.concat([...generate({ rows: 100, bad: 0, duplicates: 0, seed: 1 })])
  const running = start(args, { cwd, input, inputStaysOpen: true, env: { TMPDIR: cwd } })
  await new Promise<void>((resolve) => {
    let seen = ''
    running.child.stderr.on('data', (text: string) => {
      seen += text
      if (/"recordsRead":[1-9]/.test(seen)) resolve()
    })
    running.child.on('exit', () => resolve())
  })
  return running
}

/** What `sluice jobs` says of the only job, and the files that there are: the folder is that of temporary ones, too. */
async function leftBy(cwd: string): Promise<{ status: string; files: string[] }> {
  const { stdout, stderr } = await sluice(['jobs', '--json'], { cwd })
  const [job] = JSON.parse(stdout || stderr)
  return { status: job.status, files: readdirSync(cwd) }
}

describe('the first signal', { concurrency: 2 }, () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    test(`${signal} ends the load with ${code}, and says how to go on`, async () => {
      const cwd = temporaryFolder()
      const { child, ended } = await startEndless(cwd)
      child.kill(signal)
      const end = await ended
      assert.equal(end.code, code, end.stderr)
      assert.deepEqual(await leftBy(cwd), { status: 'PENDING', files: ['sluice.db'] })
      const last = JSON.parse(end.stderr.trimEnd().split('\n').at(-1)!)
      assert.equal(last.code, 'SLUICE_INTERRUPTED')
      assert.match(last.message, /same command/)
    })
  }

  test('that comes twice at once, as from a terminal under npx, counts once', async () => {
    const { child, ended } = await startEndless(temporaryFolder())
    child.kill('SIGINT')
    child.kill('SIGINT')
    const { code, stderr } = await ended
    assert.equal(code, 130)
    assert.match(stderr, /SLUICE_INTERRUPTED/)
  })
})

test('the second signal ends it at once, even while a commit waits', async () => {
  const cwd = temporaryFolder()
  const { child, ended } = await startEndless(cwd)
  const stopping = new Promise<void>((resolve) => {
    child.stderr.on('data', (text: string) => {
      if (text.includes('stopping: ')) resolve()
    })
  })
  using database = new DatabaseSync(join(cwd, 'sluice.db'))
  database.exec('BEGIN EXCLUSIVE')
  const more = Buffer.concat([...generate({ rows: 200, bad: 0, duplicates: 0, seed: 2 })])
  child.stdin.write(more.subarray(more.indexOf('\n') + 1))
  // The batch is closed after a second, and then waits for the lock.
  await setTimeout(1_500)
  child.kill('SIGTERM')
  await stopping
  child.kill('SIGTERM')
  const { code, stderr } = await ended
  assert.equal(code, 143, stderr)
  assert.doesNotMatch(stderr, /SLUICE_INTERRUPTED/)
  database.exec('ROLLBACK')
  // It had no time to say that it stops; whoever comes next sees that it is gone.
  assert.equal((await leftBy(cwd)).status, 'PROCESSING')
})

test('an interrupted load of a file goes on with the same command', async () => {
  const cwd = temporaryFolder()
  writeFileSync(
    join(cwd, 'people.csv'),
    Buffer.concat([...generate({ rows: 12_000, bad: 120, duplicates: 0, seed: 1 })]),
  )
  writeFileSync(join(cwd, 'schema.json'), (await sluice(['generate', '--schema'])).stdout)
  const args = ['load', 'people.csv', '--schema', 'schema.json', '--json', '--batch-rows', '100']
  // It must not be through before it is seen.
  const { child, ended } = start(args, { cwd, env: { SLUICE_FAILPOINTS: 'after-commit:5=delay=3000' } })
  while (child.exitCode === null) {
    const jobs = await sluice(['jobs', '--json'], { cwd })
    if (jobs.code === 0 && JSON.parse(jobs.stdout)[0]?.recordsRead > 0) break
    await setTimeout(20)
  }
  child.kill('SIGTERM')
  const first = await ended
  assert.equal(first.code, 143, first.stderr)
  assert.match(first.stderr, /same command/)

  const second = await sluice(args, { cwd })
  assert.equal(second.code, 0, second.stderr)
  const receipt = JSON.parse(second.stdout)
  assert.ok(receipt.resumedAtRecord > 0)
  assert.deepEqual([receipt.recordsRead, receipt.inserted, receipt.rejected], [12_000, 11_880, 120])
})
