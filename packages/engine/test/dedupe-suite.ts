import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Receipt } from '../src/receipt.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { Random } from './support/random.ts'
import { LONG, SEED } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const ROWS = LONG ? 1_000_000 : 20_000
const BATCH = ROWS / 20
/** Records through a filter that is made for a twentieth of them. */
const MANY = LONG ? 20_000_000 : 60_000
/** Of a file that others which overlap with it are loaded beside, and of their batches. */
const BESIDE = LONG ? 300_000 : 6_000
const BESIDE_BATCH = LONG ? 20_000 : 700

const HEAD = 'code,name\n'
const line = (n: number) => `c${n},name of ${n}\n`

/** In the long form, batches before which to kill that only the seed knows. */
function inTheMiddle(): string[] {
  const random = new Random(SEED)
  return Array.from({ length: LONG ? 3 : 0 }, () => `after-fill:${2 + random.below(18)}=kill`)
}

/** Records told apart by their content, in a table that the load makes: its unique index comes when all rows are in. */
export function dedupeSuite(start: () => Promise<{ url: string; stop(): Promise<void> }>): void {
  let place: Awaited<ReturnType<typeof start>>
  let db: Database
  let folder: string
  before(async () => {
    folder = temporaryFolder()
    place = await start()
    db = await openDatabase(place.url)
  })
  after(async () => {
    await db?.close()
    await place?.stop()
  })
  beforeEach(async () => {
    for (const table of ['t', 'ingestion_jobs', 'ingestion_checkpoints', 'failed_imports']) {
      await db.query(`DROP TABLE IF EXISTS ${table}`)
    }
  })

  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const options = (more: Partial<LoadOptions> = {}) => ({
    to: place.url,
    table: 't',
    dedupe: 'content' as const,
    batchRows: BATCH,
    ...more,
  })
  const loadFile = (source: LoadOptions['source'], more: Partial<LoadOptions> = {}) =>
    load({ source, ...options(more) })

  /** Each content once, under a unique index, and the job's row says what the receipt said. */
  const assertTable = async (contents: number, receipts: Receipt[]) => {
    const [row] = await db.query('SELECT count(*) AS rows, count(DISTINCT content_hash) AS contents FROM t')
    assert.deepEqual([Number(row!.rows), Number(row!.contents)], [contents, contents])
    const table = await db.describe({ schema: null, table: 't' })
    assert.deepEqual(table!.uniqueKeys.filter((key) => key.join() === 'content_hash').length, 1)
    for (const { jobId, recordsRead, inserted, duplicates } of receipts) {
      assert.equal(recordsRead, inserted + duplicates)
      const [job] = await db.query('SELECT status, inserted, duplicates FROM ingestion_jobs WHERE job_id = $1', [jobId])
      assert.deepEqual(
        [job!.status, Number(job!.inserted), Number(job!.duplicates)],
        ['COMPLETED', inserted, duplicates],
      )
      const [own] = await db.query('SELECT count(*) AS rows FROM t WHERE job_id = $1', [jobId])
      assert.equal(Number(own!.rows), inserted)
    }
  }

  /** A tenth of the records come again, anywhere. */
  const twins = (random: Random): string => {
    const again = Array.from({ length: ROWS }, (_, i) => (i > 0 && random.below(10) === 0 ? random.below(i) : i))
    return HEAD + again.map(line).join('')
  }
  const contentsOf = (text: string) => new Set(text.split('\n').slice(1, -1)).size

  /** Loads in a process of its own, with a failpoint. */
  const loadFailing = (point: string, source: string, more: Partial<LoadOptions> = {}) => {
    const program = `
      import { load } from ${JSON.stringify(new URL('../src/load.ts', import.meta.url).href)}
      await load(${JSON.stringify({ ...options(more), source })})`
    return spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      env: { ...process.env, SLUICE_FAILPOINTS: point },
      encoding: 'utf8',
    })
  }

  /** A file, the same one once more, and one in opposite order that has a third of its own, all at once; none comes to harm. */
  const loadBeside = async (more: Partial<LoadOptions>): Promise<Receipt[]> => {
    const up = Array.from({ length: BESIDE }, (_, i) => line(i))
    const down = Array.from({ length: BESIDE }, (_, i) => line(BESIDE / 3 + i)).reverse()
    const sources = [
      file('up.csv', HEAD + up.join('')),
      file('up2.csv', HEAD + up.join('')),
      file('down.csv', HEAD + down.join('')),
    ]
    const receipts = await Promise.all(
      sources.map((source) => loadFile(source, { batchRows: BESIDE_BATCH, force: true, ...more })),
    )
    const sum = (count: 'inserted' | 'duplicates' | 'rejected') =>
      receipts.reduce((total, receipt) => total + receipt[count], 0)
    assert.deepEqual([sum('inserted'), sum('duplicates'), sum('rejected')], [(BESIDE * 4) / 3, (BESIDE * 5) / 3, 0])
    return receipts
  }

  describe('a table that the load makes', () => {
    test(`${ROWS} records, a tenth of them twice: each content once, and the last progress is the receipt's`, async () => {
      const text = twins(new Random(SEED))
      let last: number[] = []
      const onProgress: LoadOptions['onProgress'] = ({ inserted, duplicates }) => {
        last = [inserted, duplicates]
      }
      const receipt = await loadFile(file('twins.csv', text), { onProgress })
      assert.deepEqual([receipt.recordsRead, receipt.inserted], [ROWS, contentsOf(text)])
      assert.deepEqual(last, [receipt.inserted, receipt.duplicates])
      await assertTable(receipt.inserted, [receipt])
    })

    test('records that all are alike, and none', async () => {
      const same = await loadFile(file('same.csv', HEAD + line(1).repeat(5_000)))
      assert.deepEqual([same.inserted, same.duplicates], [1, 4_999])
      await assertTable(1, [same])
      await db.query('DROP TABLE t')
      const single = await loadFile(
        file('single.csv', HEAD + Array.from({ length: 5_000 }, (_, i) => line(i)).join('')),
      )
      assert.deepEqual([single.inserted, single.duplicates], [5_000, 0])
      await assertTable(5_000, [single])
    })

    test('updated_at tells when a content came last: in a new table as in one that is there', async () => {
      // In other batches, so in other transactions: the twin of the first record.
      const text = `${HEAD}${Array.from({ length: 300 }, (_, i) => line(i)).join('')}${line(0)}`
      const renewed = `SELECT code FROM t WHERE updated_at > created_at`
      await loadFile(file('renewed.csv', text), { batchRows: 100 })
      assert.deepEqual(await db.query(renewed), [{ code: 'c0' }])
      await db.query('DELETE FROM t')
      const again = await loadFile(file('renewed.csv', text), { batchRows: 100, force: true })
      assert.deepEqual([again.inserted, again.duplicates], [300, 1])
      assert.deepEqual(await db.query(renewed), [{ code: 'c0' }])
    })

    test(`${MANY} records through a filter for a twentieth of them: slower, and nothing is lost`, async () => {
      async function* source() {
        yield Buffer.from(HEAD)
        for (let at = 0; at < MANY; at += 1_000) {
          // Of every thousand the last hundred are those before them.
          yield Buffer.from(Array.from({ length: 1_000 }, (_, i) => line(at + (i < 900 ? i : i - 100))).join(''))
        }
      }
      const receipt = await load({
        ...options({ expectedRows: MANY / 20, batchRows: 50_000 }),
        source: source(),
        sourceName: 'many.csv',
      })
      assert.deepEqual([receipt.inserted, receipt.duplicates], [MANY * 0.9, MANY * 0.1])
      await assertTable(MANY * 0.9, [receipt])
    })

    for (const point of [
      'after-create-job=kill',
      'after-create-table=kill',
      'after-commit:5=kill',
      ...inTheMiddle(),
      'before-late-index=kill',
      'before-transaction-commit:2=kill',
      'after-late-index=kill',
      'before-late-index=transient',
    ]) {
      test(`${point}: the same command goes on, and ends as if nothing had happened`, async (t) => {
        const text = twins(new Random(SEED))
        const source = file('killed.csv', text)
        const run = loadFailing(point, source)
        if (point.endsWith('kill')) {
          assert.equal(run.signal, 'SIGKILL', run.stderr)
          t.diagnostic('1 kills')
        } else {
          assert.equal(run.status, 0, run.stderr)
        }
        const again = await loadFile(source)
        const jobs = await db.query('SELECT inserted, duplicates FROM ingestion_jobs')
        assert.equal(jobs.length, 1)
        const contents = contentsOf(text)
        assert.deepEqual([Number(jobs[0]!.inserted), Number(jobs[0]!.duplicates)], [contents, ROWS - contents])
        await assertTable(contents, again.skipped ? [] : [again])
      })
    }

    test('another load of the same records comes in the middle: it builds the index, and both count what they brought', async () => {
      const half = Array.from({ length: 3_000 }, (_, i) => line(i % 2_000)).join('')
      let release: () => void = () => undefined
      const waits = new Promise<void>((resolve) => {
        release = resolve
      })
      async function* slow() {
        yield Buffer.from(HEAD + half)
        await waits
        yield Buffer.from(Array.from({ length: 3_000 }, (_, i) => line(1_000 + i)).join(''))
      }
      const first = load({ ...options({ batchRows: 1_000 }), source: slow(), sourceName: 'slow.csv' })
      first.catch(() => undefined)
      const isIn = async () => {
        const [job] = await db.query('SELECT inserted FROM ingestion_jobs').catch(() => [])
        return Number(job?.inserted ?? 0) === 3_000
      }
      while (!(await isIn())) await Promise.race([delay(20), first])
      const second = await loadFile(file('other.csv', HEAD + Array.from({ length: 3_500 }, (_, i) => line(i)).join('')))
      release()
      const receipt = await first
      assert.deepEqual([second.inserted, second.duplicates], [1_500, 2_000])
      assert.deepEqual([receipt.inserted, receipt.duplicates], [2_500, 3_500])
      await assertTable(4_000, [receipt, second])
    })

    test('two loads of the same file, and of overlapping files in opposite order, at the same time', async () => {
      const receipts = await loadBeside({})
      await assertTable((BESIDE * 4) / 3, receipts)
    })
  })

  describe('records whose key comes again', () => {
    const byKey: Partial<LoadOptions> = { dedupe: 'key', key: ['code'] }
    /** Each key once, and each record that is a duplicate by its number among the rejects. */
    const assertKeys = async (keys: number, receipts: Receipt[]) => {
      const [row] = await db.query('SELECT count(*) AS rows, count(DISTINCT code) AS keys FROM t')
      assert.deepEqual([Number(row!.rows), Number(row!.keys)], [keys, keys])
      for (const { jobId, recordsRead, inserted, duplicates } of receipts) {
        assert.equal(recordsRead, inserted + duplicates)
        const [told] = await db.query(
          `SELECT count(*) AS rows, count(DISTINCT record) AS records FROM failed_imports WHERE job_id = $1 AND code = 'duplicate'`,
          [jobId],
        )
        assert.deepEqual([Number(told!.rows), Number(told!.records)], [duplicates, duplicates])
      }
    }

    for (const point of ['after-commit:5=kill', ...inTheMiddle()]) {
      test(`${ROWS} records, a tenth of them twice, ${point}: each key once, each other record is told once`, async (t) => {
        const text = twins(new Random(SEED))
        const source = file('keys.csv', text)
        const run = loadFailing(point, source, byKey)
        assert.equal(run.signal, 'SIGKILL', run.stderr)
        t.diagnostic('1 kills')
        const receipt = await loadFile(source, byKey)
        const keys = contentsOf(text)
        assert.deepEqual([receipt.inserted, receipt.duplicates, receipt.rejected], [keys, ROWS - keys, 0])
        await assertKeys(keys, [receipt])
      })
    }

    test('two loads of the same file, and of overlapping files in opposite order, at the same time', async () => {
      const receipts = await loadBeside(byKey)
      await assertKeys((BESIDE * 4) / 3, receipts)
    })
  })
}
