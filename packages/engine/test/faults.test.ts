import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, test } from 'node:test'
import type { Sql } from '../src/write/database.ts'
import { assertSmallLoad, LONG, smallLoad, writeSmallFile } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()
const file = join(folder, 'small.csv')
before(() => writeSmallFile(file))

function sqlOf(path: string): Sql {
  return {
    async query<Row>(text: string) {
      using db = new DatabaseSync(path)
      return db.prepare(text).all() as Row[]
    },
  }
}

/** One load with failpoints, which are read when the thread that writes starts. */
async function loadWith(
  failpoints: string,
  path: string,
): Promise<{ error?: NodeJS.ErrnoException; notices: string[] }> {
  const notices: string[] = []
  process.env.SLUICE_FAILPOINTS = failpoints
  try {
    await smallLoad(file, `sqlite:${path}`, { onNotice: (message) => notices.push(message) })
    return { notices }
  } catch (error) {
    return { error: error as NodeJS.ErrnoException, notices }
  } finally {
    delete process.env.SLUICE_FAILPOINTS
  }
}

function assertTidy(path: string, what: string): void {
  const left = readdirSync(folder).filter((name) => /stage|-journal|-wal/.test(name))
  assert.deepEqual(left, [], what)
  using db = new DatabaseSync(path)
  // Nobody holds a lock, so no transaction is open.
  db.exec('BEGIN EXCLUSIVE; ROLLBACK')
  assert.deepEqual(
    db.prepare('PRAGMA integrity_check').get(),
    Object.assign(Object.create(null), { integrity_check: 'ok' }),
  )
}

/** Runs `each` for N = 1, 2, 3 … until the load does not reach its failpoint an N-th time. */
async function sweep(place: string, each: (nth: number, path: string) => Promise<boolean>): Promise<number> {
  // The short form takes one query in seven.
  const step = place === 'sqlite-query' && !LONG ? 7 : 1
  for (let nth = 1; ; nth += step) {
    const path = join(folder, `sweep-${nth}.db`)
    const reached = await each(nth, path)
    rmSync(path, { force: true })
    if (!reached) return nth - 1
  }
}

const PLACES = ['sqlite-query', 'before-begin', 'after-rows', 'before-commit', 'after-commit']

for (const place of PLACES) {
  test(`${place}: a transient error at the N-th, for every N, costs a retry and nothing else`, async (t) => {
    const count = await sweep(place, async (nth, path) => {
      const { error, notices } = await loadWith(`${place}:${nth}=transient`, path)
      assert.equal(error, undefined, `${nth}: ${error?.stack}`)
      await assertSmallLoad(sqlOf(path), `${place} ${nth}`)
      assertTidy(path, `${place} ${nth}`)
      return notices.some((notice) => notice.includes('trying again'))
    })
    assert.ok(count >= 3, `reached ${count} times`)
    t.diagnostic(`${count} failed operations`)
  })

  test(`${place}: any other error from the N-th on, for every N, leaves what the next run goes on with`, async (t) => {
    const count = await sweep(place, async (nth, path) => {
      const { error } = await loadWith(`${place}:${nth}+=error`, path)
      const done = error === undefined
      if (!done) {
        assert.equal(error.code, 'SLUICE_INTERNAL', `${nth}: ${error.stack}`)
        assertTidy(path, `${place} ${nth}`)
        // Where the job could not be marked, its end went unsaid.
        const [job] = await sqlOf(path)
          .query<{ status: string }>('SELECT status FROM ingestion_jobs')
          .catch(() => [])
        if (job?.status !== 'COMPLETED') await smallLoad(file, `sqlite:${path}`)
      }
      await assertSmallLoad(sqlOf(path), `${place} ${nth}`)
      assertTidy(path, `${place} ${nth}`)
      return !done
    })
    assert.ok(count >= 3, `reached ${count} times`)
    t.diagnostic(`${count} failed operations`)
  })
}
