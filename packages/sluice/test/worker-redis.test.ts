import assert from 'node:assert/strict'
import { test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { startRedis } from './redis.ts'
import { sluice } from './sluice.ts'

const cwd = temporaryFolder()

test('a worker without a queue that it can use ends at once, and says why', async () => {
  const none = await sluice(['worker'], { cwd })
  assert.equal(none.code, 2)
  assert.match(none.stderr, /set REDIS_URL/)
  const many = await sluice(['worker', '--concurrency', '65'], { cwd, env: { REDIS_URL: 'redis://localhost' } })
  assert.equal(many.code, 2)
  assert.match(many.stderr, /--concurrency takes a whole number from 2 to 64/)
  await using evicting = await startRedis(['--maxmemory', '50mb', '--maxmemory-policy', 'volatile-lru'])
  for (const command of ['worker', 'serve']) {
    const { code, stderr } = await sluice([command], { cwd, env: { REDIS_URL: evicting.url, PORT: '0' } })
    assert.equal(code, 2, stderr)
    assert.match(stderr, /maxmemory-policy volatile-lru/)
  }
})
