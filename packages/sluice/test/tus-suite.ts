import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase } from '@sluice/engine'
import { Upload } from 'tus-js-client'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'
import { CuttingProxy } from './support/cutting-proxy.ts'

const ROWS = 120_000
/** Some 19 MB: several parts of a multipart upload, and a rest. */
const FILE = Buffer.from(
  `id,name\n${Array.from({ length: ROWS }, (_, i) => `${i + 1},${createHash('sha256').update(String(i)).digest('hex')}${'x'.repeat(90)}`).join('\n')}\n`,
)
const SCHEMA = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })
const TUS = { 'tus-resumable': '1.0.0' }
const PIECE = { ...TUS, 'content-type': 'application/offset+octet-stream' }

export const metadataOf = (fields: Record<string, string>) =>
  Object.entries(fields)
    .map(([name, value]) => `${name} ${Buffer.from(value).toString('base64')}`)
    .join(',')

/** Numbers that look random and are the same in each run (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/**
 * Resumable uploads, on both storages.
 * @param left what is stored and belongs to nothing any more
 */
export function tusSuite(
  environment: () => Promise<Record<string, string>>,
  left: (server: Served) => Promise<string[]>,
): void {
  const folder = temporaryFolder()
  let env: Record<string, string>
  let server: Served
  let proxy: CuttingProxy
  let api: Api
  let database: Database

  before(async () => {
    env = await environment()
    server = await serve(folder, env)
    proxy = await CuttingProxy.start(server.url)
    api = new Api(server)
    database = await openDatabase(server.database)
  })
  after(async () => {
    await database.close()
    await proxy.close()
    await server.stop()
  })

  const newTable = () => `t${randomUUID().slice(0, 8)}`

  /** By the client that most use. @returns the uploadId */
  function send(table: string, more: object = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const upload = new Upload(FILE as never, {
        endpoint: `${proxy.url}/files`,
        metadata: { filename: 'people.csv', filetype: 'text/csv', table, schema: SCHEMA },
        retryDelays: Array(60).fill(100),
        onError: reject,
        onSuccess: () => resolve(upload.url!.split('/').at(-1)!),
        ...more,
      })
      upload.start()
    })
  }

  async function isLoaded(uploadId: string, table: string): Promise<void> {
    const status = await api.over(uploadId)
    assert.equal(status.status, 'completed', status.error)
    const [job] = await database.query('SELECT sha256, bytes_total FROM ingestion_jobs WHERE job_id = $1', [uploadId])
    assert.equal(job!['sha256'], createHash('sha256').update(FILE).digest('hex'))
    const [row] = await database.query(`SELECT count(*) AS n, count(DISTINCT id) AS ids, sum(id) AS sum FROM ${table}`)
    assert.deepEqual([row!['n'], row!['ids'], row!['sum']].map(Number), [ROWS, ROWS, (ROWS * (ROWS + 1)) / 2])
  }

  async function nothingLeft(): Promise<void> {
    for (let tried = 0; tried < 100 && (await left(server)).length > 0; tried++) await delay(100)
    assert.deepEqual(await left(server), [])
  }

  const create = (headers: Record<string, string>, body?: Buffer) =>
    api.call('POST', '/files', { headers: { ...TUS, ...headers }, ...(body && { body: body as never }) })
  const head = (uploadId: string) => api.call('HEAD', `/files/${uploadId}`, { headers: TUS })

  for (const seed of [1, 2, 3]) {
    test(`connections that are cut at random (seed ${seed}): the bytes are the same, and loaded once`, {
      timeout: 90_000,
    }, async () => {
      const below = numbers(seed)
      proxy.cutAfterSent = Array.from({ length: 6 }, () => 1 + below(4_000_000))
      const before = proxy.cuts
      const table = newTable()
      const uploadId = await send(table, seed === 2 ? { chunkSize: 3_000_000 } : {})
      assert.ok(proxy.cuts - before >= (seed === 2 ? 1 : 4), `${proxy.cuts - before} cuts`)
      proxy.cutAfterSent = []
      await isLoaded(uploadId, table)
      await nothingLeft()
    })
  }

  test('kill -9 in the middle: the next server takes what comes then', { timeout: 90_000 }, async () => {
    const table = newTable()
    const begun = proxy.sent
    const sending = send(table, { chunkSize: 1_000_000 })
    while (proxy.sent - begun < FILE.length / 2) await delay(2)
    await server.stop('SIGKILL')
    server = await serve(folder, env)
    api = new Api(server)
    proxy.target = new URL(server.url)
    await isLoaded(await sending, table)
    await nothingLeft()
  })

  test('kill -9 when all bytes are there, but no job: the next server makes it', { timeout: 90_000 }, async () => {
    await server.stop()
    // The first transaction of an upload is the one that makes its job.
    server = await serve(folder, { ...env, SLUICE_FAILPOINTS: 'before-transaction-commit=kill' })
    api = new Api(server)
    proxy.target = new URL(server.url)
    const table = newTable()
    const sending = send(table)
    await server.ended
    server = await serve(folder, env)
    api = new Api(server)
    proxy.target = new URL(server.url)
    await isLoaded(await sending, table)
    await nothingLeft()
  })

  test('step by step: the beginning with the first bytes, the offset, a wrong one, the end, and the same question after it', async () => {
    const table = newTable()
    const body = Buffer.from('id,name\n1,Anna\n2,Bob\n')
    const metadata = metadataOf({ filename: 'x.csv', table, schema: SCHEMA, null: 'NA\n-' })
    const begun = await create(
      { ...PIECE, 'upload-length': String(body.length), 'upload-metadata': metadata },
      body.subarray(0, 10),
    )
    assert.equal(begun.status, 201, begun.text)
    assert.equal(begun.headers.get('upload-offset'), '10')
    assert.match(begun.headers.get('location')!, /^\/files\/[\da-f-]{36}$/)
    assert.ok(Date.parse(begun.headers.get('upload-expires')!) > Date.now())
    const uploadId = begun.headers.get('location')!.slice(7)
    assert.equal((await api.get(`/upload/${uploadId}/status`)).json.status, 'receiving')
    const { headers } = await head(uploadId)
    assert.deepEqual([headers.get('upload-offset'), headers.get('upload-length')], ['10', String(body.length)])
    const patch = (offset: number, bytes: Buffer, method = 'PATCH') =>
      api.call(method, `/files/${uploadId}`, {
        headers: { ...PIECE, 'upload-offset': String(offset), 'x-http-method-override': 'PATCH' },
        body: bytes as never,
      })
    assert.equal((await patch(9, body.subarray(9))).status, 409)
    const more = await patch(10, Buffer.concat([body.subarray(10), Buffer.from('x')]))
    assert.equal(more.status, 413)
    assert.equal((await patch(10, body.subarray(10))).status, 204)
    const { receipt } = await api.over(uploadId)
    assert.equal(receipt.inserted, 2)
    const whole = await head(uploadId)
    assert.deepEqual([whole.status, whole.headers.get('upload-offset')], [200, String(body.length)])
    assert.equal((await patch(body.length, Buffer.from('x'))).status, 409)
    assert.equal((await api.call('DELETE', `/files/${uploadId}`, { headers: TUS })).status, 409)
    // The same content again, into the same table: it is known by its SHA-256.
    const again = await create({ ...PIECE, 'upload-length': String(body.length), 'upload-metadata': metadata }, body)
    assert.equal((await api.over(again.headers.get('location')!.slice(7))).sameAs, uploadId)
    await nothingLeft()
  })

  test('what is wrong is said before the first byte, and leaves nothing', async () => {
    const metadata = metadataOf({ filename: 'x.csv' })
    for (const [status, headers] of [
      [412, { 'tus-resumable': '0.2.2', 'upload-length': '5' }],
      [400, { 'upload-metadata': metadata }],
      [400, { 'upload-length': '-5', 'upload-metadata': metadata }],
      [400, { 'upload-length': '5' }],
      [400, { 'upload-length': '5', 'upload-metadata': 'filename ***' }],
      [400, { 'upload-length': '5', 'upload-metadata': metadataOf({ filename: 'x.csv', nonsense: '1' }) }],
      [400, { 'upload-length': '5', 'upload-metadata': metadataOf({ table: 'ingestion_jobs' }) }],
      [400, { 'upload-length': '5', 'upload-metadata': metadataOf({ table: 't', callbackUrl: 'file:///etc' }) }],
      [422, { 'upload-length': '5', 'upload-metadata': metadataOf({ table: 't', schema: '{' }) }],
      [422, { 'upload-length': '0', 'upload-metadata': metadata }],
      [413, { 'upload-length': String(2 ** 50), 'upload-metadata': metadata }],
    ] as [number, Record<string, string>][]) {
      const answer = await create(headers)
      assert.equal(answer.status, status, JSON.stringify([headers, answer.text]))
      assert.match(answer.headers.get('content-type')!, /^application\/problem\+json/)
      assert.equal(answer.headers.get('tus-resumable'), '1.0.0')
    }
    const { uploads } = (await api.get('/uploads?status=receiving')).json
    assert.deepEqual(uploads, [])
    assert.equal((await head(randomUUID())).status, 404)
    await nothingLeft()
  })

  test('an upload that is given up leaves nothing', async () => {
    const { headers } = await create(
      { ...PIECE, 'upload-length': '100', 'upload-metadata': metadataOf({ table: newTable() }) },
      Buffer.from('id,name\n'),
    )
    const place = headers.get('location')!
    assert.equal((await api.call('DELETE', place, { headers: TUS })).status, 204)
    assert.equal((await api.call('HEAD', place, { headers: TUS })).status, 404)
    assert.equal((await api.get(`/upload/${place.slice(7)}/status`)).status, 404)
    await nothingLeft()
  })

  test('an upload that is not whole in time is removed', { timeout: 60_000 }, async () => {
    await server.stop()
    server = await serve(folder, { ...env, SLUICE_UPLOAD_TTL: '2s' })
    api = new Api(server)
    proxy.target = new URL(server.url)
    const { headers } = await create(
      { ...PIECE, 'upload-length': '100', 'upload-metadata': metadataOf({ table: newTable() }) },
      Buffer.from('id,name\n'),
    )
    const place = headers.get('location')!
    for (let tried = 0; (await api.get(`/upload/${place.slice(7)}/status`)).status !== 404; tried++) {
      assert.ok(tried < 150)
      await delay(100)
    }
    await nothingLeft()
  })
}
