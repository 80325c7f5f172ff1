import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import pg from 'pg'
import { createTables } from '../src/checkpoint/tables.ts'
import { SluiceError } from '../src/errors.ts'
import { classify } from '../src/write/postgres/errors.ts'
import { openPostgres } from '../src/write/postgres/postgres.ts'
import { batchOf, planFor } from './support/pg-batch.ts'
import { startPostgres } from './support/postgres.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

let server: Awaited<ReturnType<typeof startPostgres>>

before(async () => {
  server = await startPostgres()
})

after(async () => {
  await server.stop()
})

const environment = { ...process.env }
afterEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
  Object.assign(process.env, environment)
})

function urlWith(change: (url: URL) => void): string {
  const url = new URL(server.url)
  change(url)
  return url.href
}

async function settings(url: string, ...names: string[]): Promise<unknown[]> {
  const db = await openPostgres(url)
  try {
    const rows = await db.query(`SELECT ${names.map((name, i) => `current_setting('${name}') AS v${i}`).join(', ')}`)
    return Object.values(rows[0]!)
  } finally {
    await db.close()
  }
}

/** Opening fails; the error says so, with a cause that `classify` sorts, and without the password. */
async function refusal(url: string, cause?: 'transient' | 'environment'): Promise<string> {
  const error = await openPostgres(url).then(
    () => assert.fail('it opened'),
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, 'SLUICE_CONNECT')
  if (cause) assert.equal(classify(error), cause)
  const password = URL.parse(url)?.password
  assert.ok(!(password && error.message.includes(password)), error.message)
  return error.message
}

test('a server that does not answer, a wrong password, a missing database, an unknown host', async () => {
  assert.match(
    await refusal('postgres://u:geheim@127.0.0.1:1/db', 'transient'),
    /No PostgreSQL server answers at 127\.0\.0\.1:1: .*ECONNREFUSED.*running/,
  )
  assert.match(
    await refusal('postgres://u:geheim@localhost:1/db', 'transient'),
    /No PostgreSQL server answers at localhost:1: .*ECONNREFUSED/,
  )
  assert.match(
    await refusal(
      urlWith((url) => (url.password = 'geheim')),
      'environment',
    ),
    /refused the login of user "postgres": password authentication failed.*PGPASSWORD/,
  )
  assert.match(
    await refusal(
      urlWith((url) => (url.password = '')),
      'environment',
    ),
    /asks for a password, and there is none/,
  )
  assert.match(
    await refusal(
      urlWith((url) => (url.pathname = '/nowhere')),
      'environment',
    ),
    /There is no database "nowhere".*createdb/,
  )
  assert.match(
    await refusal('postgres://u@no-such-host.invalid/db'),
    /There is no host named "no-such-host\.invalid"|EAI_AGAIN/,
  )
  assert.match(
    await refusal('postgres://u@/db?host=/nowhere'),
    /No PostgreSQL server answers at the socket in \/nowhere/,
  )
})

test('a server that takes the connection and says nothing ends it in connect_timeout', async () => {
  const silent = createServer((socket) => socket.resume())
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const started = performance.now()
  const message = await refusal(`postgres://u@127.0.0.1:${port}/db?connect_timeout=1&sslmode=disable`, 'transient')
  assert.match(message, /did not answer in time/)
  assert.ok(performance.now() - started < 5_000)
  silent.close()
})

test('a URL that cannot be understood is told without repeating it', async () => {
  for (const url of [
    'postgres://u:geheim@a:1,b:2/db',
    'http://u:geheim@a/db',
    'geheim',
    'postgres://u:geheim@a/db?sslmode=maybe',
    'postgres://u:geheim@a/db?port=x',
  ]) {
    await assert.rejects(openPostgres(url), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'SLUICE_CONFIG')
      assert.doesNotMatch(error.message, /geheim/)
      return true
    })
  }
})

test('libpq: parameters of the URL, then the PG* variables, then defaults', async () => {
  assert.deepEqual(await settings(server.url, 'application_name', 'client_encoding', 'TimeZone'), [
    'sluice',
    'UTF8',
    'UTC',
  ])
  const options = '?application_name=mine&options=-c%20work_mem%3D7MB%20-c%20TimeZone%3DJapan'
  assert.deepEqual(await settings(server.url + options, 'application_name', 'work_mem', 'TimeZone'), [
    'mine',
    '7MB',
    'UTC',
  ])

  const { hostname, port, username, password, pathname } = new URL(server.url)
  Object.assign(process.env, {
    PGHOST: hostname,
    PGPORT: port,
    PGUSER: username,
    PGPASSWORD: password,
    PGDATABASE: pathname.slice(1),
    PGAPPNAME: 'from the environment',
    PGDATESTYLE: 'German',
    PGTZ: 'Japan',
  })
  const [name, zone, style] = await settings('postgres://', 'application_name', 'TimeZone', 'DateStyle')
  assert.deepEqual([name, zone], ['from the environment', 'UTC'])
  assert.match(String(style), /^ISO/)
  assert.deepEqual(await settings(`postgresql:///?dbname=${pathname.slice(1)}&user=${username}`, 'application_name'), [
    name,
  ])
})

test('the password file: matched by host, port, database and user; ignored when others may read it', async () => {
  const { hostname, port, username, password, pathname } = new URL(server.url)
  const folder = temporaryFolder()
  const path = join(folder, 'pgpass')
  process.env.PGPASSFILE = path
  const lines = [
    '# a comment',
    'elsewhere:*:*:*:wrong',
    `*:*:not\\:this:*:wrong`,
    `${hostname}:${port}:${pathname.slice(1)}:${username}:${password}`,
  ]
  await writeFile(path, `${lines.join('\n')}\n*:*:*:*:wrong\n`, { mode: 0o600 })
  const url = urlWith((u) => (u.password = ''))
  assert.deepEqual(await settings(url, 'application_name'), ['sluice'])
  await chmod(path, 0o644)
  assert.match(await refusal(url, 'environment'), /there is none/)
})

test('sslmode: prefer does without, require does not', async () => {
  assert.deepEqual(await settings(`${server.url}?sslmode=prefer`, 'ssl'), ['off'])
  assert.match(await refusal(`${server.url}?sslmode=require`, 'environment'), /does not support SSL/)
  await assert.rejects(openPostgres(`${server.url}?sslmode=verify-ca&sslrootcert=/nowhere.pem`), {
    code: 'SLUICE_CONFIG',
    message: /Cannot read the TLS file \/nowhere\.pem/,
  })
})

/** A table, a plan on it, and its database. */
async function loading(target: string | pg.Pool = server.url) {
  const db = await openPostgres(target)
  await createTables(db)
  const name = { schema: null, table: `t_${randomUUID()}` }
  await db.createTable(
    name,
    [{ name: 'id', type: { kind: 'integer', bytes: 4 }, required: true, unique: false }],
    ['id'],
  )
  const described = await db.describe(name)
  await db.prepare(await planFor(db, described!, { jobId: randomUUID(), encoding: 'pg-binary' }))
  const count = async () => (await db.query<{ n: number }>(`SELECT count(*) AS n FROM "${name.table}"`))[0]!.n
  return { db, name, count }
}

async function administrator<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client(server.url)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const END_OTHERS = `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`

test('a connection that dies between two calls is replaced, and ends nothing else', async () => {
  const { db, count } = await loading()
  await administrator((client) => client.query(END_OTHERS))
  // The event of the dead socket comes first.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const batch = batchOf([[1], [2]])
  await db.commit(batch, batch.to)
  assert.equal(await count(), 2)
  await db.close()
})

test('a connection that dies amid a batch: a transient error, nothing committed, the next try goes through', async () => {
  const { db, name, count } = await loading()
  const batch = batchOf([[1], [2]])
  const error = await administrator(async (client) => {
    await client.query('BEGIN')
    await client.query(`LOCK TABLE "${name.table}"`)
    const failed = db.commit(batch, batch.to).then(
      () => assert.fail('it committed'),
      (thrown: unknown) => thrown,
    )
    await someoneWaits(client)
    await client.query(END_OTHERS)
    return failed
  })
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, 'SLUICE_CONNECT')
  assert.equal(classify(error), 'transient')
  assert.equal(await count(), 0)
  await db.commit(batch, batch.to)
  assert.equal(await count(), 2)
  await db.close()
})

test('a cancelled statement is transient, and the connection goes on', async () => {
  const { db, name, count } = await loading()
  const batch = batchOf([[1], [2]])
  const error = await administrator(async (client) => {
    await client.query('BEGIN')
    await client.query(`LOCK TABLE "${name.table}"`)
    const failed = db.commit(batch, batch.to).then(
      () => assert.fail('it committed'),
      (thrown: unknown) => thrown,
    )
    await someoneWaits(client)
    await client.query(END_OTHERS.replace('pg_terminate_backend(pid, 5000)', 'pg_cancel_backend(pid)'))
    return failed
  })
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, 'SLUICE_DATABASE')
  assert.equal(classify(error), 'transient')
  assert.equal(await count(), 0)
  await db.commit(batch, batch.to)
  assert.equal(await count(), 2)
  await db.close()
})

/** For a lock of this database: tests of others run on the same server. */
async function someoneWaits(client: pg.Client): Promise<void> {
  const waiting = `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()`
  while ((await client.query(waiting)).rowCount === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}

test('a table that is gone is the environment: no reject, and the connection goes on', async () => {
  const { db, name } = await loading()
  await db.query(`DROP TABLE "${name.table}"`)
  const batch = batchOf([[1]])
  await assert.rejects(db.commit(batch, batch.to), (error) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'SLUICE_DATABASE')
    assert.match(error.message, /while committing records 1 to 1: relation ".*" does not exist \(SQLSTATE 42P01\)/)
    assert.equal(classify(error), 'environment')
    return true
  })
  const [row] = await db.query<{ idle: boolean }>(
    `SELECT count(*) FILTER (WHERE state LIKE 'idle in%') = 0 AS idle FROM pg_stat_activity WHERE datname = current_database()`,
  )
  assert.equal(row!.idle, true)
  await db.close()
})

test("a caller's pool: one client is taken, and not given back with our settings", async () => {
  const pool = new pg.Pool({ connectionString: server.url, max: 1 })
  const { db, count } = await loading(pool)
  assert.equal(db.label, server.url.replace(/:[^:@]*@/, '@'))
  const batch = batchOf([[1]])
  await db.commit(batch, batch.to)
  assert.equal(await count(), 1)
  await db.close()
  const { rows } = await pool.query("SELECT now() AS at, current_setting('application_name') AS name")
  assert.ok(rows[0].at instanceof Date)
  assert.notEqual(rows[0].name, 'sluice')
  await pool.end()
})

test('who aborts waits neither for a client of a pool nor for a server that says nothing', {
  timeout: 60_000,
}, async () => {
  const full = new pg.Pool({ connectionString: server.url, max: 1 })
  const client = await full.connect()
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket.on('error', () => undefined).resume()))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const { port } = silent.address() as AddressInfo
  const url = `postgres://u@127.0.0.1:${port}/db?sslmode=disable`
  const mute = new pg.Pool({ connectionString: url })
  mute.on('error', () => undefined)
  for (const target of [full, url, mute]) {
    const abort = new AbortController()
    const opening = openPostgres(target, { signal: abort.signal })
    setTimeout(() => abort.abort(), 100)
    await assert.rejects(opening, { code: 'SLUICE_INTERRUPTED' })
  }
  // The client that comes when nobody waits any more is there for others.
  client.release()
  assert.equal((await full.query('SELECT 1 AS one')).rows[0].one, 1)
  await full.end()
  for (const socket of sockets) socket.destroy()
  silent.close()
})

test('errors by cause', () => {
  const thrown = (code: string, rest = {}) => Object.assign(new Error('x'), { severity: 'ERROR', code, ...rest })
  const causes = {
    data: ['22P02', '22001', '23505', '23514', '23P01', '44000', 'P0001', '54000'],
    transient: ['40001', '40P01', '57P01', '57P02', '57P03', '53300', '55P03', '57014', '08006', '25P03'],
    environment: ['53100', '42P01', '42501', '25006', '22P04', 'XX000', '58030', '28P01', '3D000', '57P04', 'ZZZZZ'],
  }
  for (const [cause, codes] of Object.entries(causes))
    for (const code of codes) assert.equal(classify(thrown(code)), cause, code)
  assert.equal(classify(thrown('42501', { routine: 'exec_stmt_raise' })), 'data')
  assert.equal(classify(thrown('42501', { routine: 'ExecWithCheckOptions' })), 'data')
  assert.equal(classify(thrown('40001', { routine: 'exec_stmt_raise' })), 'transient')
  assert.equal(classify(Object.assign(new Error('read'), { code: 'ECONNRESET' })), 'transient')
  assert.equal(classify(new Error('Connection terminated unexpectedly')), 'transient')
  assert.equal(classify(new TypeError('a defect')), 'environment')
  assert.equal(classify(new SluiceError('SLUICE_LEASE_LOST', 'gone')), 'environment')
})
