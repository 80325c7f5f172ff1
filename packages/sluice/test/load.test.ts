import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { parse } from 'csv-parse/sync'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { sluice, start } from './sluice.ts'

const PEOPLE = 'id,name,tenant\n1,Anna,a\n2,"Zoë, the second",a\nx,Bob,a\n4,Eve\n'

/** A folder with people.csv: four records, of which the third (with the schema) and the fourth are bad. */
function folderWithPeople(): string {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'people.csv'), PEOPLE)
  const fields = [{ name: 'id', type: 'integer' }, { name: 'name' }, { name: 'tenant' }]
  writeFileSync(join(folder, 'schema.json'), JSON.stringify({ fields, primaryKey: 'id' }))
  return folder
}

function rowsOf(folder: string, sql: string, file = 'sluice.db'): unknown[][] {
  const database = new DatabaseSync(join(folder, file), { readOnly: true })
  try {
    return database
      .prepare(sql)
      .all()
      .map((row) => Object.values(row))
  } finally {
    database.close()
  }
}

test('a load prints its receipt, and the rejects with their reasons are one command away', async () => {
  const cwd = folderWithPeople()
  const loaded = await sluice(['load', 'people.csv', '--schema', 'schema.json'], { cwd })
  assert.equal(loaded.code, 0, loaded.stderr)
  assert.match(loaded.stdout, /^people\.csv → people\n {2}records read +4\n {2}inserted +2\n {2}rejected +2 {3}/)
  assert.match(loaded.stdout, /missing-cell 1/)
  assert.match(loaded.stdout, /type-error 1/)
  assert.match(
    loaded.stdout,
    /\n {2}line 4: id: "x" is not an integer\n {2}line 5: tenant: [^\n]+\nAll rejects are in /,
  )
  assert.deepEqual(rowsOf(cwd, 'SELECT * FROM people ORDER BY id'), [
    [1, 'Anna', 'a'],
    [2, 'Zoë, the second', 'a'],
  ])

  const command = /\n {2}sluice (rejects .*)\n$/.exec(loaded.stdout)?.[1]
  assert.ok(command, loaded.stdout)
  const csv = await sluice(command.split(' '), { cwd })
  assert.equal(csv.code, 0, csv.stderr)
  const [header, ...rejects]: string[][] = parse(csv.stdout)
  assert.equal(
    header!.join(),
    'id,name,tenant,sluice_record,sluice_line,sluice_column,sluice_code,sluice_message,sluice_guarded,sluice_source,sluice_escaped',
  )
  assert.deepEqual(
    rejects.map((cells) => cells.slice(0, 7)),
    [
      ['x', 'Bob', 'a', '3', '4', 'id', 'type-error'],
      ['4', 'Eve', '', '4', '5', 'tenant', 'missing-cell'],
    ],
  )
  assert.ok(rejects.every((cells) => cells[7] !== ''))

  const ndjson = await sluice([...command.split(' '), '--ndjson'], { cwd })
  assert.deepEqual(
    ndjson.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
      .map(({ record, line, byteOffset, raw, rawLength }) => ({ record, line, byteOffset, raw, rawLength })),
    [
      { record: 3, line: 4, byteOffset: 47, raw: 'x,Bob,a', rawLength: 7 },
      { record: 4, line: 5, byteOffset: 55, raw: '4,Eve', rawLength: 5 },
    ],
  )
})

test('--json is one object that balances; --quiet is silence', async () => {
  const cwd = folderWithPeople()
  const json = await sluice(['load', 'people.csv', '--json', '--to', 'sqlite:a.db'], { cwd })
  const receipt = JSON.parse(json.stdout)
  assert.equal(receipt.recordsRead, 4)
  assert.equal(receipt.inserted + receipt.updated + receipt.unchanged + receipt.duplicates + receipt.rejected, 4)
  assert.equal(json.stdout.indexOf('\n'), json.stdout.length - 1)
  const quiet = await sluice(['load', 'people.csv', '--quiet', '--to', 'sqlite:b.db'], { cwd })
  assert.deepEqual(quiet, { code: 0, signal: null, stdout: '', stderr: '' })
})

test('jobs lists the job, and prune removes it with its rejects', async () => {
  const cwd = folderWithPeople()
  const { stdout } = await sluice(['load', 'people.csv', '--json'], { cwd })
  const { jobId } = JSON.parse(stdout)
  const list = await sluice(['jobs'], { cwd })
  assert.match(list.stdout, new RegExp(`^job .*\\n${jobId}  COMPLETED  `))
  assert.equal(JSON.parse((await sluice(['jobs', '--json'], { cwd })).stdout)[0].jobId, jobId)
  assert.equal((await sluice(['jobs', 'prune', '--older-than', '1h'], { cwd })).stdout, '0 jobs removed\n')
  assert.equal((await sluice(['jobs', 'prune', '--older-than', '0s'], { cwd })).stdout, '1 job removed\n')
  assert.equal((await sluice(['jobs'], { cwd })).stdout, 'no jobs\n')
  const gone = await sluice(['rejects', jobId], { cwd })
  assert.equal(gone.code, 2)
  assert.match(gone.stderr, /^sluice: There is no job /)
})

test('standard input', async () => {
  const cwd = folderWithPeople()
  const { code, stdout, stderr } = await sluice(['load', '-', '--table', 'heard', '--json'], {
    cwd,
    input: 'a;b\n1;2\n',
  })
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).inserted, 1)
  assert.deepEqual(rowsOf(cwd, 'SELECT a, b FROM heard'), [[1, 2]])
})

test('several files, by name and by a pattern that no shell expanded, are one job', async () => {
  const cwd = folderWithPeople()
  mkdirSync(join(cwd, 'in'))
  mkdirSync(join(cwd, 'in', 'c.csv'))
  writeFileSync(join(cwd, 'in', 'a.csv'), 'n\n1\n2\n')
  writeFileSync(join(cwd, 'in', 'b.csv'), 'n\n3\n')
  writeFileSync(join(cwd, 'last[1].csv'), 'n\n4\n')
  const args = ['load', 'in/*.csv', 'last[1].csv', '--table', 'n', '--json']
  const { code, stdout, stderr } = await sluice(args, { cwd })
  assert.equal(code, 0, stderr)
  assert.equal(JSON.parse(stdout).inserted, 4)
  assert.deepEqual(rowsOf(cwd, 'SELECT n FROM n ORDER BY rowid'), [[1], [2], [3], [4]])
})

test('flags win over the profile, which is found by its name', async () => {
  const cwd = folderWithPeople()
  mkdirSync(join(cwd, 'profiles'))
  const profile = { table: 'from_profile', schema: '../schema.json', set: { tenant: 'p', zone: 'z' }, maxErrors: 0 }
  writeFileSync(join(cwd, 'profiles', 'crm.json'), JSON.stringify(profile))
  const env = { SLUICE_PROFILES: 'profiles' }
  const args = ['load', 'people.csv', '--profile', 'crm', '--skip', 'tenant']

  const refused = await sluice(args, { cwd, env })
  assert.equal(refused.code, 3)
  assert.match(refused.stderr, /^sluice: .*\n$/m)

  const flags = ['--max-errors', '50%', '--set', 'tenant=f', '--table', 'from_flag']
  const loaded = await sluice([...args, ...flags], { cwd, env })
  assert.equal(loaded.code, 0, loaded.stderr)
  assert.deepEqual(rowsOf(cwd, 'SELECT id, name, tenant, zone FROM from_flag ORDER BY id'), [
    [1, 'Anna', 'f', 'z'],
    [2, 'Zoë, the second', 'f', 'z'],
    [4, 'Eve', 'f', 'z'],
  ])
})

test('with --progress json every line on standard error is JSON, errors too', async () => {
  const cwd = folderWithPeople()
  const good = await sluice(['load', 'people.csv', '--progress', 'json'], { cwd })
  const lines = good.stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  const last = lines.filter(({ event }) => event === 'progress').at(-1)
  assert.equal(last.recordsRead, 4)
  assert.equal(last.bytesCommitted, PEOPLE.length + 1)
  const bad = await sluice(['load', 'nobody.csv', '--progress', 'json'], { cwd })
  assert.deepEqual(JSON.parse(bad.stderr), {
    event: 'error',
    code: 'SLUICE_SOURCE_NOT_FOUND',
    message: 'There is no file nobody.csv',
  })
})

test('a reader of the receipt that goes away does not stop the load', async () => {
  const cwd = folderWithPeople()
  const { child, ended } = start(['load', '-', '--table', 'people'], { cwd, input: 'id,name\n', inputStaysOpen: true })
  child.stdout.destroy()
  child.stdin.end('1,Anna\n')
  const { code, stderr } = await ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(rowsOf(cwd, 'SELECT id, name FROM people'), [[1, 'Anna']])
})

test('no error shows a password', async () => {
  const cwd = folderWithPeople()
  for (const to of ['postgres://me:s3cret@127.0.0.1:1/shop', 'postgres://127.0.0.1:1/shop?user=me&password=s3cret']) {
    for (const env of [{}, { SLUICE_DEBUG: '1' }] as Record<string, string>[]) {
      const { code, stdout, stderr } = await sluice(['load', 'people.csv', '--to', to], { cwd, env })
      assert.equal(code, 1)
      assert.doesNotMatch(stdout + stderr, /s3cret/)
      assert.match(stderr, /127\.0\.0\.1:1/)
    }
  }
})

test('--quote none leaves quotes in the text', async () => {
  const cwd = folderWithPeople()
  const { code, stderr } = await sluice(['load', '-', '--table', 'q', '--quote', 'none'], {
    cwd,
    input: 'a,b\n"x,y"\n',
  })
  assert.equal(code, 0, stderr)
  assert.deepEqual(rowsOf(cwd, 'SELECT a, b FROM q'), [['"x', 'y"']])
})
