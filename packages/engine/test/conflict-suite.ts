import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, beforeEach, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import type { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Receipt } from '../src/receipt.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { Random } from './support/random.ts'
import { LONG, SEED } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const ROUNDS = LONG ? 40 : 3

/** A record as the source has it; `amount` below 0 is refused by the table, `name` is unique where the test says so. */
type Record = { id: string; name: string; amount: number }
type Row = { id: string | null; name: string; amount: number }
type Fate = 'inserted' | 'updated' | 'unchanged' | 'duplicates' | 'rejected'

const MODES: { name: string; options: Pick<LoadOptions, 'onConflict' | 'dedupe'> }[] = [
  { name: 'dedupe key', options: { dedupe: 'key' } },
  { name: 'skip', options: { onConflict: 'skip' } },
  { name: 'update', options: { onConflict: 'update' } },
]

/** What must come of records, one after the other: the law, in a few lines. */
class Oracle {
  readonly rows: Row[] = []
  readonly fates: Fate[] = []
  readonly #mode: string
  readonly #uniqueName: boolean

  constructor(mode: string, uniqueName: boolean) {
    this.#mode = mode
    this.#uniqueName = uniqueName
  }

  take({ id, name, amount }: Record): void {
    this.fates.push(this.#fateOf({ id: id === '' ? null : id, name, amount }))
  }

  counts() {
    const of = (fate: Fate) => this.fates.filter((one) => one === fate).length
    return {
      recordsRead: this.fates.length,
      inserted: of('inserted'),
      updated: of('updated'),
      unchanged: of('unchanged'),
      duplicates: of('duplicates'),
      rejected: of('rejected'),
    }
  }

  #fateOf(row: Row): Fate {
    if (row.amount < 0) return 'rejected'
    const at = row.id === null ? -1 : this.rows.findIndex(({ id }) => id === row.id)
    if (at !== -1 && this.#mode !== 'update') return 'duplicates'
    if (at !== -1 && JSON.stringify(this.rows[at]) === JSON.stringify(row)) return 'unchanged'
    if (this.#uniqueName && this.rows.some(({ name }, i) => i !== at && name === row.name)) return 'rejected'
    if (at === -1) this.rows.push(row)
    else this.rows[at] = row
    return at === -1 ? 'inserted' : 'updated'
  }
}

const csv = (records: Record[]) =>
  Buffer.from(`id,name,amount\n${records.map(({ id, name, amount }) => `${id},${name},${amount}\n`).join('')}`)

const countsOf = ({ recordsRead, inserted, updated, unchanged, duplicates, rejected }: Receipt) => ({
  recordsRead,
  inserted,
  updated,
  unchanged,
  duplicates,
  rejected,
})

/** Keys that are taken, in one database: no row twice, none lost, each counted as what became of it. */
export function conflictSuite(start: () => Promise<{ url: string; stop(): Promise<void> }>): void {
  let place: Awaited<ReturnType<typeof start>>
  let db: Database

  before(async () => {
    place = await start()
    db = await openDatabase(place.url)
  })
  after(async () => {
    await db?.close()
    await place?.stop()
  })
  beforeEach(() => db.query('DROP TABLE IF EXISTS t'))

  const create = (idType: string, more = '') =>
    db.query(`CREATE TABLE t (id ${idType}, name text NOT NULL, amount int NOT NULL CHECK (amount >= 0)${more})`)
  const loadInto = (records: Record[], options: Partial<LoadOptions> = {}) =>
    load({
      source: Readable.from([csv(records)]),
      sourceName: 's.csv',
      to: place.url,
      table: 't',
      key: ['id'],
      ...options,
    })
  const rowsOf = async () => {
    const rows = await db.query<Row>('SELECT id, name, amount FROM t')
    return rows
      .map(({ id, name, amount }) => JSON.stringify({ id: id === null ? null : String(id), name, amount }))
      .sort()
  }
  const rejectsOf = (jobId: string) =>
    db.query<{ record: number; line: number; code: string }>(
      'SELECT record, line, code FROM failed_imports WHERE job_id = $1 ORDER BY record',
      [jobId],
    )

  describe('what becomes of records with keys that are taken', () => {
    const random = new Random(SEED)
    for (const { name: mode, options } of MODES) {
      for (const uniqueName of [false, true]) {
        const title = `${mode}${uniqueName ? ', with another unique column' : ''}`
        test(`${title}: as one record after the other, whatever the batches`, async () => {
          for (let round = 0; round < ROUNDS; round++) {
            await db.query('DROP TABLE IF EXISTS t')
            await create('text UNIQUE', uniqueName ? ', UNIQUE (name)' : '')
            const oracle = new Oracle(options.onConflict === 'update' ? 'update' : 'skip', uniqueName)
            const keys = random.pick([3, 20, 200])
            for (let file = 0; file < 3; file++) {
              const records = Array.from(
                { length: random.below(120) + 1 },
                (): Record => ({
                  id: random.below(30) === 0 ? '' : `k${random.below(keys)}`,
                  name: `n${random.below(uniqueName ? 150 : 2)}`,
                  amount: random.below(20) === 0 ? -1 : random.below(3),
                }),
              )
              const before = oracle.fates.length
              for (const record of records) oracle.take(record)
              const how = { batchRows: random.pick([1, 7, 40, 1000]), parallel: random.pick([1, 2]) }
              const receipt = await loadInto(records, { ...options, ...how })
              const what = `seed ${SEED}, round ${round}, file ${file}, ${JSON.stringify(how)}`
              const fates = oracle.fates.slice(before)
              const expected = (fate: Fate) => fates.filter((one) => one === fate).length
              assert.deepEqual(
                countsOf(receipt),
                {
                  recordsRead: records.length,
                  inserted: expected('inserted'),
                  updated: expected('updated'),
                  unchanged: expected('unchanged'),
                  duplicates: expected('duplicates'),
                  rejected: expected('rejected'),
                },
                what,
              )
              assert.deepEqual(await rowsOf(), oracle.rows.map((row) => JSON.stringify(row)).sort(), what)
              const told = fates.flatMap((fate, i) => {
                if (fate === 'rejected') return [[i + 1, i + 2, false]]
                return fate === 'duplicates' && options.dedupe ? [[i + 1, i + 2, true]] : []
              })
              const rejects = await rejectsOf(receipt.jobId)
              assert.deepEqual(
                rejects.map(({ record, line, code }) => [Number(record), Number(line), code === 'duplicate']),
                told,
                what,
              )
            }
          }
        })
      }
    }
  })

  describe('the content of records', () => {
    const FIELDS = [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'string' },
      { name: 'email', type: 'string', format: 'email' },
      { name: 'born', type: 'date', format: ['%d.%m.%Y', '%Y-%m-%d'] },
      { name: 'amount', type: 'number' },
    ]
    const schema = { fields: FIELDS } as LoadOptions['schema']
    const content = (text: string, options: Partial<LoadOptions> = {}) =>
      load({
        source: Readable.from([Buffer.from(text)]),
        sourceName: 'c.csv',
        to: place.url,
        table: 't',
        dedupe: 'content',
        ...options,
      })
    /** The law of docs/reference/tables.md, in a few lines. */
    const hashOf = (values: { [name: string]: string | null }): string => {
      const length = (n: number) => {
        const bytes = Buffer.alloc(4)
        bytes.writeUInt32LE(n)
        return bytes
      }
      const parts = Object.entries(values)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([name, value]) => [
          length(Buffer.byteLength(name)),
          Buffer.from(name),
          length(value === null ? 0xffffffff : Buffer.byteLength(value)),
          Buffer.from(value ?? ''),
        ])
      return createHash('sha256').update(Buffer.concat(parts)).digest('hex')
    }

    test('is trimmed, with e-mails in lower case and dates in ISO 8601, NULL unlike the empty text, every value apart', async () => {
      const receipt = await content(
        [
          'id,name,email,born,amount',
          '1, Ann ,Ann@X.de,31.12.2020,1.50',
          '01,Ann,ann@x.de,2020-12-31,1.5',
          '2,"a,b",,,',
          '2,"",,,',
          '2,,,,',
          '3,"q ""u"" é 😀",,,1e3',
          '',
        ].join('\n'),
        { schema },
      )
      assert.deepEqual(countsOf(receipt), { ...countsOf(receipt), inserted: 5, duplicates: 1, recordsRead: 6 })
      const rows = await db.query<{ content_hash: string }>('SELECT content_hash FROM t')
      const none = { email: null, born: null, amount: null }
      const expected = [
        { id: '1', name: 'Ann', email: 'ann@x.de', born: '2020-12-31', amount: '1.5' },
        { id: '2', name: 'a,b', ...none },
        { id: '2', name: '', ...none },
        { id: '2', name: null, ...none },
        { id: '3', name: 'q "u" é 😀', email: null, born: null, amount: '1000' },
      ]
      assert.deepEqual(rows.map((row) => row.content_hash).sort(), expected.map(hashOf).sort())
    })

    test('is the same whatever the order of the columns, and loaded once however often it comes', async () => {
      const text = `id,name,amount\n${Array.from({ length: 300 }, (_, i) => `${i % 250},n${i % 250},${i % 250}.5\n`).join('')}`
      const turned = `amount,name,id\n${Array.from({ length: 250 }, (_, i) => `${i}.50,n${i},${i}\n`).join('')}`
      const first = await content(text, { batchRows: 40 })
      assert.deepEqual([first.inserted, first.duplicates, first.rejected], [250, 50, 0])
      const [before] = await db.query<{ at: string }>('SELECT max(updated_at) AS at FROM t')
      const again = await content(turned, { batchRows: 70 })
      assert.deepEqual([again.inserted, again.duplicates, again.rejected], [0, 250, 0])
      const [row] = await db.query<{ rows: number; hashes: number; oldest: string; jobs: number }>(
        `SELECT CAST(count(*) AS int) AS rows, CAST(count(DISTINCT content_hash) AS int) AS hashes, min(updated_at) AS oldest,
           CAST(count(DISTINCT job_id) AS int) AS jobs FROM t`,
      )
      assert.deepEqual([row!.rows, row!.hashes, row!.jobs], [250, 250, 1])
      assert.ok(row!.oldest >= before!.at, 'a conflict renews updated_at')
    })

    test('a table that is made has the columns of the layout, and keeps what the schema does not name', async () => {
      const text = 'name,more,"odd ""name"" \\"\nAnn,"a ""b"" \\ \u0001\nc",\nBob,,x\n'
      const fields = { fields: [{ name: 'name', type: 'string' }] } as LoadOptions['schema']
      const receipt = await content(text, { schema: fields, unknownColumns: 'metadata' })
      assert.equal(receipt.inserted, 2)
      const table = await db.describe({ schema: null, table: 't' })
      const names = ['id', 'job_id', 'content_hash', 'name', 'metadata', 'created_at', 'updated_at']
      assert.deepEqual(
        table!.columns.map(({ name }) => name),
        names,
      )
      const rows = await db.query<{ job_id: string; name: string; metadata: string }>(
        'SELECT job_id, name, metadata FROM t ORDER BY name',
      )
      assert.deepEqual(
        rows.map(({ name, metadata }) => [name, JSON.parse(metadata)]),
        [
          ['Ann', { more: 'a "b" \\ \u0001\nc', 'odd "name" \\': null }],
          ['Bob', { more: null, 'odd "name" \\': 'x' }],
        ],
      )
      assert.equal(rows[0]!.job_id, receipt.jobId)
    })

    test('metadata of JSON keeps the values as they are', async () => {
      const text = '{"name":"Ann","tags":["a",{"b":1.50}],"age":7}\n{"name":"Bob","age":"old"}\n'
      const fields = { fields: [{ name: 'name', type: 'string' }] } as LoadOptions['schema']
      const receipt = await content(text, { schema: fields, unknownColumns: 'metadata' })
      assert.equal(receipt.inserted, 2)
      const rows = await db.query<{ metadata: string }>('SELECT metadata FROM t ORDER BY name')
      assert.deepEqual(
        rows.map(({ metadata }) => JSON.parse(metadata)),
        [
          { tags: ['a', { b: 1.5 }], age: 7 },
          { tags: null, age: 'old' },
        ],
      )
    })

    test('a table without content_hash, or without its index, is refused with what to do', async () => {
      await create('text')
      await assert.rejects(content('id,name,amount\n1,a,1\n'), { code: 'SLUICE_COLUMNS', message: /content_hash/ })
      await db.query('ALTER TABLE t ADD COLUMN content_hash text')
      await assert.rejects(content('id,name,amount\n1,a,1\n'), { code: 'SLUICE_COLUMNS', message: /unique index/ })
    })
  })

  test('rows of 1,500 columns are compared, too', async () => {
    await db.query('DROP TABLE IF EXISTS t')
    const names = ['id', ...Array.from({ length: 1_499 }, (_, column) => `c${column}`)]
    // Booleans: a row of PostgreSQL has to fit into 8 KB.
    const row = (id: string, last: string) => [id, ...Array(1_498).fill('true'), last]
    const rows = (last: string) => [names, row('1', 'true'), row('2', last)]
    const wide = (last: string) =>
      load({
        source: Readable.from([Buffer.from(rows(last).join('\n'))]),
        to: place.url,
        table: 't',
        key: ['id'],
        onConflict: 'update',
      })
    await wide('true')
    const { updated, unchanged } = await wide('false')
    assert.deepEqual([updated, unchanged], [1, 1])
  })

  describe('what cannot be meant', () => {
    test('a key without a unique index, no key at all, and contradictions are refused', async () => {
      await create('text')
      const one = [{ id: 'a', name: 'n', amount: 1 }]
      await assert.rejects(loadInto(one, { onConflict: 'skip' }), { code: 'SLUICE_COLUMNS', message: /CREATE UNIQUE/ })
      await assert.rejects(loadInto(one, { onConflict: 'skip', key: undefined as never }), {
        code: 'SLUICE_COLUMNS',
        message: /--key/,
      })
      for (const wrong of [
        { onConflict: 'update', dedupe: 'key' },
        { onConflict: 'update', atomic: true },
      ] as const) {
        await assert.rejects(loadInto(one, wrong), { code: 'SLUICE_CONFIG' })
      }
    })
  })

  describe('rows that wait for all', () => {
    for (const { name, options } of MODES) {
      test(`${name} goes with --mode replace: the records of the source are compared among themselves`, async () => {
        await create('text PRIMARY KEY')
        await db.query(`INSERT INTO t VALUES ('a', 'old', 1), ('z', 'old', 1)`)
        const records = ['a', 'b', 'a', 'c', 'b'].map((id, i) => ({ id, name: `n${i}`, amount: i }))
        const { inserted, duplicates, updated } = await loadInto(records, { ...options, mode: 'replace', batchRows: 2 })
        const isUpdate = name === 'update'
        assert.deepEqual([inserted, duplicates, updated], isUpdate ? [3, 0, 2] : [3, 2, 0])
        assert.deepEqual(
          (await rowsOf()).map((row) => JSON.parse(row).name),
          isUpdate ? ['n2', 'n4', 'n3'] : ['n0', 'n1', 'n3'],
        )
      })
    }

    test('--atomic: what the table has is a duplicate too', async () => {
      await create('text PRIMARY KEY')
      await db.query(`INSERT INTO t VALUES ('a', 'old', 1)`)
      const records = ['a', 'b', 'b', 'a', 'c'].map((id, i) => ({ id, name: `n${i}`, amount: i }))
      const receipt = await loadInto(records, { dedupe: 'key', atomic: true, batchRows: 2 })
      assert.deepEqual([receipt.inserted, receipt.duplicates, receipt.rejected], [2, 3, 0])
      assert.deepEqual(
        (await rejectsOf(receipt.jobId)).map(({ record, code }) => [Number(record), code]),
        [1, 3, 4].map((record) => [record, 'duplicate']),
      )
      assert.equal((await rowsOf()).length, 3)
    })
  })

  describe('files that were loaded before', () => {
    let folder: string
    before(() => {
      folder = temporaryFolder()
    })
    const file = (name: string, text: string | Uint8Array) => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const text = (middle: string) => `id,name\n${'1,Ann\n'.repeat(200_000)}2,${middle}\n${'3,Cy\n'.repeat(200_000)}`
    const loadFile = (source: string | string[], options: Partial<LoadOptions> = {}) =>
      load({ source, to: place.url, table: 't', ...options })
    const rows = async () => Number((await db.query('SELECT count(*) AS rows FROM t'))[0]!.rows)

    test('are skipped by their whole content, whatever they are called; what differs between the samples is loaded', async () => {
      const [one, same, other] = [file('a.csv', text('Bo')), file('b.csv', text('Bo')), file('c.csv', text('Xy'))]
      const first = await loadFile(one)
      const notices: string[] = []
      for (const source of [one, same]) {
        const again = await loadFile(source, { onNotice: (notice) => notices.push(notice) })
        assert.deepEqual([again.skipped, again.jobId, again.recordsRead], [true, first.jobId, 0])
      }
      assert.match(notices.at(-1)!, /--force/)
      assert.equal(await rows(), 400_001)
      assert.equal((await loadFile(other)).inserted, 400_001)
      assert.equal((await loadFile(one, { force: true })).inserted, 400_001)
      assert.equal(await rows(), 3 * 400_001)
    })

    test('are loaded into another table, into one that was emptied or dropped, and to replace', async () => {
      const small = file('small.csv', 'id,name\n1,Ann\n')
      assert.equal((await loadFile(small)).inserted, 1)
      assert.equal((await loadFile(small, { mode: 'replace' })).inserted, 1)
      await db.query('DELETE FROM t')
      assert.equal((await loadFile(small)).inserted, 1)
      await db.query('DROP TABLE t')
      assert.equal((await loadFile(small)).inserted, 1)
      assert.equal((await loadFile(small)).skipped, true)
    })

    test('count only when they were loaded whole, several together only together, compressed ones by their bytes', async () => {
      const [a, b] = [file('p.csv', 'id,name\n1,Ann\n2,Bo\n'), file('q.csv', 'id,name\n3,Cy\n')]
      assert.equal((await loadFile(a, { limit: 1 })).inserted, 1)
      assert.equal((await loadFile([a, b])).inserted, 3)
      assert.equal((await loadFile([a, b])).skipped, true)
      assert.equal((await loadFile(b)).inserted, 1)
      const packed = file('p.csv.gz', gzipSync('id,name\n9,Zoe\n'))
      assert.equal((await loadFile(packed)).inserted, 1)
      assert.equal((await loadFile(packed)).skipped, true)
    })

    test('know their content after an interruption too', async () => {
      const source = file('cut.csv', `id,name\n${Array.from({ length: 3_000 }, (_, i) => `${i},n${i}\n`).join('')}`)
      const interrupt = new AbortController()
      const onProgress = () => interrupt.abort()
      const cut = loadFile(source, { batchRows: 500, signal: interrupt.signal, onProgress })
      await assert.rejects(cut, { code: 'SLUICE_INTERRUPTED' })
      const resumed = await loadFile(source, { batchRows: 500 })
      assert.ok(resumed.resumedAtRecord > 0)
      assert.equal((await loadFile(source)).skipped, true)
      assert.equal(await rows(), 3_000)
    })
  })

  describe('several at once, and interruptions', () => {
    const ids = (from: number, to: number): Record[] =>
      Array.from({ length: to - from }, (_, i) => ({ id: `k${from + i}`, name: 'n', amount: 1 }))

    test('two loads of overlapping records in opposite order: each key once, each record counted once', async () => {
      await create('text PRIMARY KEY')
      const up = ids(0, 6_000)
      const down = ids(2_000, 8_000).reverse()
      const options = { onConflict: 'skip', batchRows: 700 } as const
      const both = await Promise.all([
        loadInto(up, { ...options, sourceName: 'up.csv' }),
        loadInto(down, { ...options, sourceName: 'down.csv' }),
      ])
      assert.equal(
        both.reduce((sum, { inserted }) => sum + inserted, 0),
        8_000,
      )
      assert.equal(
        both.reduce((sum, { duplicates }) => sum + duplicates, 0),
        4_000,
      )
      assert.equal((await rowsOf()).length, 8_000)
    })

    for (const { name, options } of MODES) {
      test(`${name}: an interrupted load goes on, and counts as one that was not`, async () => {
        await create('text PRIMARY KEY')
        const random = new Random(SEED)
        const records = Array.from(
          { length: 4_000 },
          (): Record => ({
            id: `k${random.below(2_500)}`,
            name: 'n',
            amount: random.below(3),
          }),
        )
        const oracle = new Oracle(options.onConflict === 'update' ? 'update' : 'skip', false)
        for (const record of records) oracle.take(record)
        let receipt: Receipt | undefined
        for (let life = 0; !receipt; life++) {
          const interrupt = new AbortController()
          const onProgress = () => life < 4 && interrupt.abort()
          receipt = await loadInto(records, { ...options, batchRows: 600, signal: interrupt.signal, onProgress }).catch(
            (error: SluiceError) => {
              assert.equal(error.code, 'SLUICE_INTERRUPTED', error.message)
              return undefined
            },
          )
        }
        assert.ok(receipt.resumedAtRecord > 0)
        assert.deepEqual(countsOf(receipt), oracle.counts())
        assert.deepEqual(await rowsOf(), oracle.rows.map((row) => JSON.stringify(row)).sort())
      })
    }
  })
}
