import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Database, JobStore, openDatabase } from '@sluice/engine'
import { parse } from 'csv-parse/sync'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { BIN, sluice } from './sluice.ts'

const SCHEMA = {
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
    { name: 'amount', type: 'number', constraints: { maximum: 1000 } },
    { name: 'the note', type: 'string' },
  ],
  primaryKey: 'id',
}

/** Ten records. All but the first two are rejects, nearly each of another kind. */
const SOURCE = Buffer.concat([
  Buffer.from('id,name,amount,the note\n1,Anna,1.5,\n2,Bob,2,""\n'),
  Buffer.from('x3,"Zoë ""Z"", the\nsecond",3,"=1+1"\n'),
  Buffer.from('4,Dan\n'),
  Buffer.from('5,Eve,5,a,b\n'),
  Buffer.from('6,"Fay"x,6,quote\n'),
  Buffer.from('1,Gus,7,same id as Anna\n'),
  Buffer.from([...Buffer.from('8,H'), 0xff, 0xfe, ...Buffer.from(',8,bytes\n')]),
  Buffer.from('9,Ida,9000,""\n'),
  Buffer.from('x10,"=cmd",10,-5\n'),
])

/** What a replay must do, into whatever database. */
export function replaySuite(urlFor: (folder: string) => Promise<string>): void {
  async function loaded(source: Buffer | string = SOURCE, ...flags: string[]) {
    const cwd = temporaryFolder()
    const to = await urlFor(cwd)
    writeFileSync(join(cwd, 'in.csv'), source)
    writeFileSync(join(cwd, 'schema.json'), JSON.stringify(SCHEMA))
    const table = `t${randomUUID().slice(0, 8)}`
    const load = ['load', 'in.csv', '--schema', 'schema.json', '--table', table, '--to', to, '--json', ...flags]
    const { code, stdout, stderr } = await sluice(load, { cwd })
    assert.equal(code, 0, stderr)
    const jobId: string = JSON.parse(stdout).jobId
    /** Prints rejects, as bytes. */
    const rejects = (...form: string[]): Buffer =>
      execFileSync(process.execPath, [BIN, 'rejects', jobId, '--to', to, ...form], { cwd, stdio: 'pipe' })
    const replay = async (content: Buffer | string, env: Record<string, string> = {}) => {
      writeFileSync(join(cwd, 'corrected'), content)
      const done = await sluice(['replay', 'corrected', '--job', jobId, '--to', to, '--json'], { cwd, env })
      await inDatabase(to, sameCounts(jobId))
      return done
    }
    const rows = async (columns = 'id, name, amount, "the note" AS note') => {
      const found = await inDatabase(to, (database) => database.query(`SELECT ${columns} FROM ${table} ORDER BY id`))
      return found.map((row) => Object.values({ ...row, ...('amount' in row && { amount: Number(row.amount) }) }))
    }
    return { cwd, to, jobId, table, rejects, replay, rows }
  }

  async function inDatabase<T>(to: string, work: (database: Database) => Promise<T>): Promise<T> {
    const database = await openDatabase(to)
    try {
      return await work(database)
    } finally {
      await database.close()
    }
  }

  /** What the job says of its rejects by code is what there are. */
  const sameCounts = (jobId: string) => async (database: Database) => {
    const rows = await database.query<{ code: string; n: number }>(
      'SELECT code, count(*) AS n FROM failed_imports WHERE job_id = $1 AND closed_at IS NULL GROUP BY code',
      [jobId],
    )
    const job = await new JobStore(database).read(jobId)
    assert.deepEqual(job!.rejectsByCode, Object.fromEntries(rows.map(({ code, n }) => [code, Number(n)])))
  }

  /** The receipt of a replay that ended well: what it did, then the job's read, inserted and rejected. */
  function told({ code, stdout, stderr }: Awaited<ReturnType<typeof sluice>>): number[] {
    assert.equal(code, 0, stderr)
    const { replay, recordsRead, inserted, rejected, rejectsByCode } = JSON.parse(stdout)
    assert.equal(recordsRead, inserted + rejected)
    assert.equal(
      Object.values<number>(rejectsByCode).reduce((sum, count) => sum + count, 0),
      rejected,
    )
    return [replay.loaded, replay.refused, replay.skipped, recordsRead, inserted, rejected]
  }

  const BEFORE = [
    [1, 'Anna', 1.5, null],
    [2, 'Bob', 2, ''],
  ]

  test('nothing comes in that is not corrected, in either form', async () => {
    const { rejects, replay, rows } = await loaded()
    const csv = rejects()
    assert.deepEqual(told(await replay(csv)), [0, 8, 0, 10, 2, 8])
    assert.deepEqual(rejects(), csv)
    assert.deepEqual(told(await replay(rejects('--ndjson'))), [0, 8, 0, 10, 2, 8])
    assert.deepEqual(rejects(), csv)
    assert.deepEqual(await rows(), BEFORE)
  })

  test('corrected CSV comes in without loss, once; the rest stays open with its new errors', async () => {
    const { rejects, replay, rows } = await loaded()
    const corrected = rejects()
      .toString('latin1')
      .replace('\nx3,', '\n3,')
      .replace('\n4,Dan,,,', '\n4,Dan,4,,')
      .replace('"a,b"', '"a;b"')
      .replace('"6,""Fay""x,6,quote",', '"6,""Fayx"",6,quote",')
      .replace('\n1,Gus', '\n7,Gus')
      .replace('H\\xff\\xfe', 'H\xc3\xa9')
      .replace('9,Ida,9000', '9,Ida,9001')
      .replace('\nx10', '\n10')
    assert.deepEqual(told(await replay(Buffer.from(corrected, 'latin1'))), [7, 1, 0, 10, 9, 1])
    const after = [
      ...BEFORE,
      [3, 'Zoë "Z", the\nsecond', 3, '=1+1'],
      [4, 'Dan', 4, null],
      [5, 'Eve', 5, 'a;b'],
      [6, 'Fayx', 6, 'quote'],
      [7, 'Gus', 7, 'same id as Anna'],
      [8, 'Hé', 8, 'bytes'],
      [10, '=cmd', 10, '-5'],
    ]
    assert.deepEqual(await rows(), after)
    const [header, ...open]: string[][] = parse(rejects())
    assert.deepEqual(
      open.map((cells) => [cells[header!.indexOf('sluice_record')], cells[header!.indexOf('sluice_message')]]),
      [['9', '"9001" is greater than the maximum 1000']],
    )
    assert.deepEqual(told(await replay(Buffer.from(corrected, 'latin1'))), [0, 1, 7, 10, 9, 1])
    // As a spreadsheet of another country saves it: a byte order mark, semicolons, CRLF, columns moved about.
    const other = '\ufeffsluice_record;amount;the note;id;name;sluice_guarded\r\n9;9;"";9;Ida;\r\n3;3;c;3;d;\r\n'
    assert.deepEqual(told(await replay(other)), [1, 0, 1, 10, 10, 0])
    assert.deepEqual(await rows(), [...after.slice(0, 8), [9, 'Ida', 9, ''], after[8]])
  })

  test('corrected NDJSON comes in without loss', async () => {
    const { rejects, replay, rows } = await loaded()
    const corrected = rejects('--ndjson')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    const fix = (record: number, from: string, to: string) => {
      const reject = corrected.find((one) => one.record === record)
      assert.ok(reject.raw.includes(from), reject.raw)
      reject.raw = reject.raw.replace(from, to)
    }
    fix(3, 'x3', '3')
    fix(4, 'Dan', 'Dan,4,')
    fix(6, '"Fay"x', 'Fay,x')
    fix(7, '1,Gus', '2,Gus')
    fix(10, 'x10', '10')
    const bytes = corrected.find(({ record }) => record === 8)
    assert.equal(bytes.raw, undefined)
    bytes.rawBase64 = Buffer.from('8,"a ""b""\r\n\\c",8,"NULL"').toString('base64')
    const text = corrected.map((one) => JSON.stringify(one)).join('\n')
    assert.deepEqual(told(await replay(text)), [4, 4, 0, 10, 6, 4])
    assert.deepEqual(await rows(), [
      ...BEFORE,
      [3, 'Zoë "Z", the\nsecond', 3, '=1+1'],
      [4, 'Dan', 4, null],
      [8, 'a "b"\r\n\\c', 8, 'NULL'],
      [10, '=cmd', 10, '-5'],
    ])
    const codes = rejects('--ndjson')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ record, errors }) => [record, errors[0].code, errors[0].value])
    assert.deepEqual(codes, [
      [5, 'extra-cell', 'b'],
      // Five cells now.
      [6, 'extra-cell', 'quote'],
      [7, 'unique-error', codes[2]![2]],
      [9, 'constraint-error', '9000'],
    ])
  })

  test('a record of which only the beginning was kept does not come in cut', async () => {
    const long = 'y'.repeat(100_000)
    const { replay, rejects, rows } = await loaded(`id,name,amount,the note\n1,a,1,b\nx2,${long},2,c\n`)
    const reject = JSON.parse(rejects('--ndjson').toString())
    assert.deepEqual(
      told(await replay(JSON.stringify({ ...reject, raw: reject.raw.replace('x2', '2') }))),
      [0, 1, 0, 2, 1, 1],
    )
    assert.deepEqual(told(await replay(rejects().toString().replace('x2,', '2,'))), [0, 1, 0, 2, 1, 1])
    assert.match(rejects('--ndjson').toString(), /only the first 65536 were kept/)
    const whole = `2,${long},2,c`
    const line = JSON.stringify({ record: 2, raw: whole, rawLength: whole.length })
    assert.deepEqual(told(await replay(line)), [1, 0, 0, 2, 2, 0])
    assert.deepEqual(await rows('id, length(name) AS length'), [
      [1, 1],
      [2, 100_000],
    ])
  })

  test('what provenance says of a row is about the source', async () => {
    const { replay, rejects, rows, jobId } = await loaded(SOURCE, '--provenance')
    const corrected = rejects().toString('latin1').replace('\nx10', '\n10').replace('\nx3,', '\n3,')
    assert.deepEqual(told(await replay(Buffer.from(corrected, 'latin1'))), [2, 6, 0, 10, 4, 6])
    assert.deepEqual(await rows('id, _job AS job, _file AS file, _line AS line'), [
      [1, jobId, 'in.csv', 2],
      [2, jobId, 'in.csv', 3],
      [3, jobId, 'in.csv', 4],
      [10, jobId, 'in.csv', 12],
    ])
  })

  test('each file of a job is read by its own header', async () => {
    const cwd = temporaryFolder()
    const to = await urlFor(cwd)
    const table = `t${randomUUID().slice(0, 8)}`
    writeFileSync(join(cwd, 'a.csv'), 'id,name,note\n1,a,b\nx2,c,d\n')
    writeFileSync(join(cwd, 'b.csv'), 'note,id,name\nn,3,m\no,x4,p\nq,x5,r\n')
    const fields = [{ name: 'id', type: 'integer' }, { name: 'name' }, { name: 'note' }]
    writeFileSync(join(cwd, 'schema.json'), JSON.stringify({ fields }))
    const flags = ['--table', table, '--schema', 'schema.json', '--to', to, '--json', '--rejects', 'rejects.csv']
    const loaded = await sluice(['load', 'a.csv', 'b.csv', ...flags], { cwd })
    const { jobId } = JSON.parse(loaded.stdout)
    const print = (...form: string[]) => sluice(['rejects', jobId, '--to', to, ...form], { cwd })
    const csv = (await print()).stdout
    assert.deepEqual(
      parse(csv).map((cells: string[]) => cells.slice(0, 4).join()),
      ['id,name,note,sluice_record', 'x2,c,d,2', 'x4,p,o,4', 'x5,r,q,5'],
    )
    assert.equal(readFileSync(join(cwd, 'rejects.csv'), 'utf8'), csv)
    const replay = (input: string) => sluice(['replay', '-', '--job', jobId, '--to', to, '--json'], { cwd, input })
    assert.deepEqual(told(await replay(csv.replaceAll(/\nx([24])/g, '\n$1'))), [2, 1, 0, 5, 4, 1])
    assert.deepEqual(told(await replay((await print('--ndjson')).stdout.replace('q,x5', 'q,5'))), [1, 0, 0, 5, 5, 0])
    const rows = await inDatabase(to, (database) => database.query(`SELECT id, name, note FROM ${table} ORDER BY id`))
    assert.equal(rows.map((row) => Object.values(row).join('')).join(), '1ab,2cd,3mn,4po,5rq')
  })

  test('a replay that is killed anywhere loads nothing twice', async () => {
    const records = Array.from({ length: 1_000 }, (_, i) => `x${i + 1},a,1,b\n`)
    const { replay, rejects, rows, to, table } = await loaded(`id,name,amount,the note\n${records.join('')}`)
    // No key keeps a row from coming in twice.
    await inDatabase(to, async (database) => {
      await database.query(`CREATE TABLE plain AS SELECT * FROM ${table}`)
      await database.query(`DROP TABLE ${table}`)
      await database.query(`ALTER TABLE plain RENAME TO ${table}`)
    })
    const corrected = rejects().toString().replaceAll('\nx', '\n')
    for (const point of ['after-rows:1', 'before-commit:2', 'after-commit:1', 'after-commit:2']) {
      const { signal, stderr } = await replay(corrected, { SLUICE_FAILPOINTS: `${point}=kill` })
      assert.equal(signal, 'SIGKILL', stderr)
    }
    const [, refused, , read, inserted, rejected] = told(await replay(corrected))
    assert.deepEqual([refused, read, inserted, rejected], [0, 1_000, 1_000, 0])
    assert.deepEqual(
      (await rows('id')).map(([id]) => Number(id)),
      records.map((_, i) => i + 1),
    )
    assert.deepEqual(told(await replay(corrected)), [0, 0, 1_000, 1_000, 1_000, 0])
  })

  test('two replays at once load nothing twice', async () => {
    const records = Array.from({ length: 600 }, (_, i) => `x${i + 1},a,1,b\n`)
    const { replay, rejects, rows } = await loaded(`id,name,amount,the note\n${records.join('')}`)
    const corrected = rejects().toString().replaceAll('\nx', '\n')
    await Promise.all([replay(corrected), replay(corrected)])
    const [, refused, , read, inserted, rejected] = told(await replay(corrected))
    assert.deepEqual([refused, read, inserted, rejected], [0, 600, 600, 0])
    assert.equal((await rows('id')).length, 600)
  })

  test('files of another form, other jobs and jobs that are not over are refused', async () => {
    const { replay, jobId, to, cwd } = await loaded()
    const refused = async (content: string, message: RegExp) => {
      const { code, stderr } = await replay(content)
      assert.equal(code, 2)
      assert.match(stderr, message)
    }
    await refused('id,name\n1,a\n', /sluice_record/)
    await refused('id,name,amount,sluice_record\n1,a,1,3\n', /lacks the column "the note"/)
    await refused('id,name,amount,the note,sluice_record\n1,a,1,b,\n', /line 2/)
    await refused('{"record":3}\n', /Line 1 .*"raw"/)
    await refused('{"record":3,"raw":"3,a,1,b"\n', /Line 1 .*JSON/)
    await refused(JSON.stringify({ jobId: randomUUID(), record: 3, raw: '3,a,1,b' }), /not of/)
    const other = await sluice(['replay', 'corrected', '--job', randomUUID(), '--to', to], { cwd })
    assert.equal(other.code, 2)
    assert.match(other.stderr, /no job/)
    await inDatabase(to, (database) =>
      database.query(`UPDATE ingestion_jobs SET status = 'PROCESSING' WHERE job_id = $1`, [jobId]),
    )
    await refused('{"record":3,"raw":"3,a,1,b"}\n', /PROCESSING/)
  })
}
