import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { createTables } from '../src/checkpoint/tables.ts'
import { SluiceError } from '../src/errors.ts'
import type { Batch } from '../src/parse/batch.ts'
import type { Database, LoadPlan } from '../src/write/database.ts'
import { openPostgres } from '../src/write/postgres/postgres.ts'
import { batchOf, type Cell, planFor } from './support/pg-batch.ts'
import { startPostgres } from './support/postgres.ts'

let server: Awaited<ReturnType<typeof startPostgres>>
let db: Database

before(async () => {
  server = await startPostgres()
  db = await openPostgres(server.url)
  await createTables(db)
})

after(async () => {
  await db.close()
  await server.stop()
})

/** Creates table `t` with an attempt counter, and prepares to load it. */
async function prepared(columns: string, plan: Partial<LoadPlan> = {}): Promise<LoadPlan> {
  await db.query('DROP TABLE IF EXISTS t CASCADE')
  await db.query(`CREATE TABLE t (${columns})`)
  // A sequence keeps its value when a transaction is rolled back, so it counts refused statements too.
  await db.query('CREATE SEQUENCE IF NOT EXISTS statements')
  await db.query(`SELECT setval('statements', 1, false)`)
  await db.query(`CREATE OR REPLACE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$`)
  await db.query('CREATE TRIGGER count BEFORE INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION count_statement()')
  return prepareOn('t', plan)
}

async function prepareOn(table: string, plan: Partial<LoadPlan> = {}): Promise<LoadPlan> {
  const target = await db.describe({ schema: null, table })
  assert.ok(target)
  const whole = await planFor(db, target, { jobId: randomUUID(), encoding: 'pg-binary', ...plan })
  await db.prepare(whole)
  return whole
}

async function statements(): Promise<number> {
  const [row] = await db.query<{ count: number }>(
    'SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS count FROM statements',
  )
  return row!.count
}

async function column(query: string): Promise<unknown[]> {
  return (await db.query<{ v: unknown }>(query)).map(({ v }) => v)
}

const commit = (batch: Batch) => db.commit(batch, batch.to)
const rows = (count: number, make: (rank: number) => Cell[]) => Array.from({ length: count }, (_, rank) => make(rank))

test('commits rows, rejects, counters and checkpoint together', async () => {
  const plan = await prepared('id int4 PRIMARY KEY, name text')
  const reject = {
    record: 2,
    line: 2,
    byteOffset: 2,
    errors: [{ column: 'id', code: 'type-error' as const, message: '"x\0" is not an integer', value: 'x\0' }],
    raw: Buffer.from('x\0,y'),
    rawLength: 4,
  }
  const batch = batchOf(
    [
      [1, 'Ünï'],
      [2, null],
    ],
    { rejects: [reject] },
  )
  const { job, ...outcome } = await commit(batch)
  const counts = { inserted: 2, updated: 0, unchanged: 0, duplicates: 0 }
  assert.deepEqual(outcome, { ...counts, rejects: [] })
  assert.deepEqual(job, { recordsRead: 3, ...counts, rejected: 1, bytesCommitted: batch.to.byte })
  assert.deepEqual(await db.query('SELECT * FROM t ORDER BY id'), [
    { id: 1, name: 'Ünï' },
    { id: 2, name: null },
  ])
  assert.deepEqual(
    await db.query(
      'SELECT line, record, byte_offset, column_name, code, message, value, raw FROM failed_imports WHERE job_id = $1',
      [plan.jobId],
    ),
    [
      {
        line: 2,
        record: 2,
        byte_offset: 2,
        column_name: 'id',
        code: 'type-error',
        message: '"x\uFFFD" is not an integer',
        value: 'x\uFFFD',
        raw: Buffer.from('x\0,y'),
      },
    ],
  )
  assert.deepEqual(
    await db.query(
      'SELECT committed_byte, committed_line, committed_record FROM ingestion_checkpoints WHERE job_id = $1',
      [plan.jobId],
    ),
    [{ committed_byte: batch.to.byte, committed_line: batch.to.line, committed_record: 3 }],
  )
  assert.deepEqual(
    await db.query('SELECT records_read, inserted, rejected FROM ingestion_jobs WHERE job_id = $1', [plan.jobId]),
    [{ records_read: 3, inserted: 2, rejected: 1 }],
  )
  assert.equal(await statements(), 1)
})

test('20,000 rows with one unique violation in the middle: one reject in four statements', async () => {
  await prepared('id int4 PRIMARY KEY, name text')
  const from = { byte: 1_000, line: 100, record: 50 }
  const batch = batchOf(
    rows(20_000, (rank) => [rank === 10_000 ? 9_000 : rank, `row ${rank}`]),
    { from },
  )
  const { inserted, rejects } = await commit(batch)
  assert.equal(inserted, 19_999)
  assert.deepEqual(
    rejects.map(({ raw, ...rest }) => ({ ...rest, raw: Buffer.from(raw).toString() })),
    [
      {
        record: 50 + 10_001,
        line: 100 + 10_000,
        byteOffset: 1_000 + batch.rowStarts[10_000]!,
        errors: [
          {
            column: 'id',
            code: 'unique-error',
            message: 'duplicate key value violates unique constraint "t_pkey": Key (id)=(9000) already exists',
            value: '9000',
          },
        ],
        raw: '9000,row 10000',
        rawLength: 14,
      },
    ],
  )
  assert.equal(await statements(), 4)
  assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [19_999])
  assert.deepEqual(await column('SELECT name AS v FROM t WHERE id = 9000'), ['row 9000'])
})

test('thousands of bad rows of several kinds: each found, in a few statements each', async () => {
  await prepared('id int4 PRIMARY KEY, n int4 CHECK (n < 1000), name varchar(20) NOT NULL')
  const bad = (rank: number) => rank % 7 === 0
  const batch = batchOf(
    rows(10_000, (rank) => {
      if (!bad(rank)) return [rank, 1, 'fine']
      // The first of each kind is preceded by the row whose key it repeats.
      return [
        [rank - 1, 1, 'fine'],
        [rank, 1_000, 'fine'],
        [rank, 1, null],
        [rank, 1, 'x'.repeat(21)],
      ][(rank / 7) % 4]! as Cell[]
    }).slice(1),
  )
  const { rejects, inserted } = await commit(batch)
  const guilty = Array.from({ length: 9_999 }, (_, i) => i + 1).filter(bad)
  assert.deepEqual(
    rejects.map(({ record }) => record),
    guilty,
  )
  assert.equal(inserted, 9_999 - guilty.length)
  const kinds = [
    ['unique-error', 'id'],
    ['constraint-error', 'n'],
    ['constraint-error', 'name'],
  ]
  const found = new Set(rejects.map(({ errors }) => JSON.stringify([errors[0]!.code, errors[0]!.column])))
  for (const kind of kinds) assert.ok(found.has(JSON.stringify(kind)), `${kind} in ${[...found]}`)
  assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [inserted])
  const count = await statements()
  assert.ok(count < 6 * guilty.length, `${count} statements for ${guilty.length} rows`)
})

test('a violated foreign key, which names no line, is found in O(log n) statements, deferred or not', async () => {
  await db.query('CREATE TABLE parent (id int4 PRIMARY KEY)')
  await db.query('INSERT INTO parent SELECT generate_series(0, 9)')
  for (const deferred of ['', 'DEFERRABLE INITIALLY DEFERRED']) {
    await prepared(`id int4, parent int4 REFERENCES parent ${deferred}`)
    const { rejects } = await commit(batchOf(rows(5_000, (rank) => [rank, rank === 3_210 ? 99 : rank % 10])))
    assert.deepEqual(
      rejects.map(({ record }) => record),
      [3_211],
    )
    assert.equal(rejects[0]!.errors[0]!.code, 'constraint-error')
    assert.equal(rejects[0]!.errors[0]!.column, 'parent')
    assert.ok((await statements()) <= 2 * Math.ceil(Math.log2(5_000)) + 1)
  }
})

test('the earlier of two rows with one key wins, wherever the batches are cut', async () => {
  const data: Cell[][] = rows(40, (rank) => [rank % 17, `row ${rank}`])
  for (const cut of [40, 20, 7, 1]) {
    await prepared('id int4 PRIMARY KEY, name text')
    let from = { byte: 0, line: 1, record: 0 }
    const rejected: number[] = []
    for (let at = 0; at < data.length; at += cut) {
      const batch = batchOf(data.slice(at, at + cut), { from })
      rejected.push(...(await commit(batch)).rejects.map(({ record }) => record))
      from = batch.to
    }
    assert.deepEqual(
      rejected,
      Array.from({ length: 23 }, (_, i) => i + 18),
      `batches of ${cut}`,
    )
    assert.deepEqual(await column('SELECT name AS v FROM t ORDER BY id'), rows(17, (rank) => [`row ${rank}`]).flat())
  }
})

test('what a trigger raises is a database-error with its message, whatever its code', async () => {
  await prepared('id int4')
  await db.query(`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.id = 3 THEN RAISE EXCEPTION 'three is not welcome' USING ERRCODE = 'insufficient_privilege'; END IF;
    IF new.id = 5 THEN RAISE EXCEPTION 'nor is five' USING DETAIL = 'Really.'; END IF;
    IF new.id = 7 THEN RETURN NULL; END IF;
    RETURN new; END $$`)
  await db.query('CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse()')
  const { rejects, inserted } = await commit(batchOf(rows(10, (rank) => [rank])))
  assert.deepEqual(
    rejects.map(({ errors }) => [errors[0]!.code, errors[0]!.message]),
    [
      ['database-error', 'three is not welcome'],
      ['database-error', 'nor is five: Really'],
      ['database-error', 'a trigger of the table left the row out'],
    ],
  )
  assert.equal(inserted, 7)
  assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [7])
})

for (const write of ['copy', 'unnest'] as const) {
  test(`rows that a trigger redirects to an heir of the table are in it, those that it drops are not: ${write}`, async () => {
    await prepared('id int4')
    await db.query('CREATE TABLE even () INHERITS (t)')
    await db.query('CREATE TABLE fourth () INHERITS (even)')
    await db.query(`CREATE OR REPLACE FUNCTION redirect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF new.id % 4 = 0 THEN INSERT INTO fourth VALUES (new.*); RETURN NULL; END IF;
      IF new.id % 2 = 0 THEN INSERT INTO even VALUES (new.*); RETURN NULL; END IF;
      IF new.id % 5 = 0 THEN RETURN NULL; END IF;
      RETURN new; END $$`)
    await db.query('CREATE TRIGGER redirect BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION redirect()')
    await prepareOn('t', { write, encoding: write === 'copy' ? 'pg-binary' : 'pg-text' })
    const encoding = write === 'copy' ? 'pg-binary' : 'pg-text'
    const { rejects, inserted } = await commit(
      batchOf(
        rows(20, (rank) => [rank]),
        { encoding },
      ),
    )
    assert.deepEqual(
      rejects.map(({ record }) => record - 1),
      [5, 15],
    )
    assert.equal(inserted, 18)
    assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [18])
    assert.deepEqual(await column('SELECT count(*) AS v FROM ONLY t'), [8])
  })
}

test('of a view, rows that its trigger leaves out are told by unnest', async () => {
  await prepared('id int4')
  await db.query('CREATE VIEW seen AS SELECT id FROM t')
  await db.query(`CREATE FUNCTION into_t() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF new.id = 3 THEN RETURN NULL; END IF; INSERT INTO t VALUES (new.id); RETURN new; END $$`)
  await db.query('CREATE TRIGGER into_t INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION into_t()')
  await prepareOn('seen', { write: 'unnest', encoding: 'pg-text' })
  const { rejects, inserted } = await commit(
    batchOf(
      rows(5, (rank) => [rank]),
      { encoding: 'pg-text' },
    ),
  )
  assert.deepEqual([inserted, rejects.map(({ record }) => record)], [4, [4]])
  assert.deepEqual(await column('SELECT id AS v FROM t ORDER BY id'), [0, 1, 2, 4])
})

test('few statements find few swallowed rows among many, and one finds a batch of nothing else', async () => {
  await prepared('id int4')
  await db.query(`CREATE OR REPLACE FUNCTION drop_some() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF new.id < 0 THEN RETURN NULL; END IF; RETURN new; END $$`)
  await db.query('CREATE TRIGGER drop_some BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION drop_some()')
  const first = batchOf(rows(20_000, (rank) => [rank === 7 || rank === 15_000 ? -1 : rank]))
  assert.deepEqual(
    (await commit(first)).rejects.map(({ record }) => record),
    [8, 15_001],
  )
  const before = await statements()
  assert.ok(before <= 1 + 4 * Math.ceil(Math.log2(20_000)), `${before} statements`)
  const second = await commit(
    batchOf(
      rows(20_000, () => [-1]),
      { from: first.to },
    ),
  )
  assert.deepEqual([second.inserted, second.rejects.length], [0, 20_000])
  assert.equal((await statements()) - before, 1)
})

test('rows of a partitioned table: the column of a key violated in a partition is known', async () => {
  await db.query('CREATE TABLE parts (id int4 PRIMARY KEY, name text) PARTITION BY RANGE (id)')
  await db.query('CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)')
  await db.query('CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20)')
  await prepareOn('parts')
  const { rejects } = await commit(
    batchOf([
      [1, 'a'],
      [11, 'b'],
      [11, 'c'],
      [21, 'd'],
      [2, 'e'],
    ]),
  )
  assert.deepEqual(
    rejects.map(({ record, errors }) => [record, errors[0]!.code, errors[0]!.column]),
    [
      [3, 'unique-error', 'id'],
      [4, 'constraint-error', null],
    ],
  )
})

const ODD_TEXT = 'tab\there \\ back\\N \\.\nnew\r\nline "quoted" \b\f\v {a,b} NULL é 😀'

for (const write of ['copy', 'unnest'] as const) {
  test(`text rows by ${write}: every character arrives, types are checked by the database`, async () => {
    await db.query('DROP TYPE IF EXISTS mood CASCADE')
    await db.query(`CREATE TYPE mood AS ENUM ('happy', 'sad')`)
    await db.query('DROP DOMAIN IF EXISTS short CASCADE')
    await db.query('CREATE DOMAIN short AS varchar(3)')
    await prepared('a text, b inet, c int4[], d mood, e varchar(3), f char(3), g bytea, h short, i bit(3)', {
      encoding: 'pg-text',
      write,
    })
    const good = [ODD_TEXT, '10.0.0.1', '{1,NULL,3}', 'happy', 'abc', 'abc', '\\x00ff', 'abc', '101']
    const change = (at: number, value: string | null) => good.map((cell, i) => (i === at ? value : cell))
    const batch = batchOf(
      [
        good,
        change(1, 'not an address'),
        good.map(() => null),
        change(3, 'angry'),
        change(4, 'abcd'),
        change(5, 'abcd'),
        change(7, 'abcd'),
        change(8, '1011'),
        change(0, ''),
        change(0, '\\N'),
      ],
      { encoding: 'pg-text' },
    )
    const { rejects, inserted } = await commit(batch)
    assert.deepEqual(
      rejects.map(({ record, errors }) => [record, errors[0]!.code]),
      [
        [2, 'type-error'],
        [4, 'type-error'],
        [5, 'constraint-error'],
        [6, 'constraint-error'],
        [7, 'constraint-error'],
        [8, 'type-error'],
      ],
    )
    if (write === 'copy')
      assert.deepEqual(
        rejects.slice(0, 2).map(({ errors }) => errors[0]!.column),
        ['b', 'd'],
      )
    assert.match(rejects[0]!.errors[0]!.message, /invalid input syntax for type inet: "not an address"/)
    assert.equal(inserted, 4)
    assert.deepEqual(await column('SELECT a AS v FROM t'), [ODD_TEXT, null, '', '\\N'])
    assert.deepEqual(await db.query('SELECT b, c, d, e, f, g, h, i FROM t LIMIT 1'), [
      { b: '10.0.0.1', c: '{1,NULL,3}', d: 'happy', e: 'abc', f: 'abc', g: Buffer.from([0, 255]), h: 'abc', i: '101' },
    ])
  })
}

test('unnest isolates too', async () => {
  await prepared('id int4 PRIMARY KEY', { encoding: 'pg-text', write: 'unnest' })
  const { rejects } = await commit(
    batchOf(
      rows(1_000, (rank) => [String(rank === 600 ? 5 : rank)]),
      { encoding: 'pg-text' },
    ),
  )
  assert.deepEqual(
    rejects.map(({ record, errors }) => [record, errors[0]!.code, errors[0]!.column]),
    [[601, 'unique-error', 'id']],
  )
  assert.ok((await statements()) <= 2 * 10 + 1)
})

test('defaults, identity and generated columns are left to the database', async () => {
  await prepared(
    `id int8 GENERATED ALWAYS AS IDENTITY, a int4, b int4 GENERATED ALWAYS AS (a * 2) STORED, c int4 DEFAULT 7`,
  )
  const target = await db.describe({ schema: null, table: 't' })
  const plan = await planFor(
    db,
    { ...target!, columns: target!.columns.filter(({ name }) => name !== 'c') },
    { jobId: randomUUID(), encoding: 'pg-binary' },
  )
  await db.prepare(plan)
  await commit(batchOf([[1], [2]]))
  assert.deepEqual(await db.query('SELECT * FROM t ORDER BY id'), [
    { id: 1, a: 1, b: 2, c: 7 },
    { id: 2, a: 2, b: 4, c: 7 },
  ])
})

test('a lost lease rolls everything back', async () => {
  const { jobId } = await prepared('id int4')
  await db.query('UPDATE ingestion_checkpoints SET epoch = 2 WHERE job_id = $1', [jobId])
  await assert.rejects(
    commit(batchOf([[1]])),
    (error) => error instanceof SluiceError && error.code === 'SLUICE_LEASE_LOST',
  )
  assert.deepEqual(await column('SELECT count(*) AS v FROM t'), [0])
  assert.deepEqual(
    await column(`SELECT xact_start IS NULL OR pid = pg_backend_pid() AS v FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'`),
    [true],
  )
})

test('an empty batch moves the checkpoint', async () => {
  const { jobId } = await prepared('id int4')
  const batch = batchOf([])
  await db.commit({ ...batch, to: { byte: 9, line: 3, record: 0 } }, { byte: 9, line: 3, record: 0 })
  assert.deepEqual(await column(`SELECT committed_byte AS v FROM ingestion_checkpoints WHERE job_id = '${jobId}'`), [9])
  assert.equal(await statements(), 0)
})

test('a statement waits for the transaction of a batch', async () => {
  await prepared('id int4')
  const batch = batchOf(rows(1_000, (rank) => [rank]))
  const [, counted] = await Promise.all([commit(batch), column('SELECT count(*) AS v FROM t')])
  assert.deepEqual(counted, [1_000])
})

test('a message larger than a socket buffer, in batches one after the other', async () => {
  await prepared('id int4, a text')
  const big = rows(3_000, (rank) => [rank, 'x'.repeat(4_000)])
  const first = batchOf(big)
  await commit(first)
  await commit(batchOf(big, { from: first.to }))
  assert.deepEqual(await column('SELECT sum(length(a)) AS v FROM t'), [24_000_000])
})

test('a malformed batch is a defect, not a reject', async () => {
  const { jobId } = await prepared('id int4, a text')
  await assert.rejects(commit(batchOf([[1]])), /row field count is 1, expected 2/)
  assert.deepEqual(await column(`SELECT rejected AS v FROM ingestion_jobs WHERE job_id = '${jobId}'`), [0])
})

test('a table that was altered between plan and preparation takes no rows', async () => {
  await assert.rejects(prepared('id int8, name text', { declared: new Map([['id', 'integer']]) }), {
    code: 'SLUICE_DATABASE',
    message: /column "id" was integer and is bigint/,
  })
})
