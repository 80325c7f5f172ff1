import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '@sluice/engine'
import { Upload } from 'tus-js-client'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { LiveClient } from './live-client.ts'
import { type Served, serve } from './serve.ts'
import { RoundRobin } from './support/round-robin.ts'
import { metadataOf } from './tus-suite.ts'
import { type StartedWorker, startWorker } from './worker.ts'

const ROWS = 20_000
const FILE = Buffer.from(`id,name\n${Array.from({ length: ROWS }, (_, i) => `${i + 1},${'x'.repeat(80)}\n`).join('')}`)
const SCHEMA = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })
/** A load of some seconds: a pause behind each batch. */
const SLOW = { fields: { schema: SCHEMA, batchRows: '1000' } }
const TUS = { 'tus-resumable': '1.0.0' }

/**
 * Two servers behind a balancer that sends each request to the other one, and two workers.
 * @param environment database, queue and storage
 * @param left what is stored and belongs to nothing any more
 */
export function clusterSuite(environment: () => Promise<Record<string, string>>, left: () => Promise<string[]>): void {
  const folder = temporaryFolder()
  let servers: Served[]
  let workers: StartedWorker[]
  let balancer: RoundRobin
  let api: Api
  let database: Database

  before(async () => {
    const env = { SLUICE_DATA_DIR: `${folder}/data`, SLUICE_LEASE_SECONDS: '3', ...(await environment()) }
    const slow = { ...env, SLUICE_FAILPOINTS: 'after-commit:1+=delay=60' }
    // One after the other: which of them makes the tables is another test's question.
    const first = await serve(folder, env)
    const [second, ...started] = await Promise.all([
      serve(folder, env),
      startWorker(folder, slow),
      startWorker(folder, slow),
    ])
    servers = [first, second]
    workers = started
    balancer = await RoundRobin.start(servers.map(({ url }) => url))
    api = new Api(balancer)
    database = await openDatabase(first.database)
  })
  after(async () => {
    await balancer.close()
    await Promise.all([...servers, ...workers].map((one) => one.stop()))
    await database.close()
  })

  const newTable = () => `t${randomUUID().slice(0, 8)}`

  async function count(table: string): Promise<number> {
    const [row] = await database.query(`SELECT count(*) AS n FROM ${table}`)
    return Number(row!['n'])
  }

  async function isLoaded(uploadId: string, table: string): Promise<void> {
    const { status, error } = await api.over(uploadId)
    assert.equal(status, 'completed', error)
    const [row] = await database.query(`SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ${table}`)
    assert.deepEqual([row!['n'], row!['ids']].map(Number), [ROWS, ROWS])
    const [job] = await database.query('SELECT sha256 FROM ingestion_jobs WHERE job_id = $1', [uploadId])
    assert.equal(job!['sha256'], createHash('sha256').update(FILE).digest('hex'))
  }

  test('status and live progress are the same at both servers, whichever worker loads', async () => {
    const table = newTable()
    const { uploadId } = (await api.upload(FILE, { ...SLOW, query: `?table=${table}` })).json
    // A WebSocket stays where it was opened; polling would ask the other server for a session that it does not have.
    const clients = [1, 2].map(() => new LiveClient(balancer.url, undefined, { transports: ['websocket'] }))
    for (const client of clients) {
      await client.named('connect')
      client.subscribe(uploadId)
    }
    assert.ok(balancer.asked.every((asked) => asked.includes('GET /socket.io')))
    const samples: { at: number; rows: number }[] = []
    let isOver = false
    const ends = Promise.all(clients.map((client) => client.end(uploadId))).finally(() => (isOver = true))
    for (let before = 0; !isOver; await delay(100)) {
      const { rowsProcessed } = (await api.get(`/upload/${uploadId}/status`)).json
      assert.ok(rowsProcessed >= before, `${rowsProcessed} rows behind ${before}`)
      before = rowsProcessed
      samples.push({ at: performance.now(), rows: rowsProcessed })
    }
    for (const { name, data } of await ends) assert.deepEqual([name, data.rowsProcessed], ['completed', ROWS])
    await isLoaded(uploadId, table)
    for (const client of clients) {
      const lags = samples.map(({ at, rows }) => {
        const caughtUp = client.events.find(({ data }) => data?.rowsProcessed >= rows)
        return Math.max(0, caughtUp!.at - at)
      })
      // Half of them: a machine that is busy with other things may be late now and then.
      const median = lags.sort((a, b) => a - b)[lags.length >> 1]!
      assert.ok(median <= 1_000, `${Math.round(median)} ms behind`)
      client.close()
    }
  })

  test('the pieces of a resumable upload go to both servers', async () => {
    const table = newTable()
    const before = balancer.asked.map((asked) => asked.length)
    const uploadId = await new Promise<string>((resolve, reject) => {
      const upload = new Upload(FILE as never, {
        endpoint: `${balancer.url}/files`,
        metadata: { filename: 'people.csv', table, schema: SCHEMA },
        chunkSize: 300_000,
        retryDelays: null,
        onError: reject,
        onSuccess: () => resolve(upload.url!.split('/').at(-1)!),
      })
      upload.start()
    })
    for (const [i, asked] of balancer.asked.entries())
      assert.ok(asked.slice(before[i]).filter((one) => one === 'PATCH /files').length >= 2)
    await isLoaded(uploadId, table)
  })

  test('a piece that hangs on one server is ended when the client goes on at the other one', async () => {
    const table = newTable()
    const metadata = metadataOf({ filename: 'people.csv', table, schema: SCHEMA })
    const created = await api.call('POST', '/files', {
      headers: { ...TUS, 'upload-length': String(FILE.length), 'upload-metadata': metadata },
    })
    const place = created.headers.get('location')!
    const type = { ...TUS, 'content-type': 'application/offset+octet-stream' }
    const [one, two] = servers as [Served, Served]
    const hanging = request(`${one.url}${place}`, {
      method: 'PATCH',
      headers: { ...type, 'upload-offset': '0', 'content-length': FILE.length },
    })
    hanging.on('error', () => undefined)
    hanging.write(FILE.subarray(0, 1_000_000))
    while ((await database.query('SELECT 1 FROM sluice_uploads WHERE held_by IS NOT NULL')).length === 0)
      await delay(20)
    const head = await fetch(`${two.url}${place}`, { method: 'HEAD', headers: TUS })
    assert.equal(head.status, 200)
    const offset = Number(head.headers.get('upload-offset'))
    assert.ok(offset <= 1_000_000)
    const rest = await fetch(`${two.url}${place}`, {
      method: 'PATCH',
      headers: { ...type, 'upload-offset': String(offset) },
      body: FILE.subarray(offset),
    })
    assert.equal(rest.status, 204, await rest.text())
    hanging.destroy()
    await isLoaded(place.slice('/files/'.length), table)
  })

  test('cancel and retry work through either server', async () => {
    const table = newTable()
    const { uploadId } = (await api.upload(FILE, { ...SLOW, query: `?table=${table}` })).json
    while (((await api.get(`/upload/${uploadId}/status`)).json.rowsProcessed ?? 0) === 0) await delay(20)
    assert.equal((await api.call('POST', `/upload/${uploadId}/cancel`)).status, 202)
    for (const server of servers)
      assert.equal((await new Api(server).get(`/upload/${uploadId}/status`)).json.status, 'cancelled')
    for (let tried = 0; (await api.call('POST', `/upload/${uploadId}/retry`)).status !== 202; tried++) {
      assert.ok(tried < 200)
      await delay(50)
    }
    await isLoaded(uploadId, table)
    assert.equal(await count(table), ROWS)
    for (let tried = 0; (await left()).length > 0; tried++) {
      assert.ok(tried < 100, (await left()).join())
      await delay(100)
    }
  })
}
