import assert from 'node:assert/strict'
import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'
import { sluice } from './sluice.ts'

const CSV = 'id,name\n1,Anna\n'
const PLAIN = 'plain-key-of-the-office'
const HASHED = 'hashed-key-of-the-shop'
const BOUND = 'key-bound-to-one-profile'
const TABLED = 'key-bound-to-two-tables'

describe('with keys', () => {
  let server: Served
  let office: Api
  let shop: Api

  const folder = temporaryFolder()
  before(async () => {
    const profiles = join(folder, 'profiles')
    mkdirSync(profiles)
    writeFileSync(join(profiles, 'people.json'), JSON.stringify({ table: 'people_by_profile', key: ['id'] }))
    writeFileSync(join(profiles, 'people.schema.json'), '{}')
    writeFileSync(join(profiles, 'other.json'), JSON.stringify({ table: 'other' }))
    const hash = createHash('sha256').update(HASHED).digest('hex')
    const keys = [PLAIN, `sha256:${hash}`, `${BOUND};profiles=people`, `${TABLED};tables=one|two`]
    server = await serve(folder, { SLUICE_API_KEYS: keys.join(','), HOST: '127.0.0.1', SLUICE_PROFILES: profiles })
    office = new Api(server, PLAIN)
    shop = new Api(server, HASHED)
  })
  after(() => server.stop())

  test('a key is told of the profiles that it may use', async () => {
    const profilesOf = async (key: string) => (await new Api(server, key).get('/profiles')).json
    assert.deepEqual(await profilesOf(PLAIN), { profiles: ['other', 'people'], default: null })
    assert.deepEqual(await profilesOf(BOUND), { profiles: ['people'], default: 'people' })
  })

  test('every call needs one, but those that tell nothing', async () => {
    const nobody = new Api(server)
    const id = randomUUID()
    for (const path of ['/uploads', '/metrics', `/upload/${id}/status`, `/upload/${id}/rejects.csv`, '/nothing']) {
      const { status, headers } = await nobody.get(path)
      assert.equal(status, 401, path)
      assert.match(headers.get('www-authenticate')!, /^Bearer/)
    }
    assert.equal((await nobody.upload(CSV)).status, 401)
    assert.deepEqual(server.stored(), [])
    for (const path of ['/health', '/ready', '/docs', '/docs/openapi.json']) {
      assert.equal((await fetch(`${server.url}${path}`)).status, 200, path)
    }
    for (const wrong of [`${PLAIN}x`, PLAIN.slice(1), 'sha256:00', createHash('sha256').update(PLAIN).digest('hex')]) {
      assert.equal((await new Api(server, wrong).get('/uploads')).status, 401)
    }
    const basic = await fetch(`${server.url}/uploads`, { headers: { authorization: `Basic ${btoa(`x:${PLAIN}`)}` } })
    assert.equal(basic.status, 401)
  })

  test('a key sees its own uploads; those of others are not there', async () => {
    const { json } = await office.upload(CSV, { query: '?wait=true&table=office' })
    const { uploadId } = json
    assert.equal((await office.get(`/upload/${uploadId}/status`)).status, 200)
    assert.equal((await office.get('/uploads')).json.uploads.length, 1)
    assert.deepEqual((await shop.get('/uploads')).json.uploads, [])
    for (const path of ['status', 'rejects', 'rejects.csv', 'rejects.ndjson']) {
      assert.equal((await shop.get(`/upload/${uploadId}/${path}`)).status, 404, path)
    }
    for (const path of ['retry', 'cancel']) {
      assert.equal((await shop.call('POST', `/upload/${uploadId}/${path}`)).status, 404, path)
    }
    const replay = await shop.call('POST', `/upload/${uploadId}/replay`, {
      body: CSV,
      headers: { 'content-type': 'text/csv' },
    })
    assert.equal(replay.status, 404)
    const taken = await shop.upload(`${CSV}2,Bob\n`, { query: `?uploadId=${uploadId}&table=shop` })
    assert.equal(taken.status, 409)
    assert.ok(!taken.text.includes('office'))
  })

  test('an Idempotency-Key is of one key', async () => {
    const headers = { 'idempotency-key': randomUUID() }
    const first = await office.upload(CSV, { query: '?table=mine', headers })
    const second = await shop.upload(CSV, { query: '?table=mine', headers })
    assert.deepEqual([first.status, second.status], [202, 202])
    assert.notEqual(first.json.uploadId, second.json.uploadId)
    await office.over(first.json.uploadId)
    await shop.over(second.json.uploadId)
  })

  test('a key bound to profiles loads as they say, and not otherwise', async () => {
    const bound = new Api(server, BOUND)
    const { status, json } = await bound.upload(CSV, { query: '?wait=true' })
    assert.deepEqual([status, json.table], [200, 'people_by_profile'])
    for (const query of ['?profile=other', '?table=people', '?set=name%3Dx', '?profile=people&replace=true']) {
      assert.equal((await bound.upload(CSV, { query })).status, 403, query)
    }
  })

  test('a key bound to tables loads into these', async () => {
    const tabled = new Api(server, TABLED)
    assert.equal((await tabled.upload(CSV, { query: '?wait=true&table=two' })).status, 200)
    for (const parts of [{ query: '?table=three' }, { name: 'three.csv' }, { query: '?profile=other' }]) {
      for (const mode of ['staged', 'direct']) {
        const query = `?mode=${mode}${parts.query?.replace('?', '&') ?? ''}`
        assert.equal((await tabled.upload(CSV, { ...parts, query })).status, 403, query)
      }
    }
    assert.deepEqual(server.stored(), [])
  })

  test('the log names no key, no value and no query', async () => {
    await office.upload('id,name\nx7-hidden,Secret Name\n', { query: '?wait=true&table=logged&set=token%3Dhush' })
    const log = server.log()
    assert.match(log, /"route":"\/upload"/)
    for (const secret of [PLAIN, HASHED, BOUND, 'Secret Name', 'x7-hidden', 'hush'])
      assert.ok(!log.includes(secret), secret)
  })
})

describe('without keys', () => {
  const folder = temporaryFolder()
  let server: Served
  before(async () => {
    server = await serve(folder, { SLUICE_RATE_LIMIT: '40' })
  })
  after(() => server.stop())

  /** A request as fetch does not let one make. */
  function raw(method: string, path: string, headers: Record<string, string>): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    request(`${server.url}${path}`, { method, headers }, (answer) => {
      answer.resume()
      resolve(answer.statusCode!)
    })
      .on('error', reject)
      .end()
    return promise
  }

  for (const [what, method, path, headers, status] of [
    ['a name of another host, as after DNS rebinding', 'GET', '/uploads', { host: 'evil.example' }, 403],
    ['such a name on an open path', 'GET', '/health', { host: 'evil.example:3002' }, 403],
    ['localhost', 'GET', '/uploads', { host: 'localhost:3002' }, 200],
    ['[::1]', 'GET', '/uploads', { host: '[::1]:3002' }, 200],
    ['a page of another origin', 'GET', '/uploads', { origin: 'https://evil.example' }, 403],
    [
      'a form of another origin',
      'POST',
      '/upload',
      { origin: 'https://evil.example', 'content-type': 'text/plain' },
      403,
    ],
    ['a page in a sandbox', 'POST', '/upload', { origin: 'null' }, 403],
    ['a form of another site without an origin', 'POST', '/upload', { 'sec-fetch-site': 'cross-site' }, 403],
    [
      'a preflight',
      'OPTIONS',
      '/upload',
      { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
      403,
    ],
  ] as const) {
    test(`${what}: ${status}`, async () => assert.equal(await raw(method, path, headers), status))
  }

  test('no answer allows another origin to read it', async () => {
    const answer = await fetch(`${server.url}/uploads`)
    assert.equal(answer.headers.get('access-control-allow-origin'), null)
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff')
  })

  test('the page about the API loads nothing from elsewhere and runs nothing', async () => {
    const answer = await fetch(`${server.url}/docs`)
    const page = await answer.text()
    assert.match(answer.headers.get('content-security-policy')!, /^default-src 'none'; style-src 'self';/)
    assert.deepEqual(page.match(/<script|\son\w+=|style="/g), null)
    const links = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => link!)
    assert.deepEqual(
      links.filter((link) => !/^[/#]/.test(link)),
      [],
    )
    for (const link of links) assert.equal((await fetch(`${server.url}${link}`)).status, 200, link)
  })

  test('who asks too often waits', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, () => fetch(`${server.url}/uploads`)))
    const refused = answers.filter(({ status }) => status === 429)
    assert.ok(refused.length >= 20)
    assert.ok(Number(refused[0]!.headers.get('retry-after')) > 0)
    assert.equal(((await refused[0]!.json()) as { status: number }).status, 429)
    assert.equal((await fetch(`${server.url}/health`)).status, 200)
  })
})

test('pages of an origin that is allowed may call', async () => {
  const origin = 'https://app.example.com'
  const server = await serve(temporaryFolder(), {
    SLUICE_CORS_ORIGINS: origin,
    SLUICE_ALLOWED_HOSTS: 'import.example.com',
  })
  try {
    const headers = {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization',
    }
    const preflight = await fetch(`${server.url}/upload`, { method: 'OPTIONS', headers })
    assert.equal(preflight.status, 204)
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin)
    const answer = await fetch(`${server.url}/uploads`, { headers: { origin } })
    assert.equal(answer.headers.get('access-control-allow-origin'), origin)
    const other = await fetch(`${server.url}/uploads`, { headers: { origin: 'https://evil.example' } })
    assert.deepEqual([other.status, other.headers.get('access-control-allow-origin')], [403, null])
  } finally {
    await server.stop()
  }
})

for (const [what, env] of [
  ['every address without keys', { HOST: '0.0.0.0' }],
  ['a key that is empty', { SLUICE_API_KEYS: 'a-key-that-is-good,,' }],
  ['a hash that is none', { SLUICE_API_KEYS: 'sha256:abc' }],
  ['a binding that is none', { SLUICE_API_KEYS: 'a-key-that-is-good;tabel=x' }],
] as const) {
  test(`does not start with ${what}`, async () => {
    const { code, stderr } = await sluice(['serve'], { cwd: temporaryFolder(), env: { PORT: '0', ...env } })
    assert.equal(code, 2, stderr)
    assert.ok(!stderr.includes('a-key-that-is-good'))
  })
}
