import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createWriteStream, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '../../engine/test/support/random.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { generate } from '../src/generate/generate.ts'
import { sluice, start } from './sluice.ts'
import { LONG, outcomeOf, SEED, type Target } from './torture.ts'

const ROWS = LONG ? 1_000_000 : 12_000
/** At random times, and the longest life of a process in ms. With the failpoints the long form makes 200 kills. */
const KILLS = LONG ? 184 : 5
const LIFE = LONG ? 2_000 : 700
/** Between two times at which a server ends the connections of a load, in ms. */
const TERMINATE_EVERY = LONG ? 2_000 : 150

/** In the order in which a load reaches them, each with the time at which it is to be reached. */
const FAILPOINTS = [
  'before-tables',
  'before-create-job',
  'after-create-job',
  'after-create-table',
  'after-claim',
  'after-read',
  'after-fill',
  'before-begin',
  'after-rows',
  'before-commit',
  'after-commit',
  'after-fill:2',
  'before-commit:2',
  'after-commit:2',
  'before-finish',
  'after-segment-done',
]

/**
 * Kills loads into a database at every failpoint and at random times; what the same command makes of them must be the same.
 * @param terminate ends the connections of loads, for a database that is a server
 */
export function killTests(
  name: string,
  targetFor: (folder: string) => Target,
  terminate?: (target: Target) => Promise<number>,
): void {
  describe(`SIGKILL during a load into ${name} (seed ${SEED})`, async () => {
    const folder = temporaryFolder()
    const random = new Random(SEED)
    const schema = join(folder, 'schema.json')
    const file = join(folder, 'people.csv')
    let target: Target
    let undisturbed: Awaited<ReturnType<typeof outcomeOf>>

    const command = (table: string) => {
      const rows = LONG ? [] : ['--batch-rows', '800']
      return ['load', file, '--schema', schema, '--table', table, '--to', target.url, '--json', ...rows]
    }
    const finish = async (table: string) => {
      const { code, stderr } = await sluice(command(table), { cwd: folder, timeout: 300_000 })
      assert.equal(code, 0, stderr)
      assert.deepEqual(await outcomeOf(target, table), undisturbed)
      assert.deepEqual(
        readdirSync(folder, { recursive: true }).filter((entry) => /sluice-stage|-journal$/.test(String(entry))),
        [],
      )
    }

    test('an undisturbed load', async () => {
      target = targetFor(folder)
      await pipeline(
        Readable.from(generate({ rows: ROWS, bad: ROWS / 100, duplicates: ROWS / 200, seed: SEED })),
        createWriteStream(file),
      )
      await pipeline(Readable.from([(await sluice(['generate', '--schema'])).stdout]), createWriteStream(schema))
      const { code, stdout, stderr } = await sluice(command('t_calm'), { cwd: folder, timeout: 300_000 })
      assert.equal(code, 0, stderr)
      undisturbed = await outcomeOf(target, 't_calm')
      const { records_read, inserted, rejected } = undisturbed.counters
      assert.deepEqual(
        [records_read, inserted, rejected],
        [ROWS, ROWS - ROWS / 100 - ROWS / 200, ROWS / 100 + ROWS / 200],
      )
      assert.equal(JSON.parse(stdout).inserted, inserted)
    })

    test('at every failpoint, one after the other', async (t) => {
      for (const point of FAILPOINTS) {
        const { signal, stderr } = await sluice(command('t_points'), {
          cwd: folder,
          env: { SLUICE_FAILPOINTS: `${point}=kill` },
          timeout: 300_000,
        })
        assert.equal(signal, 'SIGKILL', `${point}: ${stderr}`)
      }
      await finish('t_points')
      t.diagnostic(`${FAILPOINTS.length} kills`)
    })

    test('a process that is stopped past its lease, and wakes, commits nothing more', async () => {
      const env = { SLUICE_LEASE_SECONDS: '1', SLUICE_FAILPOINTS: 'after-fill:4=delay=2500' }
      const stopped = start(command('t_stopped'), { cwd: folder, env, timeout: 300_000 })
      for (let read = 0; read === 0 && stopped.child.exitCode === null; await delay(20)) {
        const [job] = await target
          .query("SELECT records_read FROM ingestion_jobs WHERE target_table = 't_stopped'")
          .catch(() => [])
        read = Number(job?.records_read ?? 0)
      }
      // It has yet to reach the delay; in it no transaction is open.
      await delay(400)
      stopped.child.kill('SIGSTOP')
      await delay(1_100)
      try {
        await finish('t_stopped')
      } finally {
        stopped.child.kill('SIGCONT')
      }
      const { code, stderr } = await stopped.ended
      assert.equal(code, 1, stderr)
      assert.match(stderr, /Another process has taken over/)
      assert.deepEqual(await outcomeOf(target, 't_stopped'), undisturbed)
    })

    test('two processes with the same command: what one begins nobody does twice', async () => {
      const both = await Promise.all([
        sluice(command('t_two'), { cwd: folder, timeout: 300_000 }),
        sluice(command('t_two'), { cwd: folder, timeout: 300_000 }),
      ])
      for (const { code, stderr } of both) {
        if (code !== 0) assert.match(stderr, /is being loaded by|has just begun|taken over|already exists|is complete/)
      }
      if (both.some(({ code }) => code === 0)) assert.deepEqual(await outcomeOf(target, 't_two'), undisturbed)
      else await finish('t_two')
    })

    test('a load that is killed soon, life after life, gets on in each of them', async (t) => {
      // The long form leaves it to the clock; the short one to its first commit.
      const env: Record<string, string> = LONG ? {} : { SLUICE_FAILPOINTS: 'after-commit=kill' }
      const words = LONG ? command('t_lives') : [...command('t_lives'), '--batch-rows', '4000']
      let read = 0
      let lives = 0
      for (let code: number | null = null; code === null; lives++) {
        const { child, ended } = start(words, { cwd: folder, env })
        if (LONG) {
          await Promise.race([delay(3_000), once(child, 'exit')])
          child.kill('SIGKILL')
        }
        const life = await ended
        code = life.code
        assert.ok(code === null || code === 0, life.stderr)
        const [job] = await target.query("SELECT records_read FROM ingestion_jobs WHERE target_table = 't_lives'")
        if (code === null) assert.ok(Number(job?.records_read) > read, `life ${lives} stood still at ${read}`)
        read = Number(job?.records_read)
      }
      assert.ok(lives > 1)
      assert.deepEqual(await outcomeOf(target, 't_lives'), undisturbed)
      t.diagnostic(`${lives} lives`)
    })

    if (terminate) {
      test(`connections that are ended every ${TERMINATE_EVERY} ms: one call loads everything`, async (t) => {
        // Small batches, so that the long form lasts for some of these times.
        const words = LONG ? [...command('t_ended'), '--batch-rows', '2000'] : command('t_ended')
        const { child, ended } = start(words, { cwd: folder, timeout: 300_000 })
        let connections = 0
        while (child.exitCode === null) {
          await Promise.race([delay(TERMINATE_EVERY), ended])
          connections += await terminate(target)
        }
        const { code, stderr } = await ended
        assert.equal(code, 0, stderr)
        assert.ok(connections > 0)
        assert.deepEqual(await outcomeOf(target, 't_ended'), undisturbed)
        t.diagnostic(`${connections} ended connections`)
      })
    }

    test(`at ${KILLS} random times`, async (t) => {
      for (let kills = 0, round = 0; kills < KILLS; round++) {
        const table = `t_random_${round}`
        const jobs = `SELECT status, records_read FROM ingestion_jobs WHERE target_table = '${table}'`
        let job: Record<string, unknown> | undefined
        while (kills < KILLS && job?.status !== 'COMPLETED') {
          const { child, ended } = start(command(table), { cwd: folder })
          await Promise.race([delay(random.between(200, LIFE)), once(child, 'exit')])
          child.kill('SIGKILL')
          const { code, stderr } = await ended
          assert.ok(code === null || code === 0, stderr)
          if (code === null) kills++
          const read = Number(job?.records_read ?? 0)
          ;[job] = await target.query(jobs).catch(() => [])
          assert.ok(Number(job?.records_read ?? 0) >= read)
        }
        if (job?.status === 'COMPLETED') assert.deepEqual(await outcomeOf(target, table), undisturbed)
        else await finish(table)
        await target.query(`DROP TABLE ${table}`)
      }
      t.diagnostic(`${KILLS} kills`)
    })
  })
}
