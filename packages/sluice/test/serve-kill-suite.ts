import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openDatabase } from '@sluice/engine'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'

const ROWS = 60_000
/** Several batches; every thousandth record has a cell too few. */
const FILE = `id,name\n${Array.from({ length: ROWS }, (_, i) => ((i + 1) % 1_000 === 0 ? `${i + 1}` : `${i + 1},name ${i + 1}`)).join('\n')}\n`
const SCHEMA = JSON.stringify({
  fields: [{ name: 'id', type: 'integer' }, { name: 'name' }],
  primaryKey: 'id',
})

/** Ways to end that leave something in the middle, by where. */
const KILLS: [state: string, failpoints: string][] = [
  ['stored, but not noted', 'before-transaction-commit=kill'],
  ['uploaded', 'before-create-job=kill'],
  ['begun, without a table', 'after-create-job=kill'],
  ['processing, before the first commit', 'before-commit=kill'],
  ['processing, between two batches', 'after-commit:2=kill'],
  ['processing, before the last step', 'before-finish=kill'],
  ['completed, its object not deleted', 'after-finish=kill'],
]

/** kill -9 in every state, and a start after it. */
export function serveKillSuite(environment: () => Promise<Record<string, string>>): void {
  const fields = (table: string) => ({ table, schema: SCHEMA })

  async function rows(server: Served, table: string): Promise<[rows: number, ids: number]> {
    const database = await openDatabase(server.database)
    try {
      const [row] = await database.query(`SELECT count(*) AS n, count(DISTINCT id) AS ids FROM ${table}`)
      return [Number(row!['n']), Number(row!['ids'])]
    } finally {
      await database.close()
    }
  }

  async function killed(server: Served): Promise<void> {
    await server.ended
  }

  async function ends(api: Api, uploadId: string, table: string, server: Served): Promise<void> {
    const status = await api.over(uploadId)
    assert.equal(status.status, 'completed', status.error)
    const { recordsRead, inserted, rejected } = status.receipt
    assert.deepEqual([recordsRead, inserted, rejected], [ROWS, ROWS - ROWS / 1_000, ROWS / 1_000])
    assert.deepEqual(await rows(server, table), [inserted, inserted])
  }

  for (const [state, failpoints] of KILLS) {
    test(`kill -9 of a staged upload that is ${state}`, { timeout: 100_000 }, async () => {
      const env = await environment()
      const folder = temporaryFolder()
      const table = `t${randomUUID().slice(0, 8)}`
      // Sluice's own tables are made in a transaction, too.
      await (await serve(folder, env)).stop()
      const first = await serve(folder, { ...env, SLUICE_FAILPOINTS: failpoints })
      const answer = await new Api(first).upload(FILE, { fields: fields(table) }).catch(() => undefined)
      await killed(first)
      const second = await serve(folder, env)
      try {
        const api = new Api(second)
        const { uploads } = (await api.get(`/uploads`)).json
        if (answer === undefined && uploads.length === 0) {
          // It was never accepted, so nothing of it may be left; the client sends it again.
          const again = await api.upload(FILE, { fields: fields(table) })
          await ends(api, again.json.uploadId, table, second)
        } else {
          assert.equal(uploads.length, 1)
          await ends(api, uploads[0].uploadId, table, second)
        }
        for (let tried = 0; second.stored().length > 0 && tried < 200; tried++) await delay(100)
        assert.deepEqual(second.stored(), [])
      } finally {
        await second.stop()
      }
    })
  }

  test('kill -9 while a body is received leaves nothing behind', { timeout: 100_000 }, async () => {
    const env = await environment()
    const folder = temporaryFolder()
    const first = await serve(folder, env)
    const body = request(`${first.url}/upload?table=broken&schema=${encodeURIComponent(SCHEMA)}`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv', 'content-length': FILE.length },
    })
    body.on('error', () => undefined)
    body.write(FILE.slice(0, FILE.length / 2))
    for (let tried = 0; first.stored().length === 0 && tried < 100; tried++) await delay(50)
    assert.equal(first.stored().length, 1)
    await first.stop('SIGKILL')
    const second = await serve(folder, env)
    try {
      for (let tried = 0; second.stored().length > 0 && tried < 100; tried++) await delay(50)
      assert.deepEqual(second.stored(), [])
      assert.deepEqual((await new Api(second).get('/uploads')).json.uploads, [])
    } finally {
      await second.stop()
    }
  })

  test('kill -9 of a direct upload: it is failed, and the same body under the same id completes it', {
    timeout: 100_000,
  }, async () => {
    const env = { ...(await environment()), SLUICE_LEASE_SECONDS: '2' }
    const folder = temporaryFolder()
    const table = `t${randomUUID().slice(0, 8)}`
    const uploadId = randomUUID()
    const query = `?mode=direct&uploadId=${uploadId}`
    const first = await serve(folder, { ...env, SLUICE_FAILPOINTS: 'after-commit=kill' })
    await assert.rejects(new Api(first).upload(FILE, { query, fields: fields(table) }))
    await killed(first)
    const second = await serve(folder, env)
    try {
      const api = new Api(second)
      const { status, rowsProcessed, error } = await api.over(uploadId)
      assert.equal(status, 'failed')
      assert.ok(rowsProcessed > 0 && rowsProcessed < ROWS)
      assert.match(error, /send the same again/)
      const again = await api.upload(FILE, { query, fields: fields(table) })
      assert.equal(again.status, 200, again.text)
      await ends(api, uploadId, table, second)
    } finally {
      await second.stop()
    }
  })

  describe('SIGTERM', () => {
    test('commits what is in flight, and the next start goes on', { timeout: 100_000 }, async () => {
      const env = await environment()
      const folder = temporaryFolder()
      const table = `t${randomUUID().slice(0, 8)}`
      const first = await serve(folder, { ...env, SLUICE_FAILPOINTS: 'after-commit:1+=delay=400' })
      const { json } = await new Api(first).upload(FILE, { fields: fields(table) })
      for (let tried = 0; tried < 200; tried++) {
        const status = (await new Api(first).get(`/upload/${json.uploadId}/status`)).json
        if (status.rowsProcessed > 0) break
        await delay(20)
      }
      await first.stop()
      assert.equal((await first.ended).code, 0)
      const second = await serve(folder, env)
      try {
        await ends(new Api(second), json.uploadId, table, second)
        assert.match(second.log(), /"record":[1-9]\d*,.*"msg":"loading"/)
      } finally {
        await second.stop()
      }
    })
  })
}
