import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, beforeEach, describe, test } from 'node:test'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Receipt } from '../src/receipt.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { Random } from './support/random.ts'
import { LONG, SEED } from './support/small-load.ts'

const ROUNDS = LONG ? 40 : 4

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
}
