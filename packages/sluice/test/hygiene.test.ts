import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { sluice, start } from './sluice.ts'
import { outcomeOf, sqliteTarget } from './torture.ts'

function sample(rows: number): { cwd: string; args: string[] } {
  const cwd = temporaryFolder()
  writeFileSync(
    join(cwd, 'people.csv'),
    Buffer.concat([...generate({ rows, bad: rows / 100, duplicates: 0, seed: 3 })]),
  )
  return { cwd, args: ['load', 'people.csv', '--to', `sqlite:${join(cwd, 'people.db')}`, '--batch-rows', '500'] }
}

test('a disk without room fails the load once, with no reject for it; with room again it goes on', async () => {
  const { cwd, args } = sample(10_000)
  const target = sqliteTarget(join(cwd, 'people.db'))
  // No file of the process may grow beyond some 400 KB: what SQLite gets is the error of a device that takes no more.
  const full = await sluice(args, { cwd, node: ['sh', '-c', 'ulimit -f 800; exec "$0" "$@"', process.execPath] })
  assert.equal(full.code, 1, full.stderr)
  assert.match(full.stderr, /SQLite failed committing records .*(disk I\/O error|database or disk is full)/)
  assert.doesNotMatch(full.stderr, /trying again/)
  const between = await outcomeOf(target, 'people')
  assert.equal(between.status, 'FAILED')
  assert.ok(between.counters.records_read! > 0 && between.counters.records_read! < 10_000)
  assert.equal(between.counters.rejected, between.rejectRows)
  assert.equal((await target.query("SELECT 1 FROM failed_imports WHERE code = 'database-error'")).length, 0)

  const { code, stderr } = await sluice(args, { cwd })
  assert.equal(code, 0, stderr)
  const { counters } = await outcomeOf(target, 'people')
  assert.equal(counters.records_read, 10_000)
  assert.equal(counters.inserted! + counters.rejected!, 10_000)
  assert.equal(Number((await target.query('SELECT count(*) AS n FROM people'))[0]!.n), counters.inserted)
})

test('a standard output or error without room is told where that can be, and ends nothing', async () => {
  const { cwd, args } = sample(10_000)
  const shell = (redirected: string, more: string[]) =>
    sluice(more, { cwd, node: ['sh', '-c', `exec "$0" "$@" ${redirected}`, process.execPath] })
  const loaded = await shell('> /dev/full', args)
  assert.equal(loaded.code, 1)
  assert.match(loaded.stderr, /sluice: what was to be printed could not be written to standard output: ENOSPC/)
  assert.equal((await outcomeOf(sqliteTarget(join(cwd, 'people.db')), 'people')).status, 'COMPLETED')
  for (const command of [
    ['jobs', ...args.slice(2, 4)],
    ['generate', '--rows', '10000'],
  ]) {
    const { code, stderr } = await shell('> /dev/full', command)
    assert.equal(code, 1)
    assert.match(
      stderr,
      /^sluice: what was to be printed could not be written to standard output: ENOSPC[^\n]*\n(rows=.*\n)?$/,
    )
  }
  const { code, stdout } = await shell('2> /dev/full', [...args, '--force', '--progress', 'json', '--json'])
  assert.equal(code, 0)
  assert.equal(JSON.parse(stdout).recordsRead, 10_000)
})

test('a reader of standard output and error that goes away ends nothing', async () => {
  const { cwd, args } = sample(10_000)
  const { child, ended } = start([...args, '--progress', 'json', '--json'], { cwd })
  child.stdout.destroy()
  child.stderr.once('data', () => child.stderr.destroy())
  const { code } = await ended
  assert.equal(code, 0)
  assert.equal((await outcomeOf(sqliteTarget(join(cwd, 'people.db')), 'people')).status, 'COMPLETED')
})
