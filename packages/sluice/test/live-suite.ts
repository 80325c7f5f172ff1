import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '@sluice/engine'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { LiveClient } from './live-client.ts'
import { type Served, serve } from './serve.ts'

const KEYS = [
  'uploadId',
  'status',
  'rowsProcessed',
  'processed',
  'rowsFailed',
  'inserted',
  'bytesCommitted',
  'bytesTotal',
  'rowsPerSecond',
  'etaSeconds',
]
const SCHEMA = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })
const ROWS = 40_000
/** Every thousandth record has a cell too few. */
const csv = (rows: number) =>
  `id,name\n${Array.from({ length: rows }, (_, i) => ((i + 1) % 1_000 === 0 ? `${i + 1}` : `${i + 1},name ${i + 1}`)).join('\n')}\n`
/** A load of some seconds: a pause behind each batch. */
const SLOW = 'after-commit:1+=delay=100'

/** What is held on both databases. */
export function liveSuite(environment: () => Promise<Record<string, string>>): void {
  const folder = temporaryFolder()
  let env: Record<string, string>
  let server: Served
  let api: Api
  const clients: LiveClient[] = []

  before(async () => {
    env = { ...(await environment()), SLUICE_FAILPOINTS: SLOW }
    server = await serve(folder, env)
    api = new Api(server)
  })
  after(async () => {
    for (const one of clients) one.close()
    await server.stop()
  })

  const newTable = () => `t${randomUUID().slice(0, 8)}`
  const client = (one: Served = server, options: object = {}): LiveClient => {
    const made = new LiveClient(one.url, undefined, options)
    clients.push(made)
    return made
  }
  async function begin(rows = ROWS, more: Record<string, string> = {}): Promise<{ uploadId: string; table: string }> {
    const table = newTable()
    const fields = { table, schema: SCHEMA, batchRows: '1000', ...more }
    const { status, json, text } = await api.upload(csv(rows), { fields })
    assert.equal(status, 202, text)
    return { uploadId: json.uploadId, table }
  }
  async function countOf(database: Database, table: string): Promise<number> {
    try {
      const [row] = await database.query(`SELECT count(*) AS n FROM ${table}`)
      return Number(row!['n'])
    } catch (error) {
      // It is not there yet.
      if (/no such table|does not exist/.test((error as Error).message)) return 0
      throw error
    }
  }

  test('what is told is committed, never more than a second ago and never before', { timeout: 60_000 }, async () => {
    const database = await openDatabase(server.database)
    try {
      const { uploadId, table } = await begin()
      const live = client()
      live.subscribe(uploadId)
      const samples: { at: number; count: number }[] = []
      const snapshots = () => live.events.filter(({ data }) => data?.uploadId === uploadId)
      while (!snapshots().some(({ name }) => name === 'completed')) {
        const told = snapshots().at(-1)?.data.inserted ?? 0
        const count = await countOf(database, table)
        // Looked at afterwards, so that the table can only be further.
        assert.ok(told <= count, `${told} rows were told when ${count} were there`)
        samples.push({ at: performance.now(), count })
        await delay(60)
      }
      assert.ok(samples.length >= 20, `${samples.length} samples`)
      let behind = 0
      for (const { at, count } of samples) {
        const caughtUp = snapshots().find(({ data }) => data.inserted >= count)
        assert.ok(caughtUp)
        behind = Math.max(behind, caughtUp.at - at)
      }
      assert.ok(behind <= 1_000, `${behind} ms behind`)
      const end = await live.end(uploadId)
      const { inserted, rowsFailed, rowsProcessed, bytesCommitted, bytesTotal } = end.data
      assert.deepEqual([rowsProcessed, rowsFailed, inserted], [ROWS, ROWS / 1_000, ROWS - ROWS / 1_000])
      assert.deepEqual([bytesCommitted, bytesTotal], [csv(ROWS).length, csv(ROWS).length])
      assert.deepEqual([end.data.status, end.data.etaSeconds], ['completed', 0])
      for (const { data, name } of snapshots()) {
        assert.deepEqual(Object.keys(data).sort(), [...KEYS].sort())
        assert.equal(data.processed, data.rowsProcessed)
        if (name === 'progress' && data.rowsProcessed > 0) assert.ok(data.rowsPerSecond > 0)
      }
      const counts = snapshots().map(({ data }) => data.rowsProcessed)
      assert.deepEqual(
        counts,
        [...counts].sort((a, b) => a - b),
      )
      assert.equal(snapshots().filter(({ name }) => name !== 'progress').length, 1)
      // Four a second, and the first one.
      const seconds = (end.at - snapshots()[0]!.at) / 1_000
      assert.ok(snapshots().length <= seconds * 4.6 + 3, `${snapshots().length} events in ${seconds} s`)
    } finally {
      await database.close()
    }
  })

  test('100 subscribers are told the same, and the end', { timeout: 60_000 }, async () => {
    const { uploadId } = await begin(20_000)
    const many = Array.from({ length: 100 }, (_, i) =>
      client(server, { transports: [i % 2 === 0 ? 'websocket' : 'polling'] }),
    )
    for (const one of many) one.subscribe(uploadId)
    const ends = await Promise.all(many.map((one) => one.end(uploadId)))
    for (const { name, data } of ends) assert.deepEqual([name, data.rowsProcessed], ['completed', 20_000])
    for (const one of many) {
      assert.equal(one.events.filter(({ name }) => name === 'completed').length, 1)
      one.close()
    }
  })

  test('who subscribes is told how it is at once, also what is over, and again when it asks again', async () => {
    const { uploadId } = await begin(1_000)
    await api.over(uploadId)
    const live = client()
    await live.named('connect')
    const asked = performance.now()
    live.subscribe(uploadId)
    const end = await live.end(uploadId)
    assert.ok(end.at - asked < 500)
    live.events.length = 0
    live.subscribe(uploadId.toUpperCase())
    assert.deepEqual((await live.end(uploadId)).data, end.data)
  })

  test('a cancelled upload has failed, with its status', async () => {
    const { uploadId } = await begin()
    const live = client()
    live.subscribe(uploadId)
    await live.next(({ data }) => data?.rowsProcessed > 0)
    await api.call('POST', `/upload/${uploadId}/cancel`)
    const { name, data } = await live.end(uploadId)
    assert.deepEqual([name, data.status, data.etaSeconds], ['failed', 'cancelled', null])
    live.events.length = 0
    // Its batch in flight may still be coming to its end.
    for (let tried = 0; (await api.call('POST', `/upload/${uploadId}/retry`)).status !== 202; tried++) {
      assert.ok(tried < 50)
      await delay(100)
    }
    live.subscribe(uploadId)
    assert.equal((await live.end(uploadId)).data.rowsProcessed, ROWS)
  })

  test('rows that become visible at the end are told at the end', async () => {
    const { uploadId } = await begin(10_000, { atomic: 'true' })
    const live = client()
    live.subscribe(uploadId)
    const end = await live.end(uploadId)
    const before = live.events.filter(({ name }) => name === 'progress')
    assert.ok(before.some(({ data }) => data.rowsProcessed > 0))
    assert.ok(before.every(({ data }) => data.inserted === 0))
    assert.equal(end.data.inserted, 9_990)
  })

  test('a direct upload is watched by the id that the client chose, from before its first byte', async () => {
    const uploadId = randomUUID()
    const live = client()
    live.subscribe(uploadId)
    const { data: problem } = await live.named('problem')
    assert.deepEqual([problem.status, problem.uploadId], [404, uploadId])
    const query = `?mode=direct&uploadId=${uploadId}&table=${newTable()}&batchRows=1000`
    const answer = api.call('POST', `/upload${query}`, { body: csv(10_000), headers: { 'content-type': 'text/csv' } })
    await live.next(({ name, data }) => name === 'progress' && data.rowsProcessed > 0)
    assert.equal((await answer).status, 200)
    const { name, data } = await live.end(uploadId)
    assert.deepEqual([name, data.rowsProcessed], ['completed', 10_000])
  })

  test('an upload whose body breaks off before anything was loaded has failed', async () => {
    const uploadId = randomUUID()
    const live = client()
    live.subscribe(uploadId)
    await live.named('problem')
    const body = request(`${server.url}/upload?uploadId=${uploadId}&table=x`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'content-length': 1_000_000 },
    })
    body.on('error', () => undefined)
    body.write('id,name\n1,Anna\n')
    const first = await live.named('progress')
    assert.deepEqual([first.data.status, first.data.rowsProcessed], ['receiving', 0])
    body.destroy()
    assert.equal((await live.end(uploadId)).data.status, 'failed')
  })

  test('a server that is killed and starts again: the client comes again and misses no end', {
    timeout: 60_000,
  }, async () => {
    const own = temporaryFolder()
    const port = String(20_000 + Math.floor(Math.random() * 10_000))
    const first = await serve(own, { ...env, PORT: port })
    const table = newTable()
    const { json } = await new Api(first).upload(csv(20_000), { fields: { table, schema: SCHEMA, batchRows: '1000' } })
    const live = client(first)
    live.socket.on('connect', () => live.subscribe(json.uploadId))
    await live.next(({ data }) => data?.rowsProcessed > 2_000)
    await first.stop('SIGKILL')
    await live.named('disconnect')
    const second = await serve(own, { ...env, PORT: port })
    try {
      const { name, data } = await live.end(json.uploadId)
      assert.deepEqual([name, data.rowsProcessed], ['completed', 20_000])
      const counts = live.events.filter((event) => event.data?.uploadId).map((event) => event.data.rowsProcessed)
      assert.deepEqual(
        counts,
        [...counts].sort((a, b) => a - b),
      )
      // A client that was away while it ended is told, too.
      live.events.length = 0
      await second.stop()
      await live.named('disconnect')
      const third = await serve(own, { ...env, PORT: port })
      assert.equal((await live.end(json.uploadId)).name, 'completed')
      live.close()
      await third.stop()
    } finally {
      await second.stop()
    }
  })
}
