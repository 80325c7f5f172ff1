import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { before, describe, test } from 'node:test'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { Leases } from '../src/checkpoint/leases.ts'
import { createTables } from '../src/checkpoint/tables.ts'
import type { Batch } from '../src/parse/batch.ts'
import { CSV } from '../src/parse/dialect.ts'
import { START } from '../src/parse/position.ts'
import type { Outcome } from '../src/write/database.ts'
import { MOST_TOGETHER, UNDONE } from '../src/write/sqlite/channel.ts'
import { Connection } from '../src/write/sqlite/connection.ts'
import { Group } from '../src/write/sqlite/group.ts'
import { Load } from '../src/write/sqlite/load.ts'
import { openSqlite } from '../src/write/sqlite/sqlite.ts'
import { columnOf } from './support/column.ts'
import { sqliteBatch } from './support/sqlite-batch.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

let folder: string
before(() => {
  folder = temporaryFolder()
})

const TABLE = 'CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)'

/** A group in this thread, where its statements can be watched, with batches of ten rows that follow each other. */
async function grouped(mostRecords: number, ddl: string[] = [TABLE]) {
  const path = join(folder, `${randomUUID()}.db`)
  const database = await openSqlite(path)
  const jobs = new JobStore(database)
  await createTables(database)
  for (const text of ddl) await database.query(text)
  const jobId = randomUUID()
  const segments = [{ source: 'a.csv', start: START, endByte: null }]
  const rest = { settings: {}, settingsHash: '', fingerprint: {}, bytesTotal: null }
  await jobs.create({ jobId, source: 'a.csv', targetTable: 't', ...rest, segments })
  const { epoch, segment } = await new Leases(database).claim(jobId, 0, { owner: 'test', seconds: 60 })
  await database.close()
  const connection = new Connection(path, 100)
  const columns = ['id', 'name']
  const origins = columns.map((header, cell) => ({ header, cell }))
  const table = { schema: null, table: 't' }
  const plan = { jobId, segment, epoch, table, columns, origins, dialect: CSV }
  const load = new Load(connection, { ...plan, encoding: 'sqlite-page', write: 'copy' }, 't')
  const commits: string[] = []
  let fault: (text: string) => void = () => undefined
  connection.db.exec = (text) => {
    fault(text)
    DatabaseSync.prototype.exec.call(connection.db, text)
    if (text === 'COMMIT') commits.push(text)
  }
  const batches: Batch[] = []
  for (let i = 0; i < 2 * MOST_TOGETHER; i++) {
    const rows = Array.from({ length: 10 }, (_, rank) => [10 * i + rank, `row ${rank}`])
    batches.push(sqliteBatch(rows, { from: batches.at(-1)?.to ?? START }))
  }
  const group = new Group(load, mostRecords)
  const close = () => {
    load.close()
    connection.close()
  }
  return {
    path,
    batches,
    commits,
    close,
    failAt: (where: (text: string) => void) => {
      fault = where
    },
    /** Commits the batch, behind the one before it, with the one after it waiting, or nobody. */
    commit: (nth: number, { isAlone = false, next = nth + 1 }: { isAlone?: boolean; next?: number | null } = {}) =>
      group.commit(batches[nth]!, batches[nth]!.to, { isBehind: nth > 0 && !isAlone, isAlone }, () =>
        next === null ? undefined : batches[next],
      ),
  }
}

const ids = (path: string) => {
  using database = new DatabaseSync(path)
  const [job] = database.prepare('SELECT records_read, inserted, rejected FROM ingestion_jobs').all()
  const rows = database.prepare('SELECT id FROM t').all()
  return { ids: rows.map(({ id }) => id), ...job }
}
const all = (count: number) => ({
  ids: Array.from({ length: count }, (_, i) => i),
  records_read: count,
  inserted: count,
  rejected: 0,
})
const inserted = (answers: (Outcome | typeof UNDONE)[]) =>
  answers.map((answer) => (answer === UNDONE ? UNDONE : answer.inserted))

test('those that wait for each other share a commit, and are answered when it is made', async () => {
  const { commit, commits, path, close } = await grouped(1_000)
  const answers: unknown[] = []
  for (let nth = 0; nth < 2 * MOST_TOGETHER; nth++) answers.push(inserted(await commit(nth)))
  const together = [...Array.from({ length: MOST_TOGETHER - 1 }, () => []), Array(MOST_TOGETHER).fill(10)]
  assert.deepEqual(answers, [...together, ...together])
  assert.equal(commits.length, 2)
  assert.deepEqual(ids(path), all(20 * MOST_TOGETHER))
  close()
})

const ALONE: { what: string; most?: number; ddl?: string[]; next?: number | null }[] = [
  { what: 'nobody waits behind it', next: null },
  { what: 'the next one is not the one behind it', next: 3 },
  { what: 'both would have more records than a transaction is to have', most: 19 },
  { what: 'the table has triggers', ddl: [TABLE, 'CREATE TRIGGER x AFTER INSERT ON T BEGIN SELECT 1; END'] },
  {
    what: 'the table has foreign keys',
    ddl: ['CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, above INT REFERENCES t)'],
  },
]
for (const { what, most = 1_000, ddl, next = 1 } of ALONE) {
  test(`a batch is committed at once where ${what}`, async () => {
    const { commit, path, close } = await grouped(most, ddl)
    assert.deepEqual(inserted(await commit(0, { next })), [10])
    assert.deepEqual(ids(path), all(10))
    close()
  })
}

describe('an error with several in the transaction undoes all of them, and each comes again by itself', () => {
  for (let failing = 1; failing < MOST_TOGETHER; failing++) {
    for (const what of ['SAVEPOINT attempt', 'COMMIT']) {
      test(`${what} of batch ${failing + 1}`, async () => {
        const { commit, failAt, commits, path, close } = await grouped(1_000)
        for (let nth = 0; nth < failing; nth++) assert.deepEqual(await commit(nth), [])
        failAt((text) => {
          if (text === what) throw Object.assign(new Error('disk I/O error'), { errcode: 10 })
        })
        const answers = await commit(failing, { next: null })
        assert.deepEqual(inserted(answers), Array(failing + 1).fill(UNDONE))
        failAt(() => undefined)
        assert.deepEqual(ids(path), all(0))
        // What was sent behind it is not committed before it.
        assert.deepEqual(await commit(failing + 1), [UNDONE])
        for (let nth = 0; nth <= failing + 1; nth++) {
          assert.deepEqual(inserted(await commit(nth, { isAlone: true })), [10])
        }
        assert.equal(commits.length, failing + 2)
        assert.deepEqual(ids(path), all(10 * (failing + 2)))
        close()
      })
    }
  }
})

test('an error with one in the transaction is thrown, and who comes behind it is undone', async () => {
  const { commit, failAt, path, close } = await grouped(1_000)
  failAt((text) => {
    if (text === 'SAVEPOINT attempt') throw Object.assign(new Error('disk I/O error'), { errcode: 10 })
  })
  await assert.rejects(commit(0), { errcode: 10 })
  failAt(() => undefined)
  assert.deepEqual(await commit(1), [UNDONE])
  assert.deepEqual(ids(path), all(0))
  close()
})

test('through the thread: all batches, at once or one by one, whatever refuses rows between them', async () => {
  const path = join(folder, 'thread.db')
  const database = await openSqlite(path, { busyTimeout: 100 })
  try {
    await createTables(database)
    await database.query('CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT NOT NULL)')
    const jobs = new JobStore(database)
    const jobId = randomUUID()
    const segments = [{ source: 'a.csv', start: START, endByte: null }]
    const rest = { settings: {}, settingsHash: '', fingerprint: {}, bytesTotal: null }
    await jobs.create({ jobId, source: 'a.csv', targetTable: 't', ...rest, segments })
    const { epoch, segment } = await new Leases(database).claim(jobId, 0, { owner: 'test', seconds: 60 })
    const names = ['id', 'name']
    const columns = names.map((name, cell) => columnOf({ name, from: { cell }, storage: 'sqlite-text' }))
    const origins = names.map((header, cell) => ({ header, cell }))
    const table = { schema: null, table: 't' }
    const own = { jobId, segment, epoch, table, columns, origins, dialect: CSV, rows: 10_000 }
    await database.prepare({ ...own, encoding: 'sqlite-page', write: 'copy' })
    let from = START
    let last: Promise<Outcome> | undefined
    const outcomes: Promise<Outcome>[] = []
    for (let i = 0; i < 30; i++) {
      // The key of the first row is that of the first row of the batch before it.
      const rows = Array.from({ length: 100 }, (_, rank) => [rank === 0 ? 100 * (i - (i % 2)) : 100 * i + rank, 'x'])
      const batch = sqliteBatch(rows, { from })
      from = batch.to
      if (outcomes.length >= database.parallel) await outcomes[outcomes.length - database.parallel]
      last = database.commit(batch, batch.to, { after: last })
      outcomes.push(last)
    }
    const counts = (await Promise.all(outcomes)).map(({ inserted, rejects }) => [inserted, rejects.length])
    assert.deepEqual(
      counts,
      Array.from({ length: 30 }, (_, i) => (i % 2 === 0 ? [100, 0] : [99, 1])),
    )
    const [job] = await jobs.list()
    assert.deepEqual([job!.recordsRead, job!.inserted, job!.rejected], [3_000, 2_985, 15])
    const [checkpoint] = await jobs.checkpoints(jobId)
    assert.deepEqual(checkpoint!.committed, from)
  } finally {
    await database.close()
  }
})
