import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ALLOWED, parts, text } from '../../../scripts/third-party.ts'
import { links, page } from './documents.ts'

describe('packages of others', () => {
  const all = parts()

  test('docs/third-party.md is that of the lock file', () => {
    assert.equal(page('docs/third-party.md'), text(), 'npm run third-party writes it anew')
  })

  test('their licences ask for no more than to be named', () => {
    assert.ok(all.length > 100)
    const others = all.filter(({ license }) => !ALLOWED.includes(license))
    assert.deepEqual(others, [])
  })

  test('the engine comes without what a server needs', () => {
    const ofEngine = all.filter((part) => part.in.includes('engine')).map(({ name }) => name)
    assert.ok(ofEngine.includes('pg') && ofEngine.includes('re2js'))
    for (const name of ['fastify', 'bullmq', 'ioredis', 'socket.io', 'pino', 'prom-client', 'commander', 'node'])
      assert.ok(!ofEngine.includes(name), name)
    assert.deepEqual(
      ofEngine.filter((name) => /^@(aws-sdk|fastify|tus|opentelemetry)\//.test(name)),
      [],
    )
    assert.ok(ofEngine.length < 30, `${ofEngine.length} packages`)
  })
})

test('every file that the threat model names is there', () => {
  const model = page('docs/threat-model.md')
  const named = [...model.matchAll(/`(packages\/[\w./-]+\.ts)`/g)].map(([, path]) => path!)
  assert.ok(named.length > 25)
  for (const path of named) assert.notEqual(page(path), '', path)
  assert.ok(links(page('SECURITY.md')).includes('docs/threat-model.md'))
})
