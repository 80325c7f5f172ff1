import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Database, openDatabase } from '@sluice/engine'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { type Ended, sluice } from './sluice.ts'

const RECORDS = 2_000
/** Every 100th record is bad. */
const SOURCE = `id,name\n${Array.from({ length: RECORDS }, (_, i) => `${(i + 1) % 100 === 0 ? 'x' : ''}${i + 1},new ${i + 1}\n`).join('')}`
const SCHEMA = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })

/** What `--mode replace` and `--atomic` promise, on whatever database. */
export function atomicSuite(urlFor: (folder: string) => Promise<string>): void {
  async function prepared() {
    const cwd = temporaryFolder()
    const to = await urlFor(cwd)
    const table = `t${randomUUID().slice(0, 8)}`
    writeFileSync(join(cwd, 'in.csv'), SOURCE)
    writeFileSync(join(cwd, 'schema.json'), SCHEMA)
    const database = await openDatabase(to)
    const run = (flags: string[], env: Record<string, string> = {}) =>
      sluice(
        [
          'load',
          'in.csv',
          '--table',
          table,
          '--schema',
          'schema.json',
          '--to',
          to,
          '--json',
          '--batch-rows',
          '300',
          ...flags,
        ],
        { cwd, env },
      )
    const create = async (extra = '') => {
      await database.query(
        `CREATE TABLE ${table} (id int PRIMARY KEY, name text NOT NULL, kind text DEFAULT 'k', twice int GENERATED ALWAYS AS (id * 2) STORED${extra})`,
      )
      await database.query(`INSERT INTO ${table} (id, name) VALUES (1, 'old 1'), (-5, 'old -5')`)
    }
    const names = () => namesIn(database, table)
    const staged = () => stagingTables(database)
    return { cwd, to, table, database, run, create, names, staged }
  }

  /** Statements that make a table lose the row 7 without a word. */
  function swallowing({ kind }: Database, table: string): string[] {
    if (kind === 'sqlite')
      return [`CREATE TRIGGER s BEFORE INSERT ON ${table} WHEN new.id = 7 BEGIN SELECT RAISE(IGNORE); END`]
    return [
      `CREATE FUNCTION lose_${table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF new.id = 7 THEN RETURN NULL; END IF; RETURN new; END $$`,
      `CREATE TRIGGER s BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION lose_${table}()`,
    ]
  }

  async function namesIn(database: Database, table: string): Promise<string[]> {
    return (await database.query<{ name: string }>(`SELECT name FROM ${table} ORDER BY id`)).map(({ name }) => name)
  }

  async function stagingTables(database: Database): Promise<string[]> {
    const sql =
      database.kind === 'postgres'
        ? `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND starts_with(relname, 'sluice_stage_')`
        : `SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'sluice_stage_%'`
    return (await database.query<{ name: string }>(sql)).map(({ name }) => name)
  }

  function counts({ code, stdout, stderr }: Ended): number[] {
    assert.equal(code, 0, stderr)
    const receipt = JSON.parse(stdout)
    assert.equal(receipt.recordsRead, receipt.inserted + receipt.rejected)
    return [receipt.recordsRead, receipt.inserted, receipt.rejected]
  }

  const good = Array.from({ length: RECORDS }, (_, i) => i + 1).filter((id) => id % 100 !== 0)
  const NEW = good.map((id) => `new ${id}`)
  const OLD = ['old -5', 'old 1']

  test('replace swaps the rows; defaults and generated columns are the target’s', async () => {
    const { database, run, create, names, staged, table } = await prepared()
    await create()
    assert.deepEqual(counts(await run(['--mode', 'replace'])), [2_000, 1_980, 20])
    assert.deepEqual(await names(), NEW)
    const [row] = await database.query(`SELECT kind, twice FROM ${table} WHERE id = 7`)
    assert.deepEqual({ ...row }, { kind: 'k', twice: 14 })
    assert.deepEqual(await staged(), [])
    await database.close()
  })

  test('atomic appends; rows whose key the table has already are rejects, as are those of equal keys', async () => {
    const { cwd, database, run, create, names, staged, to } = await prepared()
    await create(', UNIQUE (name)')
    writeFileSync(join(cwd, 'in.csv'), `${SOURCE}7,again\n3000,new 8\n3001,old -5\n3002,fine\n`)
    const receipt = await run(['--atomic'])
    assert.deepEqual(counts(receipt), [2_004, 1_980, 24])
    assert.deepEqual(await names(), ['old -5', 'old 1', ...NEW.slice(1), 'fine'])
    const { jobId } = JSON.parse(receipt.stdout)
    const rejects = (await sluice(['rejects', jobId, '--to', to, '--ndjson'], { cwd })).stdout.trimEnd().split('\n')
    const unique = rejects.map((line) => JSON.parse(line)).filter(({ errors }) => errors[0].code === 'unique-error')
    assert.deepEqual(
      unique.map(({ record, raw, errors }) => [record, raw, errors[0].column]),
      [
        [1, '1,new 1', 'id'],
        [2_001, '7,again', 'id'],
        [2_002, '3000,new 8', 'name'],
        [2_003, '3001,old -5', 'name'],
      ],
    )
    assert.ok(unique.every(({ errors }) => !errors[0].message.includes('sluice_stage')))
    assert.deepEqual(await staged(), [])
    await database.close()
  })

  test('keys and NULLs that are no conflict are none; a table that is created is atomic too', async () => {
    const { cwd, database, run, names, table } = await prepared()
    writeFileSync(join(cwd, 'in.csv'), 'id,name\n1,a\n2,b\n')
    assert.deepEqual(counts(await run(['--atomic', '--key', 'id'])), [2, 2, 0])
    await database.query(`CREATE UNIQUE INDEX ${table}_name ON ${table} (name)`)
    writeFileSync(join(cwd, 'in.csv'), 'id,name\n3,\n4,\n5,a\n')
    assert.deepEqual(counts(await run(['--atomic', '--key', 'id'])), [3, 2, 1])
    assert.deepEqual(await names(), ['a', 'b', null, null])
    await database.close()
  })

  for (const [flags, after] of [
    [['--mode', 'replace'], NEW],
    [['--atomic'], ['old -5', 'old 1', ...NEW.slice(1)]],
  ] as const) {
    test(`killed anywhere, ${flags.join(' ')} shows nothing, and goes on to all`, async () => {
      const { database, run, create, names, staged } = await prepared()
      await create()
      for (const point of [
        'after-create-job',
        'after-create-staging',
        'after-rows:1',
        'before-commit:2',
        'after-commit:2',
        'before-publish',
        'before-transaction-commit',
      ]) {
        const { signal, stderr } = await run([...flags], { SLUICE_FAILPOINTS: `${point}=kill` })
        assert.equal(signal, 'SIGKILL', `${point}: ${stderr}`)
        assert.deepEqual(await names(), OLD, point)
      }
      assert.equal((await staged()).length, 1)
      // Published, but nobody was told.
      const { signal } = await run([...flags], { SLUICE_FAILPOINTS: 'after-publish=kill' })
      assert.equal(signal, 'SIGKILL')
      assert.deepEqual(await names(), after)
      assert.deepEqual(await staged(), [])
      const [job] = await database.query(
        `SELECT status, records_read, inserted, rejected FROM ingestion_jobs ORDER BY created_at DESC LIMIT 1`,
      )
      assert.deepEqual(
        { ...job },
        {
          status: 'COMPLETED',
          records_read: 2_000,
          inserted: after.length - (flags.length === 1 ? 2 : 0),
          rejected: 2_000 - after.length + (flags.length === 1 ? 2 : 0),
        },
      )
      await database.close()
    })
  }

  test('beyond the error budget nothing is visible, and a higher one goes on', async () => {
    const { database, run, create, names, staged, to, cwd } = await prepared()
    await create()
    const failed = await run(['--mode', 'replace', '--max-errors', '10'])
    assert.equal(failed.code, 3, failed.stderr)
    assert.deepEqual(await names(), OLD)
    assert.equal((await staged()).length, 1)
    const [job] = await database.query<{ job_id: string }>(
      `SELECT job_id FROM ingestion_jobs WHERE status = 'FAILED' ORDER BY created_at DESC LIMIT 1`,
    )
    const replay = await sluice(['replay', 'in.csv', '--job', job!.job_id, '--to', to], { cwd })
    assert.match(replay.stderr, /published none/)
    assert.deepEqual(counts(await run(['--mode', 'replace', '--max-errors', '20'])), [2_000, 1_980, 20])
    assert.deepEqual(await names(), NEW)
    await database.close()
  })

  test('--restart and jobs prune remove what was staged', async () => {
    const { database, run, create, names, staged, to, cwd } = await prepared()
    await create()
    await run(['--atomic', '--max-errors', '10'])
    const [before] = await staged()
    await run(['--atomic', '--max-errors', '10', '--restart'])
    const [second, ...others] = await staged()
    assert.ok(before && second && before !== second)
    assert.deepEqual(others, [])
    const pruned = await sluice(['jobs', 'prune', '--older-than', '0s', '--to', to], { cwd })
    assert.equal(pruned.code, 0, pruned.stderr)
    assert.deepEqual(await staged(), [])
    assert.deepEqual(await names(), OLD)
    await database.close()
  })

  test('readers see all of the old rows or all of the new ones', async () => {
    const { database, run, create, names } = await prepared()
    await create()
    const seen = new Set<string>()
    const loading = run(['--mode', 'replace'], { SLUICE_FAILPOINTS: 'before-transaction-commit=delay=300' })
    let done = false
    void loading.finally(() => {
      done = true
    })
    while (!done) {
      try {
        seen.add(JSON.stringify(await names()))
      } catch (error) {
        // SQLite's readers wait while a transaction is written; it says so when that takes long.
        assert.equal(database.classify(error), 'transient', String(error))
      }
    }
    assert.deepEqual(counts(await loading), [2_000, 1_980, 20])
    seen.add(JSON.stringify(await names()))
    assert.deepEqual([...seen], [JSON.stringify(OLD), JSON.stringify(NEW)])
    await database.close()
  })

  test('a key that is taken between staging and publishing stops the load, and nothing is published', async () => {
    const { database, run, create, names, staged, table } = await prepared()
    await create()
    await run(['--atomic'], { SLUICE_FAILPOINTS: 'before-publish=kill' })
    await database.query(`INSERT INTO ${table} (id, name) VALUES (2, 'meanwhile')`)
    const stopped = await run(['--atomic'])
    assert.equal(stopped.code, 1)
    assert.match(
      stopped.stderr,
      /Nothing was published.*1 of them with a id that it has by now, such as "2"\..*--restart/,
    )
    assert.deepEqual(await names(), [...OLD, 'meanwhile'])
    assert.equal((await staged()).length, 1)
    // Once the row is gone, the staged ones can be published; put back, the source has to be read again.
    await database.query(`DELETE FROM ${table} WHERE name = 'meanwhile'`)
    await run(['--atomic'], { SLUICE_FAILPOINTS: 'before-publish=kill' })
    await database.query(`INSERT INTO ${table} (id, name) VALUES (2, 'meanwhile')`)
    assert.deepEqual(counts(await run(['--atomic', '--restart'])), [2_000, 1_978, 22])
    assert.deepEqual(await names(), [...OLD, 'meanwhile', ...NEW.slice(2)])
    assert.deepEqual(await staged(), [])
    await database.close()
  })

  test('rows that a trigger leaves out when all are published keep all of them back', async () => {
    const { cwd, database, run, create, names, table, staged } = await prepared()
    await create()
    for (const statement of swallowing(database, table)) await database.query(statement)
    for (const flags of [['--atomic'], ['--mode', 'replace']]) {
      const stopped = await run([...flags, '--restart'])
      assert.equal(stopped.code, 1)
      assert.match(
        stopped.stderr,
        /Nothing was published, because a trigger of the table .* leaves some of the rows out/,
      )
      assert.deepEqual(await names(), OLD)
      assert.equal((await staged()).length, 1)
    }
    assert.deepEqual(counts(await run(['--restart'])), [2_000, 1_978, 22])
    writeFileSync(join(cwd, 'in.csv'), 'id,name\n3000,fine\n')
    assert.deepEqual(counts(await run(['--atomic'])), [1, 1, 0])
    await database.close()
  })

  test('a key that is deferrable is held as any other', async () => {
    const { cwd, database, run, names, table } = await prepared()
    const deferrable = database.kind === 'postgres' ? ' DEFERRABLE INITIALLY DEFERRED' : ''
    await database.query(`CREATE TABLE ${table} (id int UNIQUE${deferrable}, name text)`)
    await database.query(`INSERT INTO ${table} VALUES (2, 'old')`)
    writeFileSync(join(cwd, 'in.csv'), 'id,name\n1,a\n2,b\n3,c\n1,d\n')
    // What was loaded before is skipped else.
    for (const flags of [['--atomic'], ['--force']]) {
      await database.query(`DELETE FROM ${table} WHERE name <> 'old'`)
      assert.deepEqual(counts(await run(flags)), [4, 2, 2])
      assert.deepEqual(await names(), ['a', 'old', 'c'])
    }
    await database.close()
  })

  test('rows without a parent are found while they are staged', async () => {
    const { cwd, database, run, names, table } = await prepared()
    await database.query(`CREATE TABLE ${table}_p (id int PRIMARY KEY)`)
    await database.query(`INSERT INTO ${table}_p VALUES (1), (3)`)
    await database.query(`CREATE TABLE ${table} (id int REFERENCES ${table}_p (id), name text CHECK (name <> 'no'))`)
    writeFileSync(join(cwd, 'in.csv'), 'id,name\n1,a\n2,b\n3,no\n3,c\n')
    assert.deepEqual(counts(await run(['--mode', 'replace'])), [4, 2, 2])
    assert.deepEqual(await names(), ['a', 'c'])
    await database.close()
  })
}
