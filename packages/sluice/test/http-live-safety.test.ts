import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { LiveClient } from './live-client.ts'
import { type Served, serve } from './serve.ts'
import { metadataOf } from './tus-suite.ts'

const [OFFICE, SHOP] = ['key-of-the-office', 'key-of-the-shop']
const CSV = 'id,name\n1,Anna\n'

const folder = temporaryFolder()
let server: Served
let office: Api
const clients: LiveClient[] = []

before(async () => {
  server = await serve(folder, { SLUICE_API_KEYS: `${OFFICE},${SHOP}`, HOST: '127.0.0.1' })
  office = new Api(server, OFFICE)
})
after(async () => {
  for (const one of clients) one.close()
  await server.stop()
})

function client(token?: string, options: object = {}): LiveClient {
  const made = new LiveClient(server.url, token, options)
  clients.push(made)
  return made
}

test('a socket without a key, or with a wrong one, is refused with the reason', async () => {
  for (const token of [undefined, '', 'wrong', `${OFFICE}x`]) {
    const { data } = await client(token).named('connect_error')
    assert.equal((data as { data: { status: number } }).data.status, 401)
  }
  await client(OFFICE).named('connect')
  await client(undefined, { extraHeaders: { authorization: `Bearer ${OFFICE}` } }).named('connect')
})

test('a page of another origin is refused', async () => {
  for (const transports of [['polling'], ['websocket']]) {
    const live = client(OFFICE, { transports, extraHeaders: { origin: 'https://evil.example' }, reconnection: false })
    await live.named('connect_error')
    assert.equal(live.socket.connected, false)
  }
})

test('an upload of another key is told as one that is not there', async () => {
  const { json } = await office.upload(CSV, { query: '?wait=true&table=office' })
  const [stranger, owner] = [client(SHOP), client(OFFICE)]
  stranger.subscribe(json.uploadId)
  owner.subscribe(json.uploadId)
  await owner.end(json.uploadId)
  const { data } = await stranger.named('problem')
  assert.deepEqual([data.status, data.uploadId], [404, json.uploadId])
  await delay(600)
  assert.deepEqual(
    stranger.events.map(({ name }) => name),
    ['connect', 'problem'],
  )
})

test('what is no subscription is answered so, and harms nobody', async () => {
  const live = client(OFFICE)
  for (const wrong of [undefined, null, 7, {}, [], 'x', `${randomUUID()}'`, { length: 36 }]) {
    live.events.length = 0
    live.subscribe(wrong)
    assert.equal((await live.named('problem')).data.status, 400)
  }
  live.socket.emit('nonsense', 1, 2)
  live.socket.emit('unsubscribe', {})
  const { json } = await office.upload(CSV, { query: '?wait=true&table=later' })
  live.subscribe(json.uploadId)
  await live.end(json.uploadId)
})

test('more uploads than a socket may watch, too many events and too long ones', async () => {
  const many = client(OFFICE)
  for (let i = 0; i < 101; i++) many.subscribe(randomUUID())
  await many.next(({ name, data }) => name === 'problem' && data.status === 429)
  const loud = client(OFFICE, { reconnection: false })
  await loud.named('connect')
  for (let i = 0; i < 300; i++) loud.socket.emit('unsubscribe', '')
  await loud.named('disconnect')
  const long = client(OFFICE, { reconnection: false, transports: ['websocket'] })
  await long.named('connect')
  long.subscribe('x'.repeat(10_000))
  await long.named('disconnect')
  assert.equal((await office.get('/uploads')).status, 200)
})

test('a resumable upload needs a key, and is of the key that began it', async () => {
  const tus = { 'tus-resumable': '1.0.0' }
  const headers = { ...tus, 'upload-length': '15', 'upload-metadata': metadataOf({ table: 'mine' }) }
  assert.equal((await new Api(server).call('POST', '/files', { headers })).status, 401)
  const begun = await office.call('POST', '/files', { headers })
  const place = begun.headers.get('location')!
  const shop = new Api(server, SHOP)
  const piece = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
  assert.equal((await shop.call('HEAD', place, { headers: tus })).status, 404)
  assert.equal((await shop.call('PATCH', place, { headers: piece, body: CSV })).status, 404)
  assert.equal((await shop.call('DELETE', place, { headers: tus })).status, 404)
  assert.equal((await office.call('PATCH', place, { headers: piece, body: CSV })).status, 204)
  const { receipt } = await office.over(place.slice(7))
  assert.equal(receipt.inserted, 1)
})
