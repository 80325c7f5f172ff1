import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

/** Every header is columns of their own, or a refusal that names what is wrong before anything is made; on whatever database. */
export function headers(start: (folder: string) => Promise<{ to: string; stop(): Promise<void> }>): void {
  let folder: string
  let db: Database
  let place: Awaited<ReturnType<typeof start>>

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

  const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`

  function run(lines: string[][], options: Partial<LoadOptions> = {}) {
    const source = join(folder, 't.csv')
    writeFileSync(source, lines.map((cells) => `${cells.map(quoted).join(',')}\n`).join(''))
    const dialect = { delimiter: ',', quote: '"', header: true }
    return load({ source, to: place.to, table: 't', dialect, ...options } as LoadOptions)
  }

  /** What a load of one record with the numbers 1, 2, 3 … leaves in the table. */
  async function row(header: string[], options?: Partial<LoadOptions>): Promise<[string, unknown][]> {
    const { inserted } = await run([header, header.map((_, i) => `${i + 1}`)], options)
    assert.equal(inserted, 1)
    const columns = (await db.describe({ schema: null, table: 't' }))!.columns.map(({ name }) => name)
    const [found] = await db.query(`SELECT ${columns.map(quoted).join(', ')} FROM t`)
    return columns.map((name) => [name, found![name]])
  }

  for (const header of [
    ['id', 'x'.repeat(63)],
    ['rowid', 'oid', '_rowid_'],
    ['CTID', 'Xmin', 'sluice_row', '_job'],
    ['__proto__', 'constructor', 'toString', 'hasOwnProperty'],
    ['id"; DROP TABLE ingestion_jobs; --', "it's", '$1', '?', ':a', '[x]', '`y`', '\\'],
    ['select', 'from', 'a b', 'a.b', 'a,b', 'a\nb'],
    ['ä', 'ß', 'SS', '😀', '\u200b', 'İ', 'ſ', 's'],
  ]) {
    test(`distinct columns for ${JSON.stringify(header)}, made and found`, async () => {
      const expected = header.map((name, i): [string, number] => [name, i + 1])
      assert.deepEqual(await row(header), expected)
      await db.query('DELETE FROM t')
      const back = await row(header.toReversed())
      assert.deepEqual(
        back,
        expected.map(([name, i]) => [name, header.length + 1 - i]),
      )
    })
  }

  for (const [header, named] of [
    [['id', 'id'], /"id".*"id"/],
    [['id', ' id '], /"id".*"id"/],
    [['id', 'ID'], /"id" and "ID" differ in case only/],
    [['É', 'é'], /"É" and "é" differ in case only/],
    [['id', ''], /column 2 of the source has no name/],
    [['id', '  '], /column 2 of the source has no name/],
    [['id', 'a\0'], /"a\\u0000" cannot name a column/],
  ] as const) {
    test(`no table is made for ${JSON.stringify(header)}`, async () => {
      await assert.rejects(run([[...header], ['1', '2']]), { code: 'SLUICE_COLUMNS', message: named })
      assert.equal(await db.describe({ schema: null, table: 't' }), undefined)
    })
  }

  test('what only PostgreSQL cannot have is refused there, and fits another name', async () => {
    for (const name of ['x'.repeat(64), 'é'.repeat(32), 'ctid', 'xmin', 'tableoid']) {
      await db.query('DROP TABLE IF EXISTS t')
      if (db.kind === 'sqlite') assert.deepEqual((await row(['id', name]))[1], [name, 2])
      else {
        const jobs = await db.query('SELECT job_id FROM ingestion_jobs')
        await assert.rejects(row(['id', name]), {
          code: 'SLUICE_COLUMNS',
          message: new RegExp(`"${name}" .*use --map`),
        })
        assert.equal(await db.describe({ schema: null, table: 't' }), undefined)
        assert.equal((await db.query('SELECT job_id FROM ingestion_jobs')).length, jobs.length)
        assert.deepEqual(await row(['id', name], { rename: { [name]: 'other' } }), [
          ['id', 1],
          ['other', 2],
        ])
      }
    }
  })

  test('the trimmed header exactly, else the only one equal without regard to case', async () => {
    await db.query('CREATE TABLE t (id int, name int, "Zip Code" int)')
    const expected = [
      ['id', 1],
      ['name', 2],
      ['Zip Code', 3],
    ]
    assert.deepEqual(await row([' id', 'name ', 'Zip Code']), expected)
    await db.query('DELETE FROM t')
    assert.deepEqual(await row(['ID', '\tName', 'ZIP CODE']), expected)
    if (db.kind === 'sqlite') return
    await db.query('DROP TABLE t')
    await db.query('CREATE TABLE t (id int, "Name" int, "NAME" int)')
    assert.deepEqual(await row(['id', 'NAME', 'Name']), [
      ['id', 1],
      ['Name', 3],
      ['NAME', 2],
    ])
    await assert.rejects(row(['id', 'name']), {
      code: 'SLUICE_COLUMNS',
      message: /"name" could be any of "Name", "NAME"/,
    })
  })

  test('two headers for one column are refused', async () => {
    await db.query('CREATE TABLE t (id int, name int)')
    await assert.rejects(row(['id', 'name', 'NAME']), {
      code: 'SLUICE_COLUMNS',
      message: /"name".*"NAME".* go to "name"/,
    })
  })

  test('unknown columns are refused or left out; a NOT NULL column without a value is always refused', async () => {
    await db.query('CREATE TABLE t (id int, must int NOT NULL, d int NOT NULL DEFAULT 7)')
    await assert.rejects(row(['id', 'must', 'rowid', 'ctid']), { code: 'SLUICE_COLUMNS', message: /"rowid", "ctid"/ })
    assert.deepEqual(await row(['id', 'must', 'rowid', ''], { unknownColumns: 'ignore' }), [
      ['id', 1],
      ['must', 2],
      ['d', 7],
    ])
    for (const unknownColumns of ['reject', 'ignore'] as const) {
      await assert.rejects(row(['id', 'd'], { unknownColumns }), {
        code: 'SLUICE_COLUMNS',
        message: /"must" \(NOT NULL/,
      })
    }
    await db.query('DELETE FROM t')
    assert.equal((await row(['id'], { set: { must: '5' } }))[1]![1], 5)
  })

  test('generated and identity columns are left to the table, defaults and triggers are at work', async () => {
    const identity = db.kind === 'postgres' ? 'n int GENERATED ALWAYS AS IDENTITY' : 'n INTEGER PRIMARY KEY'
    await db.query(
      `CREATE TABLE t (${identity}, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, d text DEFAULT 'd', seen text)`,
    )
    if (db.kind === 'sqlite') {
      await db.query(
        `CREATE TRIGGER see AFTER INSERT ON t BEGIN UPDATE t SET seen = 'by ' || new.a WHERE n = new.n; END`,
      )
    } else {
      await db.query(`CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN new.seen := 'by ' || new.a; RETURN new; END $$`)
      await db.query('CREATE TRIGGER see BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION see()')
    }
    const notices: string[] = []
    const { inserted } = await run(
      [
        ['a', 'Twice'],
        ['4', '999'],
        ['5', ''],
      ],
      { onNotice: (line) => notices.push(line) },
    )
    assert.equal(inserted, 2)
    const rows = await db.query('SELECT n, a, twice, d, seen FROM t ORDER BY n')
    assert.deepEqual(
      rows.map((found) => Object.values(found)),
      [
        [1, 4, 8, 'd', 'by 4'],
        [2, 5, 10, 'd', 'by 5'],
      ],
    )
    assert.ok(notices.some((line) => /the table itself fills "twice"/.test(line)))
  })
}
