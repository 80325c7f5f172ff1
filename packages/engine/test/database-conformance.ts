import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, beforeEach, test } from 'node:test'
import type { Lease, StoredReject } from '../src/checkpoint/job.ts'
import { JobStore, type NewJob } from '../src/checkpoint/job-store.ts'
import { Leases } from '../src/checkpoint/leases.ts'
import { removeJobs } from '../src/checkpoint/remove-jobs.ts'
import { createTables } from '../src/checkpoint/tables.ts'
import type { Batch } from '../src/parse/batch.ts'
import { CSV } from '../src/parse/dialect.ts'
import { type Position, START } from '../src/parse/position.ts'
import type { Reject } from '../src/reject/reject.ts'
import type { ColumnType } from '../src/schema/program.ts'
import type { Database, LoadPlan } from '../src/write/database.ts'
import { columnOf } from './support/column.ts'

type Rows = (number | string | null)[][]

export interface Subject {
  open(): Promise<Database>
  batch(rows: Rows, shape?: { from?: Position; rejects?: Reject[] }): Batch
  stop(): Promise<void>
}

/** What every database must do, so that a load does not depend on which one it goes to. */
export function conformance(start: () => Promise<Subject>): void {
  let subject: Subject
  let db: Database
  let jobs: JobStore
  let leases: Leases

  before(async () => {
    subject = await start()
    db = await subject.open()
    jobs = new JobStore(db)
    leases = new Leases(db)
    await createTables(db)
  })

  after(async () => {
    await db?.close()
    await subject?.stop()
  })

  beforeEach(async () => {
    await db.query('DROP TABLE IF EXISTS t')
  })

  const newJob = (changes: Partial<NewJob> = {}): NewJob => ({
    jobId: randomUUID(),
    source: `${randomUUID()}.csv`,
    targetTable: 't',
    settings: { dialect: { delimiter: ',' }, key: ['id'] },
    settingsHash: 'abc',
    fingerprint: { size: 12, head: 'ff' },
    bytesTotal: 1_000,
    segments: [{ source: 'a.csv', start: START, endByte: null }],
    ...changes,
  })

  const by = (owner: string, seconds = 60, dead?: string) => ({ owner, seconds, dead })

  async function claimed(changes: Partial<NewJob> = {}): Promise<Lease> {
    const job = newJob(changes)
    await jobs.create(job)
    return leases.claim(job.jobId, 0, by('tester'))
  }

  /** Creates table t, a job and its lease, and prepares to load. */
  async function prepared(columns: string): Promise<LoadPlan> {
    await db.query(`CREATE TABLE t (${columns})`)
    return prepare(await claimed())
  }

  async function prepare(lease: Lease): Promise<LoadPlan> {
    const table = await db.describe({ schema: null, table: 't' })
    const columns = table!.columns.map(({ name, type, storage }, cell) =>
      columnOf({ name, from: { cell }, type, storage }),
    )
    const { jobId, segment, epoch } = lease
    const encoding = db.encodingFor(columns, 'copy')
    const origins = columns.map(({ name }, cell) => ({ header: name, cell }))
    const load = { jobId, segment, epoch, table: table!.name, columns, origins }
    const plan: LoadPlan = { ...load, dialect: CSV, encoding, write: 'copy' }
    await db.prepare(plan)
    return plan
  }

  const commit = (batch: Batch) => db.commit(batch, batch.to)
  const ids = async () => (await db.query<{ id: number }>('SELECT id FROM t ORDER BY id')).map(({ id }) => id)

  function reject(record: number, changes: Partial<Reject> = {}): Reject {
    return {
      record,
      line: record + 1,
      byteOffset: record * 10,
      errors: [{ column: 'id', code: 'type-error', message: '"x" is not an integer', value: 'x' }],
      raw: Buffer.from([0, 1, 2, 255, record % 256]),
      rawLength: 5,
      ...changes,
    }
  }

  async function allRejects(jobId: string, options?: { open?: boolean; pageSize?: number }): Promise<StoredReject[]> {
    const all: StoredReject[] = []
    for await (const page of jobs.rejects(jobId, options)) all.push(...page)
    return all
  }

  test('the tables may be created by many at once, and again', async () => {
    for (const name of ['ingestion_jobs', 'ingestion_checkpoints', 'failed_imports'])
      await db.query(`DROP TABLE ${name}`)
    const users = await Promise.all([1, 2, 3, 4].map(() => subject.open()))
    try {
      await Promise.all(users.map((user) => createTables(user)))
      await createTables(db)
      assert.deepEqual(await jobs.list(), [])
    } finally {
      await Promise.all(users.map((user) => user.close()))
    }
  })

  test('rows, rejects, counters and checkpoint are committed together', async () => {
    const plan = await prepared('id int PRIMARY KEY, name text')
    const early = reject(2, { errors: [{ column: null, code: 'extra-cell', message: 'a\ud800b', value: null }] })
    const from = { byte: 0, line: 2, record: 0 }
    const first = subject.batch(
      [
        [1, 'Ünï 😀'],
        [2, null],
        [3, ''],
      ],
      { from, rejects: [early] },
    )
    const { job: _, ...outcome } = await commit(first)
    assert.deepEqual(outcome, { inserted: 3, updated: 0, unchanged: 0, duplicates: 0, rejects: [] })
    const second = subject.batch(
      [
        [4, 'four'],
        [1, 'again'],
      ],
      { from: first.to },
    )
    const { rejects, job: __, ...counts } = await commit(second)
    assert.deepEqual(counts, { inserted: 1, updated: 0, unchanged: 0, duplicates: 0 })
    assert.deepEqual(
      rejects.map(({ record, line, byteOffset, raw }) => [record, line, byteOffset, String(Buffer.from(raw))]),
      [[6, 6, first.to.byte + second.rowStarts[1]!, '1,again']],
    )

    assert.deepEqual(await db.query('SELECT id, name FROM t ORDER BY id'), [
      { id: 1, name: 'Ünï 😀' },
      { id: 2, name: null },
      { id: 3, name: '' },
      { id: 4, name: 'four' },
    ])
    const job = (await jobs.read(plan.jobId))!
    const { recordsRead, inserted, updated, unchanged, duplicates, rejected, bytesCommitted } = job
    assert.deepEqual([recordsRead, inserted, updated, unchanged, duplicates, rejected], [6, 4, 0, 0, 0, 2])
    assert.equal(bytesCommitted, second.to.byte)
    const [checkpoint] = await jobs.checkpoints(plan.jobId)
    assert.deepEqual(checkpoint!.committed, second.to)
    const stored = await allRejects(plan.jobId)
    assert.deepEqual(
      stored.map(({ record, line, byteOffset, errors, raw, rawLength, closedAt }) => {
        return { record, line, byteOffset, errors, raw: Buffer.from(raw), rawLength, closedAt }
      }),
      [
        { ...early, errors: [{ ...early.errors[0]!, message: 'a\ufffdb' }], closedAt: null },
        { ...rejects[0]!, raw: Buffer.from(rejects[0]!.raw), closedAt: null },
      ],
    )
    assert.deepEqual([rejects[0]!.errors[0]!.code, rejects[0]!.errors[0]!.column], ['unique-error', 'id'])
    const [row] = await db.query('SELECT column_name, code, message, value FROM failed_imports WHERE record = 2')
    assert.deepEqual(row, { column_name: null, code: 'extra-cell', message: 'a\ufffdb', value: null })
  })

  test('thousands of rejects with long raw bytes', async () => {
    const plan = await prepared('id int')
    const long = Buffer.alloc(65_536, 0xfe)
    const rejects = Array.from({ length: 2_500 }, (_, i) => {
      return i % 50 === 0 ? reject(i + 1, { raw: long, rawLength: 70_000 }) : reject(i + 1)
    })
    await commit(subject.batch([], { rejects }))
    const stored = await allRejects(plan.jobId, { pageSize: 999 })
    assert.deepEqual(
      stored.map(({ record }) => record),
      rejects.map(({ record }) => record),
    )
    assert.ok(stored.every(({ raw }, i) => Buffer.compare(raw, rejects[i]!.raw) === 0))
    assert.equal(stored[0]!.rawLength, 70_000)
    const between = await jobs.rejectsBetween(plan.jobId, 10, 13)
    assert.deepEqual(
      between.map(({ record }) => record),
      [11, 12, 13],
    )
    assert.deepEqual(await jobs.rejectCounts(plan.jobId), { 'type-error': 2_500 })
    assert.deepEqual((await jobs.read(plan.jobId))!.rejectsByCode, { 'type-error': 2_500 }, 'without a look at them')
  })

  test('20,000 rows with one unique violation in the middle: one reject', async () => {
    await prepared('id int PRIMARY KEY, name text')
    const rows = Array.from({ length: 20_000 }, (_, i) => [i === 10_000 ? 9_000 : i, `row ${i}`])
    const { inserted, rejects } = await commit(subject.batch(rows))
    assert.deepEqual([inserted, rejects.map(({ record }) => record)], [19_999, [10_001]])
    assert.deepEqual(await db.query('SELECT name FROM t WHERE id = 9000'), [{ name: 'row 9000' }])
  })

  test('the earlier of two rows with one key wins, wherever the batches are cut', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => [i % 17, `row ${i}`])
    for (const cut of [40, 20, 7, 1]) {
      await db.query('DROP TABLE IF EXISTS t')
      await prepared('id int PRIMARY KEY, name text')
      let from = START
      const rejected: number[] = []
      for (let at = 0; at < rows.length; at += cut) {
        const batch = subject.batch(rows.slice(at, at + cut), { from })
        rejected.push(...(await commit(batch)).rejects.map(({ record }) => record))
        from = batch.to
      }
      assert.deepEqual(
        rejected,
        Array.from({ length: 23 }, (_, i) => i + 18),
        `batches of ${cut}`,
      )
      assert.deepEqual(
        await ids(),
        Array.from({ length: 17 }, (_, i) => i),
      )
    }
  })

  test('constraints of every kind have their code and column', async () => {
    await db.query('CREATE TABLE IF NOT EXISTS parent (id int PRIMARY KEY)')
    await db.query('INSERT INTO parent VALUES (1), (2) ON CONFLICT DO NOTHING')
    for (const deferred of ['', 'DEFERRABLE INITIALLY DEFERRED']) {
      await db.query('DROP TABLE IF EXISTS t')
      await prepared(
        `id int NOT NULL, a text, b text, parent int REFERENCES parent ${deferred}, CHECK (id < 100), UNIQUE (a, b)`,
      )
      const batch = subject.batch([
        [1, 'a', 'b', 1],
        [null, 'c', 'd', 1],
        [100, 'e', 'f', null],
        [2, 'a', 'b', 2],
        [3, 'g', 'h', 3],
        [4, 'i', 'j', null],
        [5, 'k', 'l', 4],
      ])
      const { rejects } = await commit(batch)
      assert.deepEqual(
        rejects.map(({ record, errors }) => [record, errors[0]!.code, errors[0]!.column]),
        [
          [2, 'constraint-error', 'id'],
          // SQLite names only the expression of a CHECK.
          [3, 'constraint-error', db.kind === 'postgres' ? 'id' : null],
          [4, 'unique-error', 'a'],
          // SQLite does not say which foreign key it was, unless it is deferred and sluice looks for it.
          [5, 'constraint-error', db.kind === 'postgres' || deferred ? 'parent' : null],
          [7, 'constraint-error', db.kind === 'postgres' || deferred ? 'parent' : null],
        ],
      )
      assert.deepEqual(await ids(), [1, 4])
    }
  })

  test('a lost lease commits nothing', async () => {
    const plan = await prepared('id int')
    await commit(subject.batch([[1]]))
    await leases.claim(plan.jobId, 0, by('another', 60, 'tester'))
    await assert.rejects(commit(subject.batch([[2]], { rejects: [reject(2)] })), { code: 'SLUICE_LEASE_LOST' })
    assert.deepEqual(await ids(), [1])
    assert.equal((await jobs.read(plan.jobId))!.recordsRead, 1)
    assert.deepEqual(await allRejects(plan.jobId), [])
    // The connection is as good as before.
    const checkpoint = (await jobs.checkpoints(plan.jobId))[0]!
    await prepare(checkpoint)
    await commit(subject.batch([[3]], { from: checkpoint.committed }))
    assert.deepEqual(await ids(), [1, 3])
  })

  test('a batch that is committed already is refused, whoever sends it again', async () => {
    const plan = await prepared('id int')
    await commit(subject.batch([[1]]))
    await assert.rejects(commit(subject.batch([[1]])), { code: 'SLUICE_LEASE_LOST' })
    assert.deepEqual(await ids(), [1])
    assert.equal((await jobs.read(plan.jobId))!.recordsRead, 1)
  })

  test('two segments of one job add up', async () => {
    await db.query('CREATE TABLE t (id int)')
    const segments = [
      { source: 'a.csv', start: START, endByte: 500 },
      { source: 'a.csv', start: { byte: 500, line: 1, record: 0 }, endByte: null },
    ]
    const job = newJob({ segments })
    await jobs.create(job)
    const other = await subject.open()
    try {
      const plan = await prepare(await leases.claim(job.jobId, 0, by('one')))
      const { epoch } = await leases.claim(job.jobId, 1, by('two'))
      await other.prepare({ ...plan, segment: 1, epoch })
      let [a, b] = segments.map(({ start }) => start) as [Position, Position]
      for (let i = 0; i < 5; i++) {
        const batches = [subject.batch([[i]], { from: a }), subject.batch([[i + 10], [i + 20]], { from: b })] as const
        await Promise.all([db.commit(batches[0], batches[0].to), other.commit(batches[1], batches[1].to)])
        a = batches[0].to
        b = batches[1].to
      }
      const { recordsRead, inserted, bytesCommitted } = (await jobs.read(job.jobId))!
      assert.deepEqual([recordsRead, inserted, bytesCommitted], [15, 15, a.byte + b.byte - 500])
      assert.equal(await leases.finish({ jobId: job.jobId, segment: 0, epoch: plan.epoch }), false)
      assert.equal(await leases.finish({ jobId: job.jobId, segment: 1, epoch }), true)
    } finally {
      await other.close()
    }
  })

  test('a created table is described as it was asked for', async () => {
    const types: ColumnType[] = [
      { kind: 'integer', bytes: 8 },
      { kind: 'text' },
      { kind: 'numeric', precision: null, scale: null },
      { kind: 'float8' },
      { kind: 'boolean' },
      { kind: 'date' },
      { kind: 'timestamptz' },
      { kind: 'json', top: 'any' },
    ]
    const columns = types.map((type, i) => ({ name: `c "${i}", x`, type, required: i === 1, unique: i === 3 }))
    const key = [columns[0]!.name]
    await db.createTable({ schema: null, table: 't' }, columns, key)
    const table = (await db.describe({ schema: null, table: 't' }))!
    assert.deepEqual(
      table.columns.map(({ name }) => name),
      columns.map(({ name }) => name),
    )
    assert.deepEqual(
      table.columns.map(({ nullable }) => !nullable),
      [true, true, false, false, false, false, false, false],
    )
    assert.deepEqual(table.primaryKey, key)
    assert.deepEqual(table.uniqueKeys.toSorted(), [key, [columns[3]!.name]])
    await assert.rejects(db.createTable({ schema: null, table: 't' }, columns, key), { code: 'SLUICE_DATABASE' })
    assert.equal(await db.describe({ schema: null, table: 'missing' }), undefined)
  })

  test('a job is stored and read as it is', async () => {
    const job = newJob()
    await jobs.create(job)
    const { createdAt, updatedAt, ...read } = (await jobs.read(job.jobId))!
    const { segments: _, ...given } = job
    const zero = {
      recordsRead: 0,
      inserted: 0,
      updated: 0,
      unchanged: 0,
      duplicates: 0,
      rejected: 0,
      rejectsByCode: null,
      replayed: 0,
      bytesCommitted: 0,
    }
    const empty = { sha256: null, error: null, startedAt: null, completedAt: null }
    assert.deepEqual(read, { ...given, ...zero, ...empty, status: 'PENDING' })
    for (const time of [createdAt, updatedAt]) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000)
    }
    await assert.rejects(jobs.create(job), { code: 'SLUICE_JOB' })
    assert.equal(await jobs.read(randomUUID()), undefined)
  })

  test('a job of many files', async () => {
    const segments = Array.from({ length: 2_345 }, (_, i) => {
      return { source: `${i}.csv`, start: { byte: i, line: i + 1, record: i + 2 }, endByte: i % 2 ? i : null }
    })
    const job = newJob({ segments })
    await jobs.create(job)
    const stored = await jobs.checkpoints(job.jobId)
    assert.deepEqual(
      stored.map(({ source, startByte, endByte, committed }) => ({ source, startByte, endByte, committed })),
      segments.map(({ source, start, endByte }) => ({ source, startByte: start.byte, endByte, committed: start })),
    )
    assert.deepEqual(
      [stored[7]!.segment, stored[7]!.done, stored[7]!.epoch, stored[7]!.leaseOwner],
      [7, false, 0, null],
    )
  })

  test('one of two loads that are created at the same time gives way', async () => {
    const job = newJob()
    const twin = newJob({ source: job.source })
    const other = await subject.open()
    try {
      const created = await Promise.allSettled([jobs.create(job, true), new JobStore(other).create(twin, true)])
      const [won, lost] = created[0].status === 'fulfilled' ? [job, twin] : [twin, job]
      const [failed, ...more] = created.filter((result) => result.status === 'rejected')
      assert.match(failed!.reason.message, /Another process has just begun/)
      assert.deepEqual(more, [])
      assert.equal(await jobs.read(lost.jobId), undefined)
      assert.deepEqual(await jobs.checkpoints(lost.jobId), [])
      await jobs.cancel(won.jobId)
    } finally {
      await other.close()
    }
    await jobs.create(newJob({ source: job.source }), true)
  })

  test('what was cancelled is not completed by the last segment', async () => {
    const lease = await claimed({ fingerprint: { size: 78 } })
    await jobs.cancel(lease.jobId)
    assert.equal(await leases.finish(lease, { bytesTotal: 78 }), false)
    assert.equal((await jobs.read(lease.jobId))!.status, 'CANCELLED')
  })

  test('jobs are found by source, content and status', async () => {
    const lease = await claimed({ fingerprint: { size: 77 } })
    const { source } = (await jobs.read(lease.jobId))!
    assert.equal((await jobs.findUnfinished(source, 't'))!.jobId, lease.jobId)
    assert.equal(await jobs.findUnfinished(source, 'u'), undefined)
    assert.deepEqual(await jobs.findCompleted('t', { fingerprint: { size: 77 } }), [])
    assert.equal(await leases.finish(lease, { sha256: 'c0ffee', bytesTotal: 77 }), true)
    assert.equal(await jobs.findUnfinished(source, 't'), undefined)
    for (const by of [{ fingerprint: { size: 77 } }, { sha256: 'c0ffee' }]) {
      const [found, ...more] = await jobs.findCompleted('t', by)
      assert.deepEqual([found!.jobId, found!.bytesTotal, found!.status, more], [lease.jobId, 77, 'COMPLETED', []])
      assert.ok(found!.completedAt)
    }
    assert.deepEqual(await jobs.findCompleted('u', { sha256: 'c0ffee' }), [])
    const newest = newJob()
    await new Promise((resolve) => setTimeout(resolve, 5))
    await jobs.create(newest)
    assert.deepEqual(
      (await jobs.list({ limit: 1 })).map(({ jobId }) => jobId),
      [newest.jobId],
    )
    assert.deepEqual(
      (await jobs.list({ status: 'COMPLETED', limit: 1 })).map(({ jobId }) => jobId),
      [lease.jobId],
    )
  })

  test('a live lease keeps others out, and names its holder', async () => {
    const lease = await claimed()
    assert.equal(lease.epoch, 1)
    await assert.rejects(leases.claim(lease.jobId, 0, by('other')), { code: 'SLUICE_JOB', message: /tester/ })
    assert.equal((await leases.claim(lease.jobId, 0, by('tester'))).epoch, 2, 'the same owner may claim again')
    assert.equal((await leases.claim(lease.jobId, 0, by('heir', 60, 'tester'))).epoch, 3, 'a dead owner is no owner')
    await assert.rejects(leases.renew(lease), { code: 'SLUICE_LEASE_LOST' })
    await assert.rejects(leases.finish(lease), { code: 'SLUICE_LEASE_LOST' })
    await leases.fail(lease, 'too late')
    await leases.release(lease)
    const [checkpoint] = await jobs.checkpoints(lease.jobId)
    assert.deepEqual([checkpoint!.leaseOwner, checkpoint!.epoch], ['heir', 3])
    assert.equal((await jobs.read(lease.jobId))!.status, 'PROCESSING')
    await assert.rejects(leases.claim(randomUUID(), 0, by('other')), { code: 'SLUICE_JOB', message: /no job/ })
  })

  test('a lease that ran out is free, a renewed one keeps its length', async () => {
    const job = newJob()
    await jobs.create(job)
    const lease = await leases.claim(job.jobId, 0, by('slow', 0.3))
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal(await leases.renew(lease), 'PROCESSING')
    const before = Date.now()
    const [{ leaseExpires } = assert.fail()] = await jobs.checkpoints(job.jobId)
    assert.ok(
      Math.abs(Date.parse(leaseExpires!) - before - 300) < 150,
      `${leaseExpires} at ${new Date(before).toISOString()}`,
    )
    await new Promise((resolve) => setTimeout(resolve, 200))
    await assert.rejects(leases.claim(job.jobId, 0, by('other')), { code: 'SLUICE_JOB' })
    await new Promise((resolve) => setTimeout(resolve, 200))
    assert.equal((await leases.claim(job.jobId, 0, by('other'))).epoch, 2)
  })

  test('a commit renews the lease', async () => {
    const plan = await prepared('id int')
    const expires = async () => Date.parse((await jobs.checkpoints(plan.jobId))[0]!.leaseExpires!)
    const first = await expires()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await commit(subject.batch([[1]]))
    const passed = (await expires()) - first
    assert.ok(passed >= 45 && passed < 5_000, `${passed} ms`)
  })

  test('a job that was announced is begun once, by the load that has its id', async () => {
    const job = newJob()
    const { jobId, source, targetTable } = job
    const announced = { jobId, source: 'to come', targetTable, bytesTotal: 7, sha256: 'abc' }
    await db.transact([jobs.announcing(announced)])
    await assert.rejects(db.transact([jobs.announcing(announced)]), { code: 'SLUICE_JOB' })
    const before = (await jobs.read(jobId))!
    assert.deepEqual([before.status, before.source, before.bytesTotal], ['PENDING', 'to come', 7])
    assert.deepEqual(await jobs.checkpoints(jobId), [])
    await jobs.cancel(jobId)
    await assert.rejects(jobs.create(job), { code: 'SLUICE_JOB' })
    assert.equal(await jobs.reopen(jobId), true)
    await jobs.create(job)
    const after = (await jobs.read(jobId))!
    assert.deepEqual([after.status, after.source, after.sha256], ['PENDING', source, 'abc'])
    assert.deepEqual([after.settings, after.createdAt], [job.settings, before.createdAt])
    assert.equal((await jobs.checkpoints(jobId)).length, job.segments.length)
    await assert.rejects(jobs.create(job), { code: 'SLUICE_JOB' })
  })

  test('a job goes from state to state', async () => {
    const lease = await claimed()
    const { jobId } = lease
    const state = async () => {
      const { status, error, startedAt } = (await jobs.read(jobId))!
      const [{ leaseOwner } = assert.fail()] = await jobs.checkpoints(jobId)
      return [status, error, startedAt !== null, leaseOwner]
    }
    assert.deepEqual(await state(), ['PROCESSING', null, true, 'tester'])
    await leases.fail(lease, 'the disk is full')
    assert.deepEqual(await state(), ['FAILED', 'the disk is full', true, null])
    const again = await leases.claim(jobId, 0, by('tester'))
    assert.deepEqual(await state(), ['PROCESSING', null, true, 'tester'])
    await leases.release(again)
    assert.deepEqual(await state(), ['PENDING', null, true, null])
    const third = await leases.claim(jobId, 0, by('tester'))
    assert.equal(await jobs.cancel(jobId), true)
    assert.equal(await jobs.cancel(jobId), false)
    assert.equal(await leases.renew(third), 'CANCELLED')
    await leases.release(third)
    await leases.fail(third, 'the disk is full, too')
    assert.deepEqual(await state(), ['CANCELLED', null, true, null])
    await assert.rejects(leases.claim(jobId, 0, by('tester')), { code: 'SLUICE_JOB', message: /cancelled/ })
    assert.equal(await jobs.refuse(jobId, 'not now'), false)
    assert.equal(await jobs.reopen(jobId), true)
    assert.equal(await jobs.reopen(jobId), false)
    assert.equal(await jobs.refuse(jobId, 'not now'), true)
    assert.deepEqual(await state(), ['FAILED', 'not now', true, null])
    assert.equal(await jobs.reopen(jobId), true)
    assert.deepEqual(await state(), ['PENDING', null, true, null])
    assert.equal(await leases.finish(await leases.claim(jobId, 0, by('tester'))), true)
    assert.equal(await jobs.cancel(jobId), false)
    assert.equal(await jobs.reopen(jobId), false)
    await assert.rejects(leases.claim(jobId, 0, by('tester')), { code: 'SLUICE_JOB', message: /complete/ })
  })

  test('replayed rejects are closed in the transaction of their rows, and move from rejected to inserted', async () => {
    const plan = await prepared('id int PRIMARY KEY')
    const duplicate = reject(4, { errors: [{ column: 'id', code: 'duplicate', message: 'again', value: '4' }] })
    await commit(subject.batch([], { rejects: [reject(1), reject(2), reject(3)] }))
    // As a dedupe would: the record counts as a duplicate and has a row among the rejects.
    await db.query('UPDATE ingestion_jobs SET records_read = 4, duplicates = 1 WHERE job_id = $1', [plan.jobId])
    await db.query(
      `INSERT INTO failed_imports (job_id, line, record, byte_offset, code, message, errors, raw, raw_length, created_at)
       VALUES ($1, 4, 4, 0, 'duplicate', '', $2, $3, 0, ${db.now})`,
      [plan.jobId, JSON.stringify(duplicate.errors), duplicate.raw],
    )
    const counters = async () => {
      const { recordsRead, inserted, duplicates, rejected, replayed } = (await jobs.read(plan.jobId))!
      return [recordsRead, inserted, duplicates, rejected, replayed]
    }
    const replay = (rows: Rows, records: number[]) => {
      const batch = subject.batch(rows)
      return db.commit(batch, batch.to, { replay: { records, refused: [] } })
    }
    await assert.rejects(replay([[3]], [3]), { code: 'SLUICE_JOB', message: /runs/ })
    await leases.finish(plan)

    // The second of the equal rows is refused by the database, and stays open with what that says.
    const batch = subject.batch([[3], [3], [4]])
    const error = { column: 'id', code: 'type-error' as const, message: '"z" is not an integer', value: 'z' }
    await db.commit(batch, batch.to, { replay: { records: [3, 1, 4], refused: [{ record: 2, errors: [error] }] } })
    assert.deepEqual(await ids(), [3, 4])
    assert.deepEqual(await counters(), [4, 2, 0, 2, 2])
    const open = await allRejects(plan.jobId, { open: true })
    assert.deepEqual(
      open.map(({ record, errors, raw }) => [record, errors[0]!.code, errors[0]!.value, [...raw]]),
      [
        [1, 'unique-error', open[0]!.errors[0]!.value, [...reject(1).raw]],
        [2, 'type-error', 'z', [...reject(2).raw]],
      ],
    )
    // Closed ones, and ones that never were, cannot come in.
    await assert.rejects(replay([[5], [6]], [1, 3]), { code: 'SLUICE_JOB', message: /another process/ })
    await assert.rejects(replay([[5]], [99]), { code: 'SLUICE_JOB' })
    assert.deepEqual(await ids(), [3, 4])
    assert.deepEqual(await counters(), [4, 2, 0, 2, 2])
  })

  test('old jobs are pruned with all that belongs to them; living ones stay', async () => {
    await removeJobs(db, -60)
    const plan = await prepared('id int')
    await commit(subject.batch([], { rejects: [reject(1)] }))
    assert.equal(await removeJobs(db, 60), 0, 'it is young')
    assert.equal(await removeJobs(db, -60), 0, 'its lease is alive')
    await leases.finish(plan)
    const old = newJob()
    await jobs.create(old)
    assert.equal(await removeJobs(db, 60), 0)
    assert.equal(await removeJobs(db, -60), 2)
    assert.equal(await jobs.read(plan.jobId), undefined)
    assert.deepEqual(await jobs.checkpoints(old.jobId), [])
    assert.deepEqual(await allRejects(plan.jobId), [])
  })

  test('counts that do not balance are a defect, and nothing is committed', async () => {
    const plan = await prepared('id int')
    const batch = subject.batch([[1]], {
      rejects: [reject(2, { errors: [{ column: null, code: 'duplicate', message: '', value: null }] })],
    })
    await assert.rejects(commit(batch), { code: 'SLUICE_INTERNAL', message: /balance/ })
    assert.deepEqual(await ids(), [])
    assert.equal((await jobs.read(plan.jobId))!.recordsRead, 0)
  })

  test('values of every kind pass in and out', async () => {
    const [row] = await db.query(
      db.kind === 'postgres'
        ? `SELECT $2::text AS b, $1::int AS a, $3::bigint AS c, $4::bytea AS d, $5::text AS e, $6::float8 AS f`
        : 'SELECT $2 AS b, $1 AS a, $3 AS c, $4 AS d, $5 AS e, $6 AS f',
      [1, '$1', 9_007_199_254_740_993n, Buffer.from([0, 255]), null, 1.5],
    )
    assert.deepEqual(
      { ...row, d: Buffer.from(row!.d as Uint8Array) },
      {
        a: 1,
        b: '$1',
        c: 9_007_199_254_740_993n,
        d: Buffer.from([0, 255]),
        e: null,
        f: 1.5,
      },
    )
    await assert.rejects(db.query('SELECT nonsense'), { code: 'SLUICE_DATABASE', message: /nonsense/ })
  })
}
