import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Webhook } from 'standardwebhooks'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { receive } from './receiver.ts'
import { serve } from './serve.ts'

const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`
const folder = temporaryFolder()

test('a webhook comes over HTTP; addresses that are not public are refused, in every way to upload', async () => {
  await using receiver = await receive()
  const env = { SLUICE_WEBHOOK_SECRET: SECRET, SLUICE_WEBHOOK_ALLOW: `127.0.0.1:${receiver.port}` }
  const server = await serve(folder, env)
  try {
    const api = new Api(server)
    const refused = `http://127.0.0.1:${receiver.port + 1}/`
    for (const query of ['', '?mode=direct', '?wait=true']) {
      const told = await api.upload('id\n1\n', { query, fields: { callbackUrl: refused } })
      assert.deepEqual([told.status, told.json.code], [400, 'SLUICE_USAGE'], query)
    }
    assert.equal((await api.upload('id\n1\n', { behind: { callbackUrl: 'http://[::ffff:10.0.0.1]/' } })).status, 400)
    assert.deepEqual((await api.get('/uploads')).json.uploads, [])

    const ids: string[] = []
    for (const query of ['', '?mode=direct']) {
      const fields = { callbackUrl: receiver.url }
      const { json } = await api.upload(`id\n${ids.length}\n`, { query, fields, name: `t${ids.length}.csv` })
      ids.push(json.uploadId)
    }
    const came = await receiver.until(2)
    const told = came.map(
      ({ body, headers }) =>
        new Webhook(SECRET).verify(body, headers as Record<string, string>) as { uploadId: string },
    )
    assert.deepEqual(told.map(({ uploadId }) => uploadId).sort(), [...ids].sort())
    for (const uploadId of ids) {
      let status = await api.over(uploadId)
      for (let i = 0; status.webhooks[0].state !== 'delivered' && i < 100; i++) {
        await delay(50)
        status = await api.over(uploadId)
      }
      assert.equal(status.webhooks[0].state, 'delivered')
      assert.equal(status.webhooks[0].tries[0].status, 200)
    }
  } finally {
    await server.stop()
  }
})
