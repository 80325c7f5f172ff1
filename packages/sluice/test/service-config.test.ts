import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { readConfig } from '../src/config.ts'
import { readServiceConfig } from '../src/service-config.ts'

const SECRET = 'correct-horse-battery-staple'
const read = (env: Record<string, string>, flags = {}) => readServiceConfig(env, readConfig(env), flags)
const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')

test('with nothing set everything is embedded, and only this machine may call', () => {
  const config = read({})
  assert.deepEqual([config.databaseUrl, config.host, config.port], ['sqlite:sluice.db', '127.0.0.1', 3002])
  assert.equal(config.storage.kind, 'local')
  assert.deepEqual([config.apiKeys, config.redisUrl, config.tmpFolder], [[], null, null])
  assert.deepEqual(
    [config.statusTtlSeconds, config.uploadTtlSeconds, config.concurrency, config.logLevel],
    [7 * 86_400, 2 * 86_400, 3, 'info'],
  )
})

test('every variable is read, blanks around it are not meant, and an empty one is none', () => {
  const config = read({
    DATABASE_URL: 'postgres://me@host/shop',
    REDIS_URL: ' redis://host:6379/1 ',
    S3_BUCKET: 'my.uploads',
    S3_ENDPOINT: 'http://127.0.0.1:9000',
    S3_REGION: 'eu-central-1',
    SLUICE_TMP_DIR: '/tmp/x',
    SLUICE_API_KEYS: SECRET,
    SLUICE_WEBHOOK_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcw==',
    SLUICE_WEBHOOK_ALLOW: 'hooks.internal:8080, 10.0.0.0/8, ::1, [fe80::1]:80, fd00::/8',
    SLUICE_MAX_UPLOAD_BYTES: '2GB',
    SLUICE_STATUS_TTL: '12h',
    SLUICE_UPLOAD_TTL: '6h',
    SLUICE_CONCURRENCY: '8',
    SLUICE_PROFILES: '/etc/profiles',
    SLUICE_DEFAULT_PROFILE: 'people',
    PORT: '0',
    HOST: '',
    LOG_LEVEL: 'DEBUG',
  })
  const { hostname, pathname } = new URL(config.redisUrl!)
  assert.deepEqual([hostname, pathname], ['host', '/1'])
  const endpoint = 'http://127.0.0.1:9000'
  assert.deepEqual(config.storage, { kind: 's3', bucket: 'my.uploads', endpoint, region: 'eu-central-1' })
  assert.deepEqual([config.host, config.port, config.logLevel], ['0.0.0.0', 0, 'debug'])
  assert.deepEqual(
    [config.maxUploadBytes, config.statusTtlSeconds, config.uploadTtlSeconds, config.concurrency],
    [2 ** 31, 43_200, 21_600, 8],
  )
  assert.deepEqual([config.profilesFolder, config.defaultProfile], ['/etc/profiles', 'people'])
  assert.deepEqual([config.webhookSecrets.length, config.webhookAllow.length], [2, 5])
})

test('flags win over the environment', () => {
  const env = { DATABASE_URL: 'sqlite:a.db', PORT: '1', HOST: '127.0.0.1' }
  const config = read(env, { to: 'sqlite:b.db', port: 2, host: '::1' })
  assert.deepEqual([config.databaseUrl, config.port, config.host], ['sqlite:b.db', 2, '::1'])
})

describe('without keys', () => {
  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '::1']) {
    test(`${host} is this machine`, () => assert.equal(read({ HOST: host }).host, host))
  }
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.com', '127.evil.example']) {
    test(`${host} needs SLUICE_ALLOW_ANONYMOUS`, () => {
      assert.throws(() => read({ HOST: host }), { code: 'SLUICE_CONFIG', message: /SLUICE_API_KEYS/ })
      assert.equal(read({ HOST: host, SLUICE_ALLOW_ANONYMOUS: '1' }).host, host)
      assert.throws(() => read({ HOST: host, SLUICE_ALLOW_ANONYMOUS: '0' }), { code: 'SLUICE_CONFIG' })
      assert.equal(read({ HOST: host, SLUICE_API_KEYS: SECRET }).host, host)
    })
  }
})

describe('keys', () => {
  test('plain or hashed, they are the same key; what is kept is neither', () => {
    const [plain] = read({ SLUICE_API_KEYS: SECRET }).apiKeys
    const [hashed] = read({ SLUICE_API_KEYS: `sha256:${hashOf(SECRET).toUpperCase()}` }).apiKeys
    assert.deepEqual(plain, hashed)
    assert.equal(plain!.hash.toString('hex'), hashOf(SECRET))
    assert.ok(!hashOf(SECRET).includes(plain!.id))
  })

  test('may be bound to profiles and tables', () => {
    const text = `${SECRET};profiles=people|orders , another;tables=t|s.t;profiles=x,third`
    const bounds = read({ SLUICE_API_KEYS: text }).apiKeys.map(({ profiles, tables }) => [profiles, tables])
    assert.deepEqual(bounds, [
      [['people', 'orders'], null],
      [['x'], ['t', 's.t']],
      [null, null],
    ])
  })
})

describe('what cannot be used is told by its name, and never by its value', () => {
  const wrong: [name: string, value: string, rest?: Record<string, string>][] = [
    ['PORT', '70000-secret'],
    ['PORT', '65536'],
    ['REDIS_URL', 'http://:secret@host'],
    ['S3_ENDPOINT', 'ftp://secret', { S3_BUCKET: 'uploads' }],
    ['S3_ENDPOINT', 'http://secret.example'],
    ['S3_BUCKET', 'No Secret_Bucket'],
    ['SLUICE_MAX_UPLOAD_BYTES', 'secret GB'],
    ['SLUICE_STATUS_TTL', '7 secrets'],
    ['SLUICE_UPLOAD_TTL', '2 secrets'],
    ['SLUICE_CONCURRENCY', '1'],
    ['SLUICE_CONCURRENCY', '65'],
    ['SLUICE_ALLOW_ANONYMOUS', 'secret'],
    ['SLUICE_WEBHOOK_SECRET', 'whsec_!secret!'],
    ['SLUICE_WEBHOOK_ALLOW', '10.0.0.0/33'],
    ['SLUICE_WEBHOOK_ALLOW', 'a secret'],
    ['LOG_LEVEL', 'secret'],
    ['SLUICE_API_KEYS', `${SECRET},,x`],
    ['SLUICE_API_KEYS', `sha256:${SECRET}`],
    ['SLUICE_API_KEYS', `${SECRET} with-blank`],
    ['SLUICE_API_KEYS', `${SECRET};rows=secret`],
    ['SLUICE_API_KEYS', `${SECRET};tables=`],
    ['SLUICE_API_KEYS', `${SECRET};tables=a;tables=b`],
    ['SLUICE_API_KEYS', `${SECRET},${SECRET}`],
    ['SLUICE_API_KEYS', `${SECRET},sha256:${hashOf(SECRET)}`],
  ]
  for (const [name, value, rest] of wrong) {
    test(`${name}=${value}`, () => {
      assert.throws(
        () => read({ ...rest, [name]: value }),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'SLUICE_CONFIG')
          assert.ok(error.message.includes(name), error.message)
          assert.doesNotMatch(error.message.replace(name, ''), /secret(?!s of)|horse/i)
          return true
        },
      )
    })
  }
})
