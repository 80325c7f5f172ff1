import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { startPostgres } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'

/** Lines of 100 bytes, 64 KB at a time. */
const LINE = (i: number) => `${String(i).padStart(9, '0')},${'x'.repeat(89)}\n`
/** What may wait between a client and a database that stands still: two batches, and the buffers of the kernel at both ends. */
const MOST_WAITING = 32 * 2 ** 20

const folder = temporaryFolder()
let database: Awaited<ReturnType<typeof startPostgres>>
let sql: pg.Client
let server: Served
let api: Api

before(async () => {
  database = await startPostgres()
  sql = new pg.Client(database.url)
  await sql.connect()
  server = await serve(folder, { DATABASE_URL: database.url })
  api = new Api(server)
})
after(async () => {
  await server.stop()
  await sql.end()
  await database.stop()
})

/** Opens a direct or staged upload of CSV in chunks, and sends the head of the file. */
async function open(query: string, headers = ''): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => undefined)
  socket.write(
    `POST /upload${query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n${headers}Transfer-Encoding: chunked\r\n\r\n`,
  )
  await send(socket, 'id,text\n')
  return socket
}

async function send(socket: Socket, text: string): Promise<boolean> {
  const taken = new Promise<boolean>((resolve) => {
    socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`, (error) => resolve(!error))
  })
  return Promise.race([taken, delay(1_500, false)])
}

async function sendRows(socket: Socket, from: number, count: number): Promise<void> {
  for (let i = from; i < from + count; i += 655) {
    const lines = Array.from({ length: Math.min(655, from + count - i) }, (_, k) => LINE(i + k)).join('')
    if (!(await send(socket, lines))) return
  }
}

async function until(what: string, isSo: () => Promise<boolean>, ms = 5_000): Promise<void> {
  for (const end = performance.now() + ms; performance.now() < end; await delay(50)) if (await isSo()) return
  assert.fail(`not within ${ms} ms: ${what}`)
}

/** Connections of the server that do something, or hold something. */
async function busy(): Promise<number> {
  const { rows } = await sql.query(
    `SELECT count(*)::int AS n FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle'`,
  )
  return rows[0].n
}

test('a database that stands still makes the client wait, and nothing piles up', { timeout: 60_000 }, async () => {
  await sql.query('CREATE TABLE slow (id bigint PRIMARY KEY, text text)')
  await sql.query('BEGIN')
  await sql.query('LOCK TABLE slow IN SHARE MODE')
  const uploadId = randomUUID()
  const socket = await open(`?mode=direct&table=slow&uploadId=${uploadId}`)
  await sendRows(socket, 1, 1_000_000)
  const stopped = socket.bytesWritten - socket.writableLength
  assert.ok(stopped < MOST_WAITING, `${stopped} bytes were taken`)
  assert.equal((await api.get('/health')).status, 200)
  await sql.query('COMMIT')
  await until('going on', async () => socket.writableLength === 0, 20_000)
  socket.destroy()
  await until('letting go', async () => (await busy()) === 0)
  await until('an end', async () => (await api.get(`/upload/${uploadId}/status`)).json.status === 'failed')
})

test('who goes away in the middle of a direct upload leaves nothing open, and may send it again: each row once', async () => {
  const uploadId = randomUUID()
  const query = `?mode=direct&table=again&uploadId=${uploadId}`
  const socket = await open(query)
  await sendRows(socket, 1, 50_000)
  await until('rows', async () => (await sql.query(`SELECT to_regclass('again') IS NOT NULL AS is`)).rows[0].is)
  socket.destroy()
  await until('an end', async () => (await api.get(`/upload/${uploadId}/status`)).json.status === 'failed')
  await until('letting go', async () => (await busy()) === 0)
  const file = `id,text\n${Array.from({ length: 60_000 }, (_, i) => LINE(i + 1)).join('')}`
  const { status, text } = await api.call('POST', `/upload${query}`, {
    body: file,
    headers: { 'content-type': 'text/csv' },
  })
  assert.equal(status, 200, text)
  const { rows } = await sql.query('SELECT count(*)::int AS n, count(DISTINCT id)::int AS ids FROM again')
  assert.deepEqual(rows, [{ n: 60_000, ids: 60_000 }])
})

test('who goes away in the middle of a staged upload leaves no trace', async () => {
  const uploadId = randomUUID()
  const socket = await open(`?table=staged&uploadId=${uploadId}`)
  await sendRows(socket, 1, 20_000)
  socket.destroy()
  await until('an empty store', async () => server.stored().length === 0)
  await until('no status', async () => (await api.get(`/upload/${uploadId}/status`)).status === 404)
})

test('the same Idempotency-Key while the first request is under way: 409', async () => {
  const key = randomUUID()
  const query = '?table=key'
  const socket = await open(query, `Idempotency-Key: ${key}\r\n`)
  const twin = () =>
    new Promise<string>((resolve) => {
      const other = connect(server.port, '127.0.0.1')
      let answer = ''
      other.setEncoding('utf8').on('data', (chunk) => {
        answer += chunk
        resolve(answer)
      })
      other.write(
        `POST /upload${query} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nIdempotency-Key: ${key}\r\n` +
          'Transfer-Encoding: chunked\r\n\r\n',
      )
    })
  assert.match(await twin(), /^HTTP\/1\.1 409/)
  socket.destroy()
})

test('a database that refuses connections: 503, and what to do', async () => {
  const name = new URL(database.url).pathname.slice(1)
  const maintenance = new URL(database.url)
  maintenance.pathname = '/postgres'
  const admin = new pg.Client(maintenance.href)
  await admin.connect()
  try {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
    const { status, json, headers } = await api.upload('id\n1\n', { query: '?mode=direct&table=away' })
    assert.equal(status, 503)
    assert.ok(Number(headers.get('retry-after')) > 0)
    assert.ok(!json.detail.includes('127.0.0.1'))
  } finally {
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
    await admin.end()
  }
  assert.equal((await api.upload('id\n1\n', { query: '?mode=direct&table=away' })).status, 200)
})

test('SIGTERM ends uploads that are under way with an answer', async () => {
  const other = await serve(temporaryFolder(), { DATABASE_URL: database.url })
  const uploadId = randomUUID()
  const socket = connect(other.port, '127.0.0.1').on('error', () => undefined)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text
  })
  try {
    socket.write(
      `POST /upload?table=term&uploadId=${uploadId} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n` +
        'Transfer-Encoding: chunked\r\n\r\n',
    )
    await send(socket, 'id,text\n')
    const status = async () => (await new Api(other).get(`/upload/${uploadId}/status`)).json.status
    await until('the upload', async () => (await status()) === 'receiving')
  } finally {
    await other.stop('SIGTERM')
  }
  assert.match(answer, /^HTTP\/1\.1 503/)
  assert.deepEqual(other.stored(), [])
})
