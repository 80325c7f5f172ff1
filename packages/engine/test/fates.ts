import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

export interface Place {
  to: string
  /** Makes table `t` lose every row whose id is divisible by 7, and refuse those that are divisible by 50. */
  swallowing: string[]
  stop(): Promise<void>
}

/** Each record is in the table once or among the rejects, whatever the table itself does with its rows. */
export function fates(start: (folder: string) => Promise<Place>): void {
  let folder: string
  let place: Place
  let db: Database

  before(async () => {
    folder = temporaryFolder()
    place = await start(folder)
    db = await openDatabase(place.to)
  })

  after(async () => {
    await db?.close()
    await place?.stop()
  })

  beforeEach(async () => {
    await db.query('DROP TABLE IF EXISTS t')
  })

  /** Loads lines below a header; returns the ids in the table and `record code column message` of the rejects. */
  async function fate(lines: string[], options: Partial<LoadOptions> = {}) {
    const source = join(folder, 't.csv')
    writeFileSync(source, `${lines.join('\n')}\n`)
    const receipt = await load({ source, to: place.to, table: 't', restart: true, ...options } as LoadOptions)
    const ids = (await db.query<{ id: number }>('SELECT id FROM t ORDER BY id')).map(({ id }) => id)
    const rejects: string[] = []
    for await (const page of new JobStore(db).rejects(receipt.jobId)) {
      for (const { record, errors } of page) {
        rejects.push([record, errors[0]!.code, errors[0]!.column, errors[0]!.message].join(' '))
      }
    }
    assert.equal(receipt.inserted, ids.length)
    assert.equal(receipt.rejected, rejects.length)
    assert.equal(receipt.recordsRead, lines.length - 1)
    return { ids, rejects }
  }

  const range = (count: number) => Array.from({ length: count }, (_, i) => i + 1)

  for (const options of [{}, { batchRows: 13 }, { write: 'unnest' as const }]) {
    test(`a row that a trigger leaves out is a reject: ${JSON.stringify(options)}`, async () => {
      for (const statement of ['CREATE TABLE t (id int PRIMARY KEY, name text)', ...place.swallowing]) {
        await db.query(statement)
      }
      const { ids, rejects } = await fate(['id,name', ...range(300).map((id) => `${id},n`), '1,again'], options)
      assert.deepEqual(
        ids,
        range(300).filter((id) => id % 7 !== 0 && id % 50 !== 0),
      )
      assert.deepEqual(
        rejects.filter((line) => !/ (unique-error|database-error {2}fifty)/.test(line)),
        range(300)
          .filter((id) => id % 7 === 0 && id % 50 !== 0)
          .map((id) => `${id} database-error  a trigger of the table left the row out`),
      )
      assert.equal(rejects.length, 49)
    })
  }

  test('a trigger that leaves all rows out', async () => {
    for (const statement of ['CREATE TABLE t (id int PRIMARY KEY)', ...place.swallowing]) await db.query(statement)
    const { ids, rejects } = await fate(['id', ...range(100).map((i) => `${i * 7 + (i % 50 === 0 ? 700 : 0)}`)])
    assert.deepEqual([ids.length, rejects.length], [0, 100])
  })

  test('all at once, rows of a table that refers to itself may stand in any order, in rings as well', async () => {
    await db.query('CREATE TABLE t (id int PRIMARY KEY, above int REFERENCES "t" (id))')
    const lines = range(60).map((id) => `${id},${(id % 60) + 1}`)
    const options = { batchRows: 7 }
    assert.deepEqual(await fate(['id,above', ...lines], { ...options, atomic: true }), { ids: range(60), rejects: [] })
    assert.deepEqual(await fate(['id,above', ...lines.toReversed()], { ...options, mode: 'replace' }), {
      ids: range(60),
      rejects: [],
    })
    await assert.rejects(fate(['id,above', '99,98'], { atomic: true }), {
      code: 'SLUICE_DATABASE',
      message: /Nothing was published.*a foreign key to the table itself/i,
    })
    assert.equal((await db.query('SELECT id FROM t')).length, 60)
  })

  test('all at once, rows without a parent in another table are rejects, also where the table refers to itself', async () => {
    await db.query('DROP TABLE IF EXISTS above')
    await db.query('CREATE TABLE above (id int PRIMARY KEY)')
    await db.query('INSERT INTO above VALUES (1), (2)')
    await db.query('CREATE TABLE t (id int PRIMARY KEY, beside int REFERENCES t, above int REFERENCES above (id))')
    const { ids, rejects } = await fate(['id,beside,above', '1,2,1', '2,3,', '3,1,2', '4,1,3', '5,,9', '6,,1'], {
      atomic: true,
      batchRows: 2,
    })
    assert.deepEqual(ids, [1, 2, 3, 6])
    assert.deepEqual(
      rejects.map((line) => line.split(' ').slice(0, 3).join(' ')),
      ['4 constraint-error above', '5 constraint-error above'],
    )
    await db.query('DROP TABLE t')
    await db.query('DROP TABLE above')
  })

  for (const deferred of ['', ' DEFERRABLE INITIALLY DEFERRED']) {
    test(`a bad row takes no good one with it where rows refer to rows behind them${deferred}`, async () => {
      await db.query(
        `CREATE TABLE t (id int PRIMARY KEY, above int REFERENCES t (id)${deferred}, age int CHECK (age > 0))`,
      )
      // A chain from the end to the start, one row without a parent with a row below it, two that break other rules.
      const lines = range(400).map((id) => `${id},${id === 400 ? '' : id === 100 ? 999 : id + 1},1`)
      const more = ['600,400,0', '7,8,1', '601,600,1', '602,601,1', '603,400,1']
      const { ids, rejects } = await fate(['id,above,age', ...lines, ...more])
      assert.deepEqual(ids, [...range(400).slice(100), 603])
      assert.deepEqual(
        rejects.map((line) => line.split(' ').slice(0, 2).join(' ')),
        [...range(100), 401, 402, 403, 404].map((record) => `${record} constraint-error`),
      )
    })
  }
}
