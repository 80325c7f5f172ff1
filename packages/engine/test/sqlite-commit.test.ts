import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, test } from 'node:test'
import { promisify } from 'node:util'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { Leases } from '../src/checkpoint/leases.ts'
import { createTables } from '../src/checkpoint/tables.ts'
import { SluiceError } from '../src/errors.ts'
import { type Batch, BatchBuffer } from '../src/parse/batch.ts'
import { CSV } from '../src/parse/dialect.ts'
import { START } from '../src/parse/position.ts'
import type { Database, LoadPlan } from '../src/write/database.ts'
import { Connection } from '../src/write/sqlite/connection.ts'
import { classify } from '../src/write/sqlite/errors.ts'
import { Load } from '../src/write/sqlite/load.ts'
import { openSqlite } from '../src/write/sqlite/sqlite.ts'
import { columnOf } from './support/column.ts'
import { sqliteBatch, type Value } from './support/sqlite-batch.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

let folder: string
let path: string
let db: Database
let jobs: JobStore
let leases: Leases

beforeEach(async () => {
  folder = temporaryFolder()
  path = join(folder, 'test.db')
  db = await openSqlite(path, { busyTimeout: 100 })
  jobs = new JobStore(db)
  leases = new Leases(db)
  await createTables(db)
})

afterEach(async () => {
  await db.close()
  assert.deepEqual(
    readdirSync(folder).filter((name) => !name.startsWith('test.db')),
    [],
    'nothing is left beside the database',
  )
  assert.ok(!readdirSync(folder).includes('test.db-journal'))
})

/** Runs the statements that make table t, and prepares to load `names`, by default all of its columns. */
async function prepared(ddl: string[], names?: string[]): Promise<LoadPlan> {
  for (const statement of ddl) await db.query(statement)
  const jobId = randomUUID()
  const segments = [{ source: 'a.csv', start: START, endByte: null }]
  const rest = { settings: {}, settingsHash: '', fingerprint: {}, bytesTotal: null }
  await jobs.create({ jobId, source: 'a.csv', targetTable: 't', ...rest, segments })
  const { epoch, segment } = await leases.claim(jobId, 0, { owner: 'test', seconds: 60 })
  const table = (await db.describe({ schema: null, table: 't' }))!
  const columns = (names ?? table.columns.map(({ name }) => name)).map((name, cell) =>
    columnOf({
      name,
      from: { cell },
      storage: 'sqlite-text',
      // What a thread cannot be sent.
      test: () => undefined,
    }),
  )
  const origins = columns.map(({ name }, cell) => ({ header: `Header of ${name}`, cell }))
  const load = { jobId, segment, epoch, table: table.name, columns, origins }
  const plan: LoadPlan = { ...load, dialect: CSV, encoding: 'sqlite-page', write: 'copy' }
  await db.prepare(plan)
  return plan
}

const commit = (batch: Batch) => db.commit(batch, batch.to)
const rows = (count: number, make: (rank: number) => Value[]) => Array.from({ length: count }, (_, rank) => make(rank))
const column = async (query: string) => (await db.query<{ v: unknown }>(query)).map(({ v }) => v)
const rejected = ({
  rejects,
}: {
  rejects: { record: number; errors: { code: string; column: string | null; message: string }[] }[]
}) => rejects.map(({ record, errors: [error] }) => [record, error!.code, error!.column, error!.message])

test('batch after batch through the same file, growing and shrinking', async () => {
  await prepared(['CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)'])
  let id = 0
  let from = START
  for (const count of [1, 5_000, 3, 0, 20_000, 10]) {
    const batch = sqliteBatch(
      rows(count, () => [id++, `row ${id}`]),
      { from },
    )
    assert.equal((await commit(batch)).inserted, count)
    from = batch.to
  }
  assert.deepEqual(await db.query('SELECT count(*) AS n, sum(id) AS sum, min(name) AS name FROM t'), [
    { n: id, sum: (id * (id - 1)) / 2, name: 'row 1' },
  ])
  assert.deepEqual(await column('SELECT integrity_check AS v FROM pragma_integrity_check'), ['ok'])
})

test('a batch that is an object of a class', async () => {
  await prepared(['CREATE TABLE t (id INT)'])
  const plain = sqliteBatch([[1], [2]])
  const batch = new BatchBuffer({ records: 10, bytes: 1_000 }, true)
  batch.addInput(Buffer.from(plain.input))
  batch.addOutput(Buffer.from(plain.output))
  batch.addRows(plain.rowStarts.slice(0, 2))
  await db.commit(batch, plain.to)
  assert.deepEqual(await column('SELECT id AS v FROM t'), [1, 2])
})

test('rows too big for a page stand in their place of the order', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT, x)'])
  const big = new Set([0, 3, 4, 99])
  const data = rows(100, (rank): Value[] => [rank, (big.has(rank) ? 'é😀x'.repeat(20_000) : 'small') + rank, rank / 3])
  const batch = sqliteBatch(data)
  assert.deepEqual(
    batch.large.map(({ rank }) => rank),
    [...big],
  )
  await commit(batch)
  const found = await db.query('SELECT id, name, x FROM t ORDER BY rowid')
  assert.deepEqual(
    found.map((row) => Object.values(row)),
    data,
  )
})

test('a batch of nothing but big rows, one of them refused', async () => {
  await prepared(['CREATE TABLE t (id INT UNIQUE, name TEXT)'])
  const outcome = await commit(sqliteBatch(rows(5, (rank) => [rank === 3 ? 1 : rank, 'x'.repeat(70_000)])))
  assert.deepEqual(rejected(outcome), [[4, 'unique-error', 'Header of id', 'UNIQUE constraint failed: t.id']])
  assert.deepEqual(await column('SELECT id AS v FROM t'), [0, 1, 2, 4])
})

test('SQLite says what is wrong, and with which column', async () => {
  await prepared(
    [
      `CREATE TABLE t (id INTEGER PRIMARY KEY, "a.b, t.c" INT UNIQUE, c TEXT NOT NULL, d INT CONSTRAINT "d is small" CHECK (d < 9),
      e AS (json_extract(c, '$.x')) STORED)`,
    ],
    ['id', 'a.b, t.c', 'c', 'd'],
  )
  const outcome = await commit(
    sqliteBatch([
      [1, 1, '{}', 1],
      [1, 2, '{}', 1],
      [2, 1, '{}', 1],
      ['x', 3, '{}', 1],
      [3, 3, null, 1],
      [4, 4, '{}', 9],
      [5, 5, 'not json', 1],
      [6, 6, '{}', 1],
    ]),
  )
  assert.deepEqual(rejected(outcome), [
    [2, 'unique-error', 'Header of id', 'UNIQUE constraint failed: t.id'],
    [3, 'unique-error', 'Header of a.b, t.c', 'UNIQUE constraint failed: t.a.b, t.c'],
    [4, 'database-error', null, 'datatype mismatch'],
    [5, 'constraint-error', 'Header of c', 'NOT NULL constraint failed: t.c'],
    [6, 'constraint-error', null, 'CHECK constraint failed: d is small'],
    [7, 'database-error', null, 'malformed JSON'],
  ])
  assert.deepEqual(await column('SELECT id AS v FROM t'), [1, 6])
})

test('a STRICT table refuses values of another type', async () => {
  await prepared(['CREATE TABLE t (n INT) STRICT'])
  const outcome = await commit(sqliteBatch([[1], ['x'], [2]]))
  assert.deepEqual(rejected(outcome), [
    [2, 'database-error', 'Header of n', 'cannot store TEXT value in INT column t.n'],
  ])
})

test('the table cannot ask for a refused row to vanish, nor a trigger for half a statement to stay', async () => {
  for (const resolution of ['IGNORE', 'REPLACE', 'FAIL', 'ROLLBACK']) {
    const ddl = ['DROP TABLE IF EXISTS t', `CREATE TABLE t (id INT UNIQUE ON CONFLICT ${resolution}, n INT)`]
    await prepared(ddl)
    const outcome = await commit(sqliteBatch(rows(20, (rank) => [rank % 15, rank])))
    assert.deepEqual(
      rejected(outcome).map(([record]) => record),
      [16, 17, 18, 19, 20],
      resolution,
    )
    assert.deepEqual(await column('SELECT n AS v FROM t'), rows(15, (rank) => [rank]).flat(), resolution)
  }
  for (const raise of [`ABORT, 'no'`, `FAIL, 'no'`, `ROLLBACK, 'no'`]) {
    const plan = await prepared([
      'DROP TABLE IF EXISTS t',
      'CREATE TABLE t (id INT)',
      `CREATE TRIGGER refuse BEFORE INSERT ON t WHEN new.id % 10 = 3 BEGIN SELECT RAISE(${raise}); END`,
    ])
    const outcome = await commit(sqliteBatch(rows(100, (rank) => [rank])))
    assert.deepEqual(
      rejected(outcome),
      rows(10, (i) => [i * 10 + 4, 'database-error', null, 'no']),
      raise,
    )
    assert.deepEqual(
      await column('SELECT id AS v FROM t'),
      rows(100, (rank) => [rank])
        .flat()
        .filter((id) => Number(id) % 10 !== 3),
    )
    assert.deepEqual((await jobs.checkpoints(plan.jobId))[0]!.committed.record, 100)
  }
})

test('a row that a trigger swallows is a reject; what triggers do elsewhere is not counted, nor what they skip behind the row', async () => {
  await prepared([
    'CREATE TABLE t (id INT, name TEXT)',
    'CREATE TABLE log (id INT)',
    'CREATE TRIGGER swallow BEFORE INSERT ON t WHEN new.id = 2 BEGIN INSERT INTO log VALUES (1), (2); SELECT RAISE(IGNORE); END',
    'CREATE TRIGGER skip AFTER INSERT ON t WHEN new.id = 3 BEGIN INSERT INTO log VALUES (3); SELECT RAISE(IGNORE); END',
  ])
  const outcome = await commit(sqliteBatch(rows(5, (rank) => [rank, rank === 1 ? 'x'.repeat(70_000) : 'y'])))
  assert.deepEqual(rejected(outcome), [[3, 'database-error', null, 'a trigger of the table left the row out']])
  assert.equal(outcome.inserted, 4)
  assert.deepEqual(await column('SELECT id AS v FROM t'), [0, 1, 3, 4])
  assert.deepEqual(await column('SELECT id AS v FROM log'), [3])
})

test('one guilty row of 20,000 is found in few statements', async () => {
  const plan = await prepared(['CREATE TABLE t (id INT PRIMARY KEY, name TEXT)'])
  await db.close()
  // In this thread, to watch the statements.
  const connection = new Connection(path, 1_000)
  const load = new Load(connection, { ...plan, columns: ['id', 'name'] }, 't')
  const statements: string[] = []
  connection.db.exec = (text) => {
    statements.push(text)
    DatabaseSync.prototype.exec.call(connection.db, text)
  }
  const batch = sqliteBatch(rows(20_000, (rank) => [rank === 10_000 ? 5 : rank, `row ${rank}`]))
  const outcome = await load.commit(batch, batch.to)
  assert.deepEqual(rejected(outcome), [[10_001, 'unique-error', 'Header of id', 'UNIQUE constraint failed: t.id']])
  const attempts = statements.filter((text) => text === 'SAVEPOINT attempt').length
  assert.ok(attempts <= 2 * Math.ceil(Math.log2(20_000)) + 1, `${attempts} attempts`)
  load.close()
  connection.close()
})

test('a deferred key of several columns, also of rows too big for a page and of rows in the batch itself', async () => {
  await prepared([
    'CREATE TABLE parent (a INT, b TEXT, PRIMARY KEY (a, b))',
    `INSERT INTO parent VALUES (1, 'x')`,
    `CREATE TABLE t (id INT PRIMARY KEY, above INT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED, a INT, b TEXT,
      FOREIGN KEY (a, b) REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`,
  ])
  const long = 'y'.repeat(70_000)
  const outcome = await commit(
    sqliteBatch([
      [1, 1, 1, 'x'],
      [2, null, 1, 'z'],
      [3, 1, 1, null],
      [4, 99, null, 'z'],
      [5, 1, 1, long],
      [6, 5, 1, 'x'],
    ]),
  )
  assert.deepEqual(
    rejected(outcome).map(([record, code, name]) => [record, code, name]),
    [
      [2, 'constraint-error', 'Header of a'],
      [4, 'constraint-error', 'Header of above'],
      [5, 'constraint-error', 'Header of a'],
      [6, 'constraint-error', 'Header of above'],
    ],
  )
  assert.deepEqual(await column('SELECT id AS v FROM t'), [1, 3])
})

/** The batch cannot be committed, no row is to blame, and once the cause is gone it is committed in full. */
async function fails(error: { code: string; message: RegExp; cause: string }, heal: () => unknown): Promise<void> {
  const batch = sqliteBatch(rows(2_000, (rank) => [rank, 'x'.repeat(100)]))
  await assert.rejects(commit(batch), (thrown) => {
    assert.ok(thrown instanceof SluiceError)
    assert.equal(thrown.code, error.code)
    assert.match(thrown.message, error.message)
    assert.equal(classify(thrown), error.cause)
    return true
  })
  await heal()
  assert.equal((await commit(batch)).inserted, 2_000)
  assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [2_000])
  const [job] = await jobs.list()
  assert.deepEqual([job!.recordsRead, job!.inserted, job!.rejected], [2_000, 2_000, 0])
}

test('a full disk', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT)'])
  await db.query('PRAGMA max_page_count = 40')
  await fails({ code: 'SLUICE_DATABASE', message: /SQLITE_FULL.*Make room/, cause: 'environment' }, () =>
    db.query('PRAGMA max_page_count = 100000'),
  )
})

test('a database that another connection has locked', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT)'])
  const other = new DatabaseSync(path)
  other.exec('BEGIN IMMEDIATE')
  await fails({ code: 'SLUICE_DATABASE', message: /SQLITE_BUSY/, cause: 'transient' }, () => other.exec('ROLLBACK'))
  // A reader lets the writer begin, but not commit.
  await db.query('DELETE FROM t')
  await db.query('DELETE FROM ingestion_jobs')
  await prepared([])
  other.exec('BEGIN; SELECT count(*) FROM t')
  await fails({ code: 'SLUICE_DATABASE', message: /SQLITE_BUSY/, cause: 'transient' }, () => other.exec('ROLLBACK'))
  other.close()
})

test('a table that is gone', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT)'])
  await db.query('ALTER TABLE t RENAME TO u')
  await fails({ code: 'SLUICE_DATABASE', message: /no such table: main.t/, cause: 'environment' }, () =>
    db.query('ALTER TABLE u RENAME TO t'),
  )
})

test('a file that may only be read', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT)'])
  await db.close()
  // Not by its mode, which does not bind root.
  db = await openSqlite(`file:${path}?mode=ro`)
  await createTables(db)
  assert.equal((await db.describe({ schema: null, table: 't' }))!.columns.length, 2)
  await assert.rejects(db.query('DELETE FROM t'), { code: 'SLUICE_DATABASE', message: /SQLITE_READONLY.*writable/ })
})

test('a database that only lets itself be read', async () => {
  await prepared(['CREATE TABLE t (id INT, name TEXT)'])
  await db.query('PRAGMA query_only = ON')
  await fails({ code: 'SLUICE_DATABASE', message: /SQLITE_READONLY/, cause: 'environment' }, () =>
    db.query('PRAGMA query_only = OFF'),
  )
})

test('what cannot be opened', async () => {
  writeFileSync(join(folder, 'test.db.txt'), 'not a database, but long enough to be read as one'.repeat(100))
  await assert.rejects(openSqlite(join(folder, 'test.db.txt')), { code: 'SLUICE_CONNECT', message: /not a database/ })
  await assert.rejects(openSqlite(join(folder, 'missing', 'x.db')), {
    code: 'SLUICE_CONNECT',
    message: /unable to open/,
  })
})

test('calls out of turn', async () => {
  await assert.rejects(commit(sqliteBatch([])), { code: 'SLUICE_INTERNAL', message: /before prepare/ })
  const plan = await prepared(['CREATE TABLE t (id INT)'])
  await assert.rejects(db.prepare({ ...plan, table: { schema: null, table: 'missing' } }), { code: 'SLUICE_DATABASE' })
  await db.close()
  await db.close()
  await assert.rejects(db.query('SELECT 1'), { code: 'SLUICE_INTERNAL', message: /after close/ })
})

test('a second load with the same connection', async () => {
  await prepared(['CREATE TABLE t (id INT)'])
  await commit(sqliteBatch([[1]]))
  await prepared(['DROP TABLE t', 'CREATE TABLE t (a TEXT, b TEXT, c TEXT)'], ['c', 'a'])
  await commit(sqliteBatch([['x', 'y']]))
  assert.deepEqual(await db.query('SELECT * FROM t'), [{ a: 'y', b: null, c: 'x' }])
})

test('in a thread of its own: the event loop goes on while a lock is waited for', async () => {
  await db.close()
  db = await openSqlite(path, { busyTimeout: 400 })
  const other = new DatabaseSync(path)
  other.exec('BEGIN EXCLUSIVE')
  let turns = 0
  const timer = setInterval(() => turns++, 10)
  await assert.rejects(db.query('DELETE FROM failed_imports'), { message: /SQLITE_BUSY/ })
  clearInterval(timer)
  other.close()
  assert.ok(turns > 15, `${turns} turns`)
})

test('a process that forgets to close ends all the same, and leaves nothing', async () => {
  const module = (name: string) => JSON.stringify(new URL(`../src/${name}`, import.meta.url).href)
  const script = `
    const { openSqlite } = await import(${module('write/sqlite/sqlite.ts')})
    const db = await openSqlite(${JSON.stringify(path)})
    await db.query('CREATE TABLE t (id INT)')
    const table = { schema: null, table: 't' }
    await db.prepare({ jobId: '', segment: 0, epoch: 1, table, columns: [{ name: 'id' }], origins: [], dialect: {} })
    console.log((await db.describe(table)).columns.length)`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 20_000,
  })
  assert.equal(stdout, '1\n')
})

test('files that killed processes left are swept away, those of living ones are not', async () => {
  const dead = join(folder, '.sluice-stage-4194305-00ff')
  const living = join(folder, `.sluice-stage-${process.pid}-00ff`)
  for (const file of [dead, living]) writeFileSync(file, '')
  await prepared(['CREATE TABLE t (id INT)'])
  const left = readdirSync(folder)
  rmSync(living)
  assert.ok(!left.includes('.sluice-stage-4194305-00ff'))
  assert.ok(left.includes(`.sluice-stage-${process.pid}-00ff`))
})
