import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { Database } from '../src/write/database.ts'
import { openSqlite } from '../src/write/sqlite/sqlite.ts'

let db: Database

before(async () => {
  db = await openSqlite(':memory:')
})
after(() => db.close())
beforeEach(() => db.query('DROP TABLE IF EXISTS t'))

async function described(columns: string, options = '') {
  await db.query(`CREATE TABLE t (${columns}) ${options}`)
  return (await db.describe({ schema: null, table: 'T' }))!
}

/** https://sqlite.org/datatype3.html#affinity_name_examples, and the names that mean more to sluice. */
const TYPES: [declared: string, kind: string, storage: string, maxLength?: number][] = [
  ['INT', 'integer', 'sqlite-integer'],
  ['UNSIGNED BIG INT', 'integer', 'sqlite-integer'],
  ['FLOATING POINT', 'integer', 'sqlite-integer'],
  ['CHARINT', 'integer', 'sqlite-integer'],
  ['TEXT', 'text', 'sqlite-text'],
  ['varchar(255)', 'text', 'sqlite-text', 255],
  ['NATIVE CHARACTER(70)', 'text', 'sqlite-text', 70],
  ['VARYING CHARACTER ( 12 )', 'text', 'sqlite-text', 12],
  ['CLOB', 'text', 'sqlite-text'],
  ['', 'text', 'sqlite-text'],
  ['BLOB', 'text', 'sqlite-text'],
  ['DOUBLE PRECISION', 'float8', 'sqlite-real'],
  ['FLOAT', 'float8', 'sqlite-real'],
  ['NUMERIC', 'numeric', 'sqlite-exact'],
  ['STRING', 'numeric', 'sqlite-exact'],
  ['ANY', 'numeric', 'sqlite-exact'],
  ['BOOLEAN', 'boolean', 'sqlite-integer'],
  ['bool', 'boolean', 'sqlite-integer'],
  ['DATE', 'date', 'sqlite-text'],
  ['TIME', 'time', 'sqlite-text'],
  ['DATETIME', 'timestamp', 'sqlite-text'],
  ['TIMESTAMP', 'timestamp', 'sqlite-text'],
  ['TIMESTAMP WITH TIME ZONE', 'timestamptz', 'sqlite-text'],
  ['TIMESTAMPTZ', 'timestamptz', 'sqlite-text'],
  ['UUID', 'uuid', 'sqlite-text'],
  ['JSON', 'json', 'sqlite-text'],
]

test('a declared type becomes a type and a way to store it', async () => {
  const { columns } = await described(TYPES.map(([declared], i) => `c${i} ${declared}`).join(', '))
  assert.deepEqual(
    columns.map(({ declared, type, storage, maxLength }) => [declared, type.kind, storage, maxLength]),
    TYPES.map(([declared, kind, storage, length]) => [declared, kind, storage, length ?? null]),
  )
})

test('precision and scale', async () => {
  const { columns } = await described('a DECIMAL(10,2), b NUMERIC ( 7 ), c DECIMAL')
  assert.deepEqual(
    columns.map(({ type }) => type),
    [
      { kind: 'numeric', precision: 10, scale: 2 },
      { kind: 'numeric', precision: 7, scale: 0 },
      { kind: 'numeric', precision: null, scale: null },
    ],
  )
})

test('STRICT: ANY keeps what it is given', async () => {
  const { columns, primaryKey, uniqueKeys } = await described('a ANY, b TEXT PRIMARY KEY', 'STRICT')
  assert.deepEqual(
    columns.map(({ type, storage, nullable }) => [type.kind, storage, nullable]),
    [
      ['text', 'sqlite-text', true],
      ['text', 'sqlite-text', false],
    ],
  )
  assert.deepEqual([primaryKey, uniqueKeys], [['b'], [['b']]])
})

test('keys: the rowid, an ordinary one, one of several columns, none', async () => {
  const key = async (columns: string, options?: string) => {
    await db.query('DROP TABLE IF EXISTS t')
    const table = await described(columns, options)
    const [first] = table.columns
    return [table.primaryKey, table.uniqueKeys, first!.hasDefault, first!.nullable]
  }
  assert.deepEqual(await key('id INTEGER PRIMARY KEY'), [['id'], [['id']], true, true])
  assert.deepEqual(await key('id INT PRIMARY KEY'), [['id'], [['id']], false, true])
  assert.deepEqual(await key('id INTEGER PRIMARY KEY', 'WITHOUT ROWID'), [['id'], [['id']], false, false])
  assert.deepEqual(await key('id TEXT NOT NULL, n INT, PRIMARY KEY (n, id)'), [
    ['n', 'id'],
    [['n', 'id']],
    false,
    false,
  ])
  assert.deepEqual(await key('id INTEGER DEFAULT 7, n INT'), [[], [], true, true])
})

test('unique indexes without a predicate and without an expression', async () => {
  await db.query('CREATE TABLE t (a, b, c, UNIQUE (b, a))')
  await db.query('CREATE UNIQUE INDEX t_c ON t (c)')
  await db.query('CREATE UNIQUE INDEX t_partial ON t (a) WHERE b > 1')
  await db.query('CREATE UNIQUE INDEX t_expression ON t (a, abs(b))')
  await db.query('CREATE INDEX t_plain ON t (b)')
  const { uniqueKeys } = (await db.describe({ schema: null, table: 't' }))!
  assert.deepEqual(uniqueKeys.toSorted(), [['b', 'a'], ['c']])
})

test('generated columns, stored or not', async () => {
  const { columns } = await described('a INT, b INT AS (a * 2), c INT GENERATED ALWAYS AS (a * 3) STORED')
  assert.deepEqual(
    columns.map(({ name, generated }) => [name, generated]),
    [
      ['a', false],
      ['b', true],
      ['c', true],
    ],
  )
})

test('names with every character, found without regard to case', async () => {
  const name = 'Odd "na.me", \'x\'; --'
  await db.createTable(
    { schema: null, table: name },
    [{ name, type: { kind: 'text' }, required: false, unique: true }],
    [],
  )
  const table = (await db.describe({ schema: 'main', table: name.toUpperCase() }))!
  assert.deepEqual(
    [table.name, table.columns[0]!.name, table.uniqueKeys],
    [{ schema: null, table: name }, name, [[name]]],
  )
})

test('a virtual table has only the columns that are its own', async () => {
  await db.query('CREATE VIRTUAL TABLE words USING fts5(word)')
  const { columns } = (await db.describe({ schema: null, table: 'words' }))!
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['word'],
  )
})

test('views and other schemas are refused', async () => {
  await db.query('CREATE VIEW v AS SELECT 1')
  await assert.rejects(db.describe({ schema: null, table: 'v' }), { code: 'SLUICE_CONFIG', message: /is a view/ })
  await assert.rejects(db.describe({ schema: 'public', table: 't' }), {
    code: 'SLUICE_USAGE',
    message: /no schema public/,
  })
})

test('a created key of text is an ordinary one, an integer is the rowid; neither takes NULL', async () => {
  for (const kind of ['text', 'integer'] as const) {
    await db.query('DROP TABLE IF EXISTS t')
    const type = kind === 'text' ? { kind } : { kind, bytes: 8 as const }
    await db.createTable({ schema: null, table: 't' }, [{ name: 'k', type, required: false, unique: false }], ['k'])
    const { columns, primaryKey } = (await db.describe({ schema: null, table: 't' }))!
    assert.deepEqual([primaryKey, columns[0]!.nullable, columns[0]!.type.kind], [['k'], false, kind])
  }
})
