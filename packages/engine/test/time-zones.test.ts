import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from './support/temporary-folder.ts'

const ZONES = ['UTC', 'America/New_York', 'Pacific/Apia', 'Asia/Kathmandu', 'Europe/Berlin']

/** Days and times that do not exist, or exist twice, in one of the zones; and both ends of the calendar. */
const LINES = [
  'day,wall,at,text,n',
  '2024-03-10,2024-03-10T02:30:00,2024-03-10T02:30:00Z,03/04/2024,1',
  '2011-12-30,2011-12-30T12:00:00,2011-12-30T12:00:00+14:00,30/12/2011,2',
  '0001-01-01,0001-01-01T00:00:00,0001-01-02T00:00:00-05:45,1/1/1,3',
  '9999-12-31,9999-12-31T23:59:59.999999,1900-01-01T00:00:00.000001+05:45,x,4',
  '2024-02-30,2024-10-27T02:30:00,2024-10-27T02:30:00+02:00,y,5',
  '2024-02-29,2024-10-27T02:30:00,2024-10-27T02:30:00,z,x',
]

const PROGRAM = `
  import { check, load, openDatabase } from '${import.meta.resolve('../src/index.ts')}'
  const [, source, to, schema] = process.argv
  const options = { source, to: 'sqlite:' + to, table: 't', ...(schema && { schema: JSON.parse(schema) }) }
  const report = await check({ ...options, to: 'sqlite:missing.db' })
  const { inserted, rejectsByCode } = await load(options)
  const database = await openDatabase(options.to)
  const rows = await database.query('SELECT * FROM t ORDER BY rowid')
  await database.close()
  console.log(JSON.stringify({ inserted, rejectsByCode, rows, columns: report.columns, checked: report.rejectsByCode }))
`

const fields = [
  { name: 'day', type: 'date' },
  { name: 'wall', type: 'datetime', timezone: false },
  { name: 'at', type: 'datetime' },
  { name: 'text', type: 'date', format: ['%d/%m/%Y'], constraints: { minimum: '2000-01-01' } },
  { name: 'n', type: 'integer' },
]

test('types, values and rejects are the same in every time zone', () => {
  const folder = temporaryFolder()
  const source = join(folder, 't.csv')
  writeFileSync(source, `${LINES.join('\n')}\n`)
  for (const schema of [undefined, JSON.stringify({ fields })]) {
    const results = ZONES.map((zone, i) => {
      const database = join(folder, `${schema === undefined ? 'inferred' : 'given'}-${i}.db`)
      const words = ['--input-type=module', '--eval', PROGRAM, source, database, ...(schema ? [schema] : [])]
      return execFileSync(process.execPath, words, { env: { ...process.env, TZ: zone }, encoding: 'utf8' })
    })
    const [first] = results
    assert.match(first!, schema ? /"inserted":2/ : /"inserted":6/)
    for (const [i, result] of results.entries()) assert.equal(result, first, ZONES[i])
  }
})
