import assert from 'node:assert/strict'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { createTables, type Database, JobStore, load, openDatabase, type SluiceError } from '@sluice/engine'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { createServiceTables } from '../src/jobs/tables.ts'

const SHAPES = join(import.meta.dirname, 'shapes')
const OWN = [
  'ingestion_jobs',
  'ingestion_checkpoints',
  'failed_imports',
  'sluice_uploads',
  'sluice_webhooks',
  'sluice_schema',
]
type Row = Record<string, string | number | bigint | boolean | null | Uint8Array>

/**
 * Sluice's own tables from each of their earlier shapes, which stand in `shapes/` as the program of their time made them: set by set
 * in the order of their history.
 * @param url of an empty database
 */
export async function testMigrations(url: string): Promise<void> {
  const database = await openDatabase(url)
  const folder = temporaryFolder()
  after(() => database.close())

  const create = async (one: Database) => {
    await createTables(one)
    await createServiceTables(one)
  }
  const dropAll = async () => {
    for (const name of [...OWN, 'people']) await database.query(`DROP TABLE IF EXISTS ${name}`)
  }
  beforeEach(dropAll)

  /** As the program of that time left it. */
  async function makeShape(name: string): Promise<void> {
    const sql = readFileSync(join(SHAPES, `${name}.${database.kind}.sql`), 'utf8')
    for (const statement of sql.split(';\n').filter((one) => one.trim() !== '')) await database.query(statement)
  }

  async function columnsOf(table: string): Promise<string[]> {
    const rows = await database.query<{ name: string; type: string; rule: string }>(
      database.kind === 'postgres'
        ? `SELECT attname AS name, format_type(atttypid, atttypmod) AS type,
             concat(attnotnull, ' ', (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum)) AS rule
           FROM pg_attribute a WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped`
        : `SELECT name, lower(type) AS type, "notnull" || ' ' || coalesce(dflt_value, '') AS rule FROM pragma_table_info($1)`,
      [table],
    )
    return rows.map(({ name, type, rule }) => `${name} ${type} ${rule}`).sort()
  }

  const shapeNow = async () => Promise.all(OWN.map(columnsOf))

  async function versions(): Promise<Record<string, number>> {
    const rows = await database.query<{ name: string; version: number }>('SELECT name, version FROM sluice_schema')
    return Object.fromEntries(rows.map(({ name, version }) => [name, Number(version)]))
  }

  describe(`on ${database.kind}`, () => {
    for (const name of shapeNames()) {
      test(`the shape ${name} becomes that of new tables, also when several begin at once`, async () => {
        await create(database)
        const [wanted, newest] = [await shapeNow(), await versions()]
        await dropAll()
        await makeShape(name)
        const users = await Promise.all([1, 2, 3].map(() => openDatabase(url)))
        try {
          await Promise.all(users.map(create))
        } finally {
          await Promise.all(users.map((user) => user.close()))
        }
        assert.deepEqual(await shapeNow(), wanted)
        assert.deepEqual(await versions(), newest)
      })
    }

    for (const name of shapeNames().filter((one) => one.startsWith('load-'))) {
      test(`a load that stopped with the shape ${name} goes on, each record once`, async () => {
        const path = join(folder, 'people.csv')
        const rows = Array.from({ length: 20_000 }, (_, i) =>
          i % 100 === 7 ? `x${i},no number\n` : `${i},name ${i}\n`,
        )
        writeFileSync(path, `id,name\n${rows.join('')}`)
        const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }
        const options = { source: path, to: url, table: 'people', schema, batchRows: 1_000 }
        await assert.rejects(load({ ...options, maxErrors: { rows: 50 } }), { code: 'SLUICE_ERROR_BUDGET' })
        await backTo(name)
        const { recordsRead, inserted, rejected } = await load(options)
        assert.deepEqual({ recordsRead, inserted, rejected }, { recordsRead: 20_000, inserted: 19_800, rejected: 200 })
        const [counted] = await database.query<Row>(
          'SELECT count(*) AS n, (SELECT count(DISTINCT record) FROM failed_imports) AS refused FROM people',
        )
        assert.deepEqual([Number(counted!['n']), Number(counted!['refused'])], [19_800, 200])
        const jobs = new JobStore(database)
        const [job] = await jobs.list()
        assert.equal(job!.rejectsByCode, null, 'an earlier version counted the first ones')
        assert.deepEqual(await jobs.rejectCounts(job!.jobId), { 'type-error': 200 })
      })
    }

    test('tables of a later version are refused, and left as they are', async () => {
      await create(database)
      await database.query(`UPDATE sluice_schema SET version = version + 1`)
      const later = await versions()
      for (const attempt of [createTables, createServiceTables]) {
        await assert.rejects(attempt(database), (error: SluiceError) => {
          assert.equal(error.code, 'SLUICE_CONFIG')
          assert.match(error.message, /are of version \d+, and this sluice knows them up to version \d+/)
          return true
        })
      }
      assert.deepEqual(await versions(), later)
    })

    test('a table that was dropped by hand is made again, and the others keep their rows', async () => {
      await create(database)
      const wanted = await shapeNow()
      const uploads = `INSERT INTO sluice_uploads (upload_id, owner, mode, file_name, receiver, created_at, attempts)
        VALUES ('00000000-0000-4000-8000-000000000000', 'me', 'staged', 'a.csv', '', ${database.now}, 3)`
      await database.query(uploads)
      await database.query('DROP TABLE failed_imports')
      await database.query('DROP TABLE sluice_webhooks')
      await create(database)
      assert.deepEqual(await shapeNow(), wanted)
      const [kept] = await database.query<Row>('SELECT attempts FROM sluice_uploads')
      assert.equal(Number(kept!['attempts']), 3)
    })

    test('what cannot be changed is told, and the version stays', async () => {
      await makeShape('uploads-1')
      // Of this name there is something else.
      await database.query('CREATE VIEW sluice_webhooks AS SELECT 1 AS one')
      try {
        await assert.rejects(createServiceTables(database), { code: 'SLUICE_DATABASE' })
        assert.deepEqual(await versions(), {})
        assert.ok(!(await columnsOf('sluice_uploads')).some((column) => column.startsWith('attempts ')))
      } finally {
        await database.query('DROP VIEW sluice_webhooks')
      }
      await createServiceTables(database)
      assert.ok((await columnsOf('sluice_uploads')).some((column) => column.startsWith('attempts ')))
    })
  })

  /** Takes the tables of loads, with their rows, back to an earlier shape. */
  async function backTo(name: string): Promise<void> {
    const [job] = await new JobStore(database).list()
    assert.ok(job && job.recordsRead > 0 && job.status === 'FAILED')
    const tables = OWN.slice(0, 3)
    const kept = new Map<string, Row[]>()
    for (const table of tables) kept.set(table, await database.query<Row>(`SELECT * FROM ${table}`))
    for (const table of [...tables, 'sluice_schema']) await database.query(`DROP TABLE ${table}`)
    await makeShape(name)
    for (const table of tables) {
      const columns = (await columnsOf(table)).map((column) => column.split(' ')[0]!)
      // A number that the database gives goes on with the highest of those it gave.
      const there = columns.filter((column) => column !== 'id')
      for (const row of kept.get(table)!) {
        const values = there.map((column) => row[column] ?? null)
        const places = there.map((_, i) => `$${i + 1}`)
        await database.query(`INSERT INTO ${table} (${there.join(', ')}) VALUES (${places.join(', ')})`, values)
      }
    }
  }
}

function shapeNames(): string[] {
  return [...new Set(globSync('*.sql', { cwd: SHAPES }).map((file) => file.split('.')[0]!))].sort()
}
