import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { createTables } from '../src/checkpoint/tables.ts'
import { load } from '../src/load.ts'
import { createLoadStream } from '../src/load-stream.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'

const ROWS = 1_500
const SOURCE = Buffer.from(
  `id,name\n${Array.from({ length: ROWS }, (_, i) => `${i + 1},somebody called ${i + 1}\n`).join('')}`,
)
/** Ends while most records are read and some are committed. */
const CUT = 25_000
const TIMEOUT = { timeout: 60_000 }

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function* inPieces(bytes: Uint8Array, size = 5_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

/** Passes on what there is, and then nothing, until the signal ends it. */
async function* hanging(bytes: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes)
  if (!signal.aborted) await once(signal, 'abort')
}

/** What a load that is interrupted and begun again must do with sources that cannot be read from the middle, in one database. */
export function resumeStreamTests(open: () => Promise<{ url: string; close: () => Promise<void> }>): void {
  let target: Awaited<ReturnType<typeof open>>
  let db: Database
  before(async () => {
    target = await open()
    db = await openDatabase(target.url)
  })
  after(async () => {
    await db.close()
    await target.close()
  })
  beforeEach(async () => {
    for (const table of ['people', 'ingestion_jobs', 'ingestion_checkpoints', 'failed_imports'])
      await db.query(`DROP TABLE IF EXISTS ${table}`)
  })

  const settings = (): Omit<LoadOptions, 'source'> => ({ to: target.url, table: 'people', batchRows: 100 })
  const rows = async (): Promise<number> => Number((await db.query('SELECT count(*) AS n FROM people'))[0]!.n)
  const committed = async () => {
    const [row] = await db.query('SELECT committed_byte, committed_sha256 FROM ingestion_checkpoints')
    return { byte: Number(row!.committed_byte), sha256: row!.committed_sha256 }
  }
  const status = async () => (await db.query('SELECT status, error FROM ingestion_jobs'))[0]!
  const assertComplete = async () => {
    const distinct = await db.query(
      'SELECT count(*) AS n, count(DISTINCT id) AS d, min(id) AS a, max(id) AS z FROM people',
    )
    assert.deepEqual(Object.values(distinct[0]!).map(Number), [ROWS, ROWS, 1, ROWS])
    const jobs = await db.query('SELECT status, records_read, inserted FROM ingestion_jobs')
    assert.deepEqual(
      jobs.map((job) => [job.status, Number(job.records_read), Number(job.inserted)]),
      [['COMPLETED', ROWS, ROWS]],
    )
  }

  /** Loads some of the source and is interrupted; returns up to which byte it is committed. */
  const interrupted = async (): Promise<number> => {
    const abort = new AbortController()
    const source = hanging(SOURCE.subarray(0, CUT), abort.signal)
    const onProgress: LoadOptions['onProgress'] = ({ recordsRead }) => recordsRead > 300 && abort.abort()
    await assert.rejects(load({ ...settings(), source, signal: abort.signal, onProgress }), {
      code: 'SLUICE_INTERRUPTED',
    })
    const { byte } = await committed()
    assert.ok(byte > 5_000 && byte <= CUT, `${byte} bytes committed`)
    return byte
  }

  test('an abort in the middle, and the same call again: every row once, from a stream', TIMEOUT, async () => {
    const known = await interrupted()
    const loaded = await rows()
    assert.deepEqual((await committed()).sha256, sha256(SOURCE.subarray(0, known)))
    assert.deepEqual(Object.values(await status()), ['PENDING', null])
    const receipt = await load({ ...settings(), source: inPieces(SOURCE) })
    assert.deepEqual([receipt.resumedAtRecord, receipt.inserted], [loaded, ROWS])
    await assertComplete()
  })

  const others: [what: string, of: (known: number) => Uint8Array, says: RegExp][] = [
    [
      'whose first byte is another',
      () => Buffer.concat([Buffer.from('I'), SOURCE.subarray(1)]),
      /The first \d+ bytes of stream/,
    ],
    [
      'whose last known byte is another',
      (known) => Buffer.concat([SOURCE.subarray(0, known - 1), Buffer.from(' '), SOURCE.subarray(known)]),
      /The first \d+ bytes of stream are not those/,
    ],
    [
      'that lacks a byte',
      (known) => Buffer.concat([SOURCE.subarray(0, known - 500), SOURCE.subarray(known - 499)]),
      /The first/,
    ],
    ['that ends before', (known) => SOURCE.subarray(0, known - 1), /stream ends at byte \d+, but .* before byte \d+/],
  ]
  for (const [what, of, says] of others) {
    test(`a stream ${what} is refused before a row is written; the right one goes on`, TIMEOUT, async () => {
      const known = await interrupted()
      const before = [await rows(), await committed()]
      const wrong = [inPieces(of(known)), Readable.from([of(known)]), inPieces(of(known), 1)]
      for (const source of wrong) {
        await assert.rejects(load({ ...settings(), source }), (error: Error & { code: string }) => {
          assert.equal(error.code, 'SLUICE_SOURCE_CHANGED')
          assert.match(error.message, says)
          assert.ok(error.message.includes(`${known}`), error.message)
          assert.match(error.message, /same bytes again.*--restart/)
          return true
        })
        assert.deepEqual([await rows(), await committed()], before)
      }
      const { status: is, error } = await status()
      assert.equal(is, 'FAILED')
      assert.match(String(error), says)
      const stream = createLoadStream(settings())
      await pipeline(inPieces(SOURCE, 777), stream)
      assert.equal((await stream.receipt).inserted, ROWS)
      await assertComplete()
    })
  }

  test('a stream that goes on with other bytes behind the known part is loaded', TIMEOUT, async () => {
    const known = await interrupted()
    const loaded = await rows()
    const source = Buffer.concat([SOURCE.subarray(0, known), Buffer.from('9999,somebody else\n')])
    assert.equal((await load({ ...settings(), source: inPieces(source) })).inserted, loaded + 1)
  })

  test(
    'tables of an earlier version get the column, and their interrupted job goes on unverified',
    TIMEOUT,
    async () => {
      await interrupted()
      await db.query('ALTER TABLE ingestion_checkpoints DROP COLUMN committed_sha256')
      await db.query('DROP TABLE sluice_schema')
      const users = await Promise.all([1, 2, 3].map(() => openDatabase(target.url)))
      await Promise.all(users.map((user) => createTables(user)))
      await Promise.all(users.map((user) => user.close()))
      assert.equal((await committed()).sha256, null)
      await load({ ...settings(), source: inPieces(SOURCE) })
      await assertComplete()
      assert.equal((await committed()).sha256, sha256(SOURCE))
    },
  )

  test('a job that is cancelled when its load has just failed stays CANCELLED', TIMEOUT, async () => {
    await createTables(db)
    // Between the last commit and the mark that the load leaves: whoever cancels does it with the first reject.
    if (db.kind === 'sqlite') {
      await db.query(`CREATE TRIGGER cancel AFTER UPDATE OF rejected ON ingestion_jobs WHEN new.rejected > 0
        BEGIN UPDATE ingestion_jobs SET status = 'CANCELLED' WHERE job_id = new.job_id; END`)
    } else {
      await db.query(`CREATE OR REPLACE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.status := 'CANCELLED'; RETURN NEW; END $$`)
      await db.query(`CREATE TRIGGER cancel BEFORE UPDATE OF rejected ON ingestion_jobs FOR EACH ROW
        WHEN (new.rejected > 0) EXECUTE FUNCTION cancel()`)
    }
    const source = inPieces(Buffer.from('id,name\n1,a\nx,b\n'))
    const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }
    const options = { ...settings(), source, schema, maxErrors: { rows: 0 } }
    await assert.rejects(load(options), { code: 'SLUICE_ERROR_BUDGET' })
    assert.deepEqual(Object.values(await status()), ['CANCELLED', null])
    const leases = await db.query('SELECT segment FROM ingestion_checkpoints WHERE lease_owner IS NOT NULL')
    assert.deepEqual(leases, [])
  })

  test('a load whose job is cancelled meanwhile stops, and the job stays CANCELLED', TIMEOUT, async (t) => {
    await createTables(db)
    process.env.SLUICE_LEASE_SECONDS = '1'
    t.after(() => delete process.env.SLUICE_LEASE_SECONDS)
    const jobs = new JobStore(db)
    let given = 0
    async function* cancelling() {
      yield Buffer.from('id,name\n')
      for (;;) {
        yield Buffer.from(`${++given},a\n`)
        if (given % 500 !== 0) continue
        const [job] = await jobs.list()
        if (job && job.recordsRead > 0) await jobs.cancel(job.jobId)
        await delay(50)
      }
    }
    await assert.rejects(load({ ...settings(), source: cancelling() }), {
      code: 'SLUICE_JOB',
      message: /was cancelled/,
    })
    assert.deepEqual(Object.values(await status()), ['CANCELLED', null])
    assert.ok((await rows()) <= given)
  })

  test(
    'with every commit the digest is that of the bytes before its end, around oversized records too',
    TIMEOUT,
    async () => {
      await createTables(db)
      await db.query('CREATE TABLE IF NOT EXISTS marks (byte bigint, sha256 text)')
      await db.query('DELETE FROM marks')
      if (db.kind === 'sqlite') {
        await db.query(`CREATE TRIGGER mark AFTER UPDATE OF committed_byte ON ingestion_checkpoints
        BEGIN INSERT INTO marks VALUES (new.committed_byte, new.committed_sha256); END`)
      } else {
        await db.query(`CREATE OR REPLACE FUNCTION mark() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO marks VALUES (new.committed_byte, new.committed_sha256); RETURN NULL; END $$`)
        await db.query(
          'CREATE TRIGGER mark AFTER UPDATE OF committed_byte ON ingestion_checkpoints FOR EACH ROW EXECUTE FUNCTION mark()',
        )
      }
      const long = Buffer.from(`0,"${'much too long '.repeat(60_000)}"\n`)
      const source = Buffer.concat([
        SOURCE.subarray(0, CUT),
        Buffer.from('\n'),
        long,
        Buffer.from('1,a\n'),
        long,
        SOURCE.subarray(8),
      ])
      async function* pausing(size: number) {
        // In the midst of the second long record, after its beginning is gone; longer than a batch waits.
        const pause = source.length - SOURCE.length - 100_000
        yield* inPieces(source.subarray(0, pause), size)
        await delay(1_300)
        yield* inPieces(source.subarray(pause), size)
      }
      const schema = { fields: [{ name: 'id' }, { name: 'name' }] }
      for (const [size, map] of [
        [65_536, undefined],
        [1_234, undefined],
        [20_000, (row: object) => row],
      ] as const) {
        await db.query('DROP TABLE IF EXISTS people')
        const options = { ...settings(), schema, maxRecordBytes: 1_000, map: map as LoadOptions['map'] }
        const { rejected } = await load({ ...options, source: pausing(size) })
        assert.equal(rejected, 2)
      }
      const marks = await db.query('SELECT byte, sha256 FROM marks')
      assert.ok(marks.length > 60)
      for (const { byte, sha256: found } of marks) {
        assert.equal(found, sha256(source.subarray(0, Number(byte))), `at byte ${byte}`)
      }
      // The batch that waited no longer ends where the second long record begins.
      const second = source.length - SOURCE.length + 8 - long.length
      assert.equal(marks.filter(({ byte }) => Number(byte) === second).length, 3)
      await db.query('DROP TABLE marks')
    },
  )
}
