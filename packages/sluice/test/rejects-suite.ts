import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { type Database, load, openDatabase, type Receipt } from '@sluice/engine'
import { parse } from 'csv-parse/sync'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { BIN, sluice } from './sluice.ts'

type Files = Record<string, string | Buffer>

/** What `sluice rejects` must print and a replay take, and where rejects are kept, in whatever database. */
export function rejectsSuite(urlFor: (folder: string) => Promise<string>): void {
  async function inDatabase<T>(to: string, work: (database: Database) => Promise<T>): Promise<T> {
    const database = await openDatabase(to)
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  }

  /** A folder with files, and the commands in it. */
  async function folderOf(files: Files) {
    const cwd = temporaryFolder()
    const to = await urlFor(cwd)
    for (const [name, content] of Object.entries(files)) writeFileSync(join(cwd, name), content)
    const table = `t${randomUUID().slice(0, 8)}`
    const run = async (...args: string[]): Promise<Receipt> => {
      const { code, stdout, stderr } = await sluice([...args, '--to', to, '--json'], { cwd })
      assert.equal(code, 0, stderr)
      return JSON.parse(stdout)
    }
    const rejects = (jobId: string, ...form: string[]): Buffer =>
      execFileSync(process.execPath, [BIN, 'rejects', jobId, '--to', to, ...form], { cwd, stdio: 'pipe' })
    const replay = async (jobId: string, content: string | Buffer) => {
      writeFileSync(join(cwd, 'corrected'), content)
      const { replay } = (await run('replay', 'corrected', '--job', jobId)) as unknown as { replay: object }
      return replay
    }
    const rows = async (columns: string) => {
      const found = await inDatabase(to, (database) => database.query(`SELECT ${columns} FROM ${table} ORDER BY id`))
      return found.map((row) => Object.values(row))
    }
    return { cwd, to, table, run, rejects, replay, rows }
  }

  /** The records of a CSV, as objects. */
  const records = (csv: Buffer): Record<string, string>[] => parse(csv, { columns: true, skip_empty_lines: true })

  const SCHEMA = JSON.stringify({
    fields: [{ name: 'id', type: 'integer' }, { name: 'name' }, { name: 'note' }, { name: 'city' }],
  })

  test('cells stand under the names that their own file gives them, whatever is missing or too many', async () => {
    const folder = await folderOf({
      'schema.json': SCHEMA,
      'a.csv': 'id,name,note\n1,Anna,x\nx2,Bob,y\n3,Cid\n',
      'b.csv': 'city,note,id,name\nRome,n,4,Dan\nOslo,o\nBonn,p,6,Fay,extra\n',
      'c.csv': 'note,id\nq,x7\nr\n',
      'all.csv': 'old content',
    })
    const files = ['a.csv', 'b.csv', 'c.csv']
    const flags = ['--schema', 'schema.json', '--table', folder.table, '--rejects', 'all.csv']
    const { jobId, rejected } = await folder.run('load', ...files, ...flags)
    assert.equal(rejected, 6)
    const csv = folder.rejects(jobId)
    assert.deepEqual(readFileSync(join(folder.cwd, 'all.csv')), csv)
    const shown = records(csv).map((row) => [row.id, row.name, row.note, row.city, basename(row.sluice_source!)])
    assert.deepEqual(shown, [
      ['x2', 'Bob', 'y', '', 'a.csv'],
      ['3', 'Cid', '', '', 'a.csv'],
      ['', '', 'o', 'Oslo', 'b.csv'],
      ['6', 'Fay,extra', 'p', 'Bonn', 'b.csv'],
      ['x7', '', 'q', '', 'c.csv'],
      ['', '', 'r', '', 'c.csv'],
    ])
    assert.deepEqual(await folder.replay(jobId, csv), { records: 6, loaded: 0, refused: 6, skipped: 0 })
    assert.deepEqual(folder.rejects(jobId), csv)
    const corrected = csv
      .toString()
      .replace('\nx2,', '\n2,')
      .replace('\n3,Cid,,', '\n3,Cid,z,')
      .replace('\n,,o,Oslo', '\n5,Eve,o,Oslo')
      .replace('"Fay,extra"', 'Fay')
      .replace('\nx7,', '\n7,')
      .replace('\n,,r,,', '\n8,,r,Kiel,')
    assert.deepEqual(await folder.replay(jobId, corrected), { records: 6, loaded: 5, refused: 1, skipped: 0 })
    assert.deepEqual(await folder.rows('id, name, note, city'), [
      [1, 'Anna', 'x', null],
      [2, 'Bob', 'y', null],
      [3, 'Cid', 'z', null],
      [4, 'Dan', 'n', 'Rome'],
      [5, 'Eve', 'o', 'Oslo'],
      [6, 'Fay', 'p', 'Bonn'],
      [7, null, 'q', null],
    ])
    // c.csv has no city: sluice cannot know what a value there is to become.
    const [left] = records(folder.rejects(jobId))
    assert.deepEqual([left?.sluice_column, left?.sluice_code], ['city', 'extra-cell'])
    assert.match(left!.sluice_message!, /c\.csv does not have this column/)
  })

  test('columns of another file that the target does not know are printed and not loaded', async () => {
    const folder = await folderOf({
      'schema.json': JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] }),
      'a.csv': 'id,name\nx1,Anna\n',
      'b.csv': 'age,name,id,sluice_record\n30,Bob,x2,mine\n40,Cid\n',
    })
    const flags = ['--schema', 'schema.json', '--table', folder.table, '--unknown-columns', 'ignore']
    const { jobId } = await folder.run('load', 'a.csv', 'b.csv', ...flags)
    const csv = folder.rejects(jobId)
    const [header, ...lines]: string[][] = parse(csv)
    assert.deepEqual(header!.slice(0, 5), ['id', 'name', 'age', 'sluice_record', 'sluice_record'])
    assert.deepEqual(
      lines.map((cells) => cells.slice(0, 5).join()),
      ['x1,Anna,,,1', 'x2,Bob,30,mine,2', ',Cid,40,,3'],
    )
    const corrected = csv.toString().replace('\nx1', '\n1').replace('\nx2', '\n2').replace('\n,Cid', '\n3,Cid')
    assert.deepEqual(await folder.replay(jobId, corrected), { records: 3, loaded: 3, refused: 0, skipped: 0 })
    assert.deepEqual(await folder.rows('id, name'), [
      [1, 'Anna'],
      [2, 'Bob'],
      [3, 'Cid'],
    ])
  })

  test('a reject tells its file: in the table, as CSV and as NDJSON', async () => {
    const folder = await folderOf({
      'schema.json': JSON.stringify({ fields: [{ name: 'id', type: 'integer' }] }),
      'a.csv': 'id\nx1\n',
      'b.csv': 'id\nx2\n',
    })
    const { jobId } = await folder.run('load', 'a.csv', 'b.csv', '--schema', 'schema.json', '--table', folder.table)
    const kept = await inDatabase(folder.to, (database) =>
      database.query('SELECT source FROM failed_imports WHERE job_id = $1 ORDER BY record', [jobId]),
    )
    assert.deepEqual(
      kept.map(({ source }) => basename(String(source))),
      ['a.csv', 'b.csv'],
    )
    assert.deepEqual(
      records(folder.rejects(jobId)).map((row) => basename(row.sluice_source!)),
      ['a.csv', 'b.csv'],
    )
    const ndjson = folder.rejects(jobId, '--ndjson').toString().trimEnd().split('\n')
    assert.deepEqual(
      ndjson.map((line) => basename(JSON.parse(line).source)),
      ['a.csv', 'b.csv'],
    )
  })

  test('the CSV is UTF-8 whatever the bytes of a record are, and none of them is lost', async () => {
    const bytes = Buffer.from([...Buffer.from('x1,'), 0xe9, 0x5c, 0x78, 0x41, 0xc3, 0xa9, 0xff, 0x0a])
    const folder = await folderOf({
      'schema.json': JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'the "name"' }] }),
      'a.csv': Buffer.concat([
        Buffer.from('id,"the ""name"""\n'),
        bytes,
        Buffer.from('x2,=\\é\n"3"x,'),
        Buffer.from([0xfe, 0x0a]),
      ]),
    })
    const { jobId } = await folder.run('load', 'a.csv', '--schema', 'schema.json', '--table', folder.table)
    const csv = folder.rejects(jobId)
    assert.ok(isUtf8(csv))
    assert.deepEqual(
      records(csv).map((row) => [row.id, row['the "name"'], row.sluice_guarded, row.sluice_escaped]),
      [
        ['x1', '\\xe9\\\\xAé\\xff', '', 'the%20"name"'],
        ['x2', "'=\\é", 'the%20"name"', ''],
        ['"3"x,\\xfe', '', '', 'id'],
      ],
    )
    assert.deepEqual(await folder.replay(jobId, csv), { records: 3, loaded: 0, refused: 3, skipped: 0 })
    assert.deepEqual(folder.rejects(jobId), csv)
    const corrected = csv
      .toString()
      .replace('x1,\\xe9\\\\xA', '1,\\xc3\\xa9\\\\A')
      .replace('é\\xff', 'ß')
      .replace('\nx2', '\n2')
      .replace('"""3""x,\\xfe"', '"3,\\xc3\\xa9"')
    assert.deepEqual(await folder.replay(jobId, corrected), { records: 3, loaded: 3, refused: 0, skipped: 0 })
    assert.deepEqual(await folder.rows('id, "the ""name"""'), [
      [1, 'é\\Aß'],
      [2, '=\\é'],
      [3, 'é'],
    ])
  })

  test('a table of rejects of its own: made, shared, resumed, replayed, pruned', async () => {
    const name = `bad "rows" $$ ${randomUUID().slice(0, 8)}`
    const folder = await folderOf({
      'schema.json': JSON.stringify({ fields: [{ name: 'id', type: 'integer' }] }),
      'a.csv': 'id\n1\nx2\nx3\n',
      'b.csv': 'id\nx4\n',
      'profile.json': JSON.stringify({ schema: 'schema.json', rejectTable: name }),
    })
    const flags = ['--schema', 'schema.json', '--table', folder.table]
    await assert.rejects(
      folder.run('load', 'a.csv', ...flags, '--reject-table', name, '--max-errors', '1'),
      /a\.csv|more than/,
    )
    const { jobId, rejectsByCode } = await folder.run('load', 'a.csv', ...flags, '--reject-table', name)
    assert.deepEqual(rejectsByCode, { 'type-error': 2 })
    const second = await folder.run('load', 'b.csv', '--profile', './profile.json', '--table', folder.table)
    const quoted = `"${name.replaceAll('"', '""')}"`
    const count = (table: string) =>
      inDatabase(folder.to, async (database) => {
        const [row] = await database.query<{ n: number }>(
          `SELECT count(*) AS n FROM ${table} WHERE job_id IN ($1, $2)`,
          [jobId, second.jobId],
        )
        return Number(row!.n)
      })
    assert.deepEqual([await count(quoted), await count('failed_imports')], [3, 0])
    const csv = folder.rejects(jobId).toString()
    assert.equal(records(Buffer.from(csv)).length, 2)
    assert.deepEqual(await folder.replay(jobId, csv.replace('\nx2', '\n2')), {
      records: 2,
      loaded: 1,
      refused: 1,
      skipped: 0,
    })
    assert.deepEqual(await folder.rows('id'), [[1], [2]])
    await inDatabase(folder.to, (database) =>
      database.query(`UPDATE ingestion_jobs SET updated_at = created_at WHERE job_id = $1`, [jobId]),
    )
    const { code, stderr } = await sluice(['jobs', 'prune', '--older-than', '0s', '--to', folder.to])
    assert.equal(code, 0, stderr)
    assert.equal(await count(quoted), 0)
  })

  test('names that cannot be a table of rejects are refused before anything is made', async () => {
    const folder = await folderOf({ 'a.csv': 'id\n1\n' })
    await inDatabase(folder.to, (database) => database.query(`CREATE TABLE "${folder.table}o" (job_id text)`))
    for (const [name, message] of [
      ['ingestion_jobs', /own tables/],
      ['sluice_stage_1', /own tables/],
      [folder.table, /loaded into/],
      [`${folder.table}o`, /cannot hold rejects/],
      ['.x', /no table name/],
    ] as const) {
      const load = ['load', 'a.csv', '--table', folder.table, '--to', folder.to, '--reject-table', name]
      const { code, stderr } = await sluice(load, { cwd: folder.cwd })
      assert.equal(code, 2, stderr)
      assert.match(stderr, message)
      assert.equal(await inDatabase(folder.to, (db) => db.describe({ schema: null, table: folder.table })), undefined)
    }
  })

  test('a file of rejects that cannot be written is told before anything is made', async () => {
    const folder = await folderOf({ 'a.csv': 'id\n1\n', 'b.csv': 'id\n1\n', 'kept.csv': 'before' })
    const load = ['load', 'a.csv', '--table', folder.table, '--to', folder.to]
    const before = existsSync(folder.to.replace('sqlite:', ''))
    const refused = await sluice([...load, '--rejects', 'missing/rejects.csv'], { cwd: folder.cwd })
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /missing\/rejects\.csv, cannot be written/)
    assert.equal(existsSync(folder.to.replace('sqlite:', '')), before)
    // What fails later leaves the file as it was, and none where there was none.
    for (const file of ['kept.csv', 'new.csv']) {
      const failed = await sluice([...load, '--skip', 'nothing', '--rejects', file], { cwd: folder.cwd })
      assert.equal(failed.code, 2)
    }
    assert.equal(readFileSync(join(folder.cwd, 'kept.csv'), 'utf8'), 'before')
    assert.equal(existsSync(join(folder.cwd, 'new.csv')), false)
  })

  test('a table of rejects without the column of the source goes on working', async () => {
    const folder = await folderOf({ 'a.csv': 'id,n\n1,x\n2\n', 'b.csv': 'id,n\n3,x\n4\n' })
    const first = await folder.run('load', 'a.csv', '--table', folder.table)
    // As the first versions left it, which knew no versions.
    await inDatabase(folder.to, async (database) => {
      await database.query('ALTER TABLE failed_imports DROP COLUMN source')
      await database.query('DROP TABLE sluice_schema')
    })
    assert.deepEqual(
      records(folder.rejects(first.jobId)).map((row) => row.sluice_source),
      [''],
    )
    const receipt = await load({ source: join(folder.cwd, 'b.csv'), to: folder.to, table: folder.table })
    assert.deepEqual(
      records(folder.rejects(receipt.jobId)).map((row) => row.sluice_source),
      [join(folder.cwd, 'b.csv')],
    )
    assert.equal(records(folder.rejects(first.jobId)).length, 1)
  })
}
