import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openDatabase, type Receipt } from '@sluice/engine'

import { parse } from 'csv-parse/sync'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import type { RejectJson as Reject } from '../src/reject-json.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'
import { EXAMPLES, sluice } from './sluice.ts'

const SCHEMA = JSON.stringify({
  fields: [
    { name: 'id', type: 'integer' },
    { name: 'name', type: 'string' },
    { name: 'amount', type: 'number' },
  ],
  primaryKey: 'id',
})
/** Four records, of which the second and the last are no good. */
const PEOPLE = 'id,name,amount\n1,Anna,1.5\n2,=cmd|calc,much\n3,Zoë,3\nx4,Dan,4\n'
const tableOf = () => `t${randomUUID().slice(0, 8)}`

/** What the API does, whatever the database. */
export function httpSuite(databaseFor: () => Promise<Record<string, string>>): void {
  const folder = temporaryFolder()
  let server: Served
  let api: Api

  before(async () => {
    server = await serve(folder, await databaseFor())
    api = new Api(server)
  })
  after(() => server.stop())

  async function run(text: string): Promise<Record<string, unknown>[]> {
    const database = await openDatabase(server.database)
    try {
      return await database.query(text)
    } finally {
      await database.close()
    }
  }
  /** Integers as numbers, whatever the database gives. */
  async function rows(table: string, columns: string): Promise<unknown[][]> {
    const found = await run(`SELECT ${columns} FROM ${table} ORDER BY 1`)
    return found.map(({ id, ...others }) => [Number(id), ...Object.values(others)])
  }
  const idsOf = async (table: string) => (await rows(table, 'id')).map(([id]) => id)

  describe('a staged upload', () => {
    test('is answered 202 with its place, is loaded in the background, and its object is deleted', async () => {
      const table = tableOf()
      const { status, json, headers } = await api.upload(PEOPLE, { fields: { table, schema: SCHEMA } })
      assert.equal(status, 202)
      assert.equal(json.status, 'uploaded')
      assert.equal(headers.get('location'), `/upload/${json.uploadId}/status`)
      const over = await api.over(json.uploadId)
      assert.equal(over.status, 'completed')
      assert.deepEqual([over.rowsProcessed, over.rowsFailed, over.progress, over.error], [4, 2, 1, undefined])
      assert.deepEqual([over.receipt.inserted, over.receipt.rejected, over.receipt.table], [2, 2, table])
      assert.deepEqual(over.rejectsByCode, over.receipt.rejectsByCode)
      assert.deepEqual(over.rejectsByCode, { 'type-error': 2 })
      assert.ok(over.startedAt <= over.completedAt)
      assert.deepEqual(await idsOf(table), [1, 3])
      assert.deepEqual(server.stored(), [])
    })

    test('takes fields behind the file, as curl -F file=@… -F table=… sends them', async () => {
      const table = tableOf()
      const { status, json } = await api.upload(PEOPLE, { fields: { schema: SCHEMA }, behind: { table } })
      assert.equal(status, 202)
      assert.equal((await api.over(json.uploadId)).status, 'completed')
      assert.deepEqual(await idsOf(table), [1, 3])
    })

    test('?wait=true answers when every row is in', async () => {
      const table = tableOf()
      const { status, json } = await api.upload(PEOPLE, {
        query: `?wait=true&table=${table}`,
        fields: { schema: SCHEMA },
      })
      assert.equal(status, 200)
      assert.deepEqual([json.recordsRead, json.inserted, json.rejected, json.status], [4, 2, 2, 'completed'])
      assert.deepEqual(await idsOf(table), [1, 3])
    })

    test('names its table after the file, and a file named as a path names no path', async () => {
      const name = `list ${randomUUID().slice(0, 8)}`
      const { json } = await api.upload('id,name\n1,Anna\n', { name: `../../etc/${name}.csv`, query: '?wait=true' })
      assert.equal(json.table, name.replace(' ', '_'))
      assert.ok(!json.source.includes('..'))
    })

    test('that fails says why and keeps its object; a retry loads it without a new upload', async () => {
      const table = tableOf()
      await run(`CREATE TABLE ${table} (id bigint PRIMARY KEY)`)
      const first = await api.upload('id,name\n1,Anna\n', { query: '?wait=true', fields: { table } })
      assert.equal(first.status, 422)
      const { json } = await api.get(`/uploads?table=${table}`)
      const [failed] = json.uploads
      assert.equal(first.json.uploadId, failed.uploadId)
      assert.equal(failed.status, 'failed')
      assert.match(failed.error, /name/)
      assert.equal(server.stored().length, 1)
      await run(`ALTER TABLE ${table} ADD COLUMN name text`)
      const retry = await api.call('POST', `/upload/${failed.uploadId}/retry`)
      assert.equal(retry.status, 202)
      assert.equal((await api.over(failed.uploadId)).status, 'completed')
      assert.deepEqual(await rows(table, 'id, name'), [[1, 'Anna']])
      assert.deepEqual(server.stored(), [])
    })

    test('that is complete is neither retried nor cancelled: 409', async () => {
      const { json } = await api.upload(PEOPLE, { query: '?wait=true', fields: { table: tableOf(), schema: SCHEMA } })
      for (const call of ['retry', 'cancel']) {
        assert.equal((await api.call('POST', `/upload/${json.uploadId}/${call}`)).status, 409)
      }
    })
  })

  describe('a direct upload', () => {
    test('is answered 200 when every row is in, and nothing is stored', async () => {
      const table = tableOf()
      const uploadId = randomUUID()
      const { status, json } = await api.upload(PEOPLE, {
        query: `?mode=direct&uploadId=${uploadId}`,
        fields: { table, schema: SCHEMA },
      })
      assert.equal(status, 200)
      assert.deepEqual([json.uploadId, json.inserted, json.rejected], [uploadId, 2, 2])
      assert.deepEqual(await idsOf(table), [1, 3])
      assert.deepEqual((await api.get(`/upload/${uploadId}/status`)).json.receipt.inserted, 2)
    })

    for (const [type, body, headers] of [
      ['text/csv', 'id,name\n1,Anna\n2,Bob\n', {}],
      ['text/tab-separated-values', 'id\tname\n1\tAnna\n2\tBob\n', {}],
      ['text/csv', gzipSync('id,name\n1,Anna\n2,Bob\n'), { 'content-encoding': 'gzip' }],
      ['application/x-ndjson', '{"id":1,"name":"Anna"}\n{"id":2,"name":"Bob"}\n', {}],
      ['application/json', '[{"id":1,"name":"Anna"},{"id":2,"name":"Bob"}]', {}],
    ] as const) {
      test(`takes ${type} ${'content-encoding' in headers ? 'in gzip ' : ''}as the whole body`, async () => {
        const table = tableOf()
        const { status, json, text } = await api.call('POST', `/upload?mode=direct&table=${table}`, {
          body: body as string,
          headers: { 'content-type': type, ...headers },
        })
        assert.equal(status, 200, text)
        assert.equal(json.inserted, 2)
        assert.deepEqual(await rows(table, 'id, name'), [
          [1, 'Anna'],
          [2, 'Bob'],
        ])
      })
    }

    test('refuses fields behind the file, which come too late', async () => {
      const { status, json } = await api.upload(PEOPLE, {
        query: '?mode=direct',
        fields: { table: tableOf() },
        behind: { schema: SCHEMA },
      })
      assert.equal(status, 400)
      assert.match(json.detail, /"schema" stands behind the file/)
    })

    test('answers 422 where too much was rejected, and where the columns do not fit', async () => {
      const table = tableOf()
      const budget = await api.upload(PEOPLE, {
        query: '?mode=direct&maxErrors=1',
        fields: { table, schema: SCHEMA },
      })
      assert.deepEqual([budget.status, budget.json.code], [422, 'SLUICE_ERROR_BUDGET'])
      const columns = await api.upload('other\n1\n', { query: '?mode=direct', fields: { table, schema: SCHEMA } })
      assert.equal(columns.status, 422)
      const empty = await api.upload('', { query: '?mode=direct', fields: { table } })
      assert.deepEqual([empty.status, empty.json.code], [422, 'SLUICE_SOURCE_EMPTY'])
    })
  })

  describe('settings', () => {
    test('of the URL and of the form are the same ones, and none is ignored', async () => {
      const table = tableOf()
      const { status, json } = await api.upload('1;Anna;x\n2;Bob;y\n', {
        query: '?wait=true&delimiter=%3B&header=false&set=tenant%3Dacme',
        fields: {
          table,
          schema: JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }, { name: 'c' }] }),
          limit: '1',
        },
      })
      assert.equal(status, 200, JSON.stringify(json))
      assert.deepEqual(await rows(table, 'id, name, tenant'), [[1, 'Anna', 'acme']])
      for (const parts of [{ query: '?tabel=x' }, { fields: { tabel: 'x' } }, { behind: { tabel: 'x' } }]) {
        const answer = await api.upload(PEOPLE, parts)
        assert.equal(answer.status, 400)
        assert.match(answer.json.detail, /"tabel" is unknown/)
      }
      const twice = await api.upload(PEOPLE, { query: `?table=${table}`, fields: { table } })
      assert.equal(twice.status, 400)
    })

    for (const [what, parts, status] of [
      ['a callbackUrl that is none', { fields: { callbackUrl: 'javascript:alert(1)' } }, 400],
      ['a schema that is no JSON', { fields: { schema: '{' } }, 422],
      ['a schema that is none', { fields: { schema: '{"fields":[{"name":"a","type":"colour"}]}' } }, 422],
      ['a limit that is no number', { query: '?limit=many' }, 400],
      ['a profile that is a path', { query: '?profile=..%2Fsecret' }, 400],
      ['a profile that there is not', { query: '?profile=nothing' }, 400],
      ['a mode that there is not', { query: '?mode=sideways' }, 400],
      ['an uploadId that is no UUID', { query: '?uploadId=1' }, 400],
      ["a table of sluice's own", { query: '?table=ingestion_jobs' }, 400],
      ['the table of uploads', { query: '?table=sluice_uploads' }, 400],
      ['the same in a schema and in capitals', { query: '?table=public.Failed_Imports' }, 400],
      ['a file named after such a table', { name: 'ingestion_checkpoints.csv' }, 400],
      ["a table of the database's own", { query: '?table=pg_catalog.pg_class' }, 400],
      ['a table with a NUL in its name', { query: '?table=a%00b' }, 400],
    ] as const) {
      test(`refuses ${what}`, async () => {
        const before = server.stored()
        for (const mode of ['staged', 'direct']) {
          const query = `?mode=${mode}${'query' in parts ? parts.query.replace('?', '&') : ''}`
          const answer = await api.upload(PEOPLE, { ...parts, query: what.startsWith('a mode') ? parts.query! : query })
          assert.equal(answer.status, status, answer.text)
        }
        assert.deepEqual(server.stored(), before)
      })
    }
  })

  describe('rejects', () => {
    let uploadId: string
    let table: string
    before(async () => {
      table = tableOf()
      const { json } = await api.upload(PEOPLE, { query: '?wait=true', fields: { table, schema: SCHEMA } })
      uploadId = json.uploadId
    })

    test('come in pages', async () => {
      const first = await api.get(`/upload/${uploadId}/rejects?limit=1`)
      assert.deepEqual(
        first.json.rejects.map((one: Reject) => [one.record, one.line, one.errors[0]!.column, one.raw]),
        [[2, 3, 'amount', '2,=cmd|calc,much']],
      )
      const second = await api.get(`/upload/${uploadId}/rejects?limit=1&after=${first.json.next}`)
      assert.equal(second.json.rejects[0].record, 4)
      const end = await api.get(`/upload/${uploadId}/rejects?limit=1&after=${second.json.next}`)
      assert.deepEqual([end.json.rejects, end.json.next], [[], null])
    })

    test('download as CSV without formulas, as a file that no browser opens', async () => {
      const { text, headers } = await api.get(`/upload/${uploadId}/rejects.csv`)
      assert.match(headers.get('content-disposition')!, /^attachment; filename="rejects-[\w-]+\.csv"$/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
      const [first] = parse(text, { columns: true }) as Record<string, string>[]
      assert.equal(first!.name, "'=cmd|calc")
      assert.equal(first!.sluice_guarded, 'name')
    })

    test('download as NDJSON, and what is corrected is loaded by replay, once', async () => {
      const { text } = await api.get(`/upload/${uploadId}/rejects.ndjson`)
      const corrected = text.replace('"raw":"2,=cmd|calc,much"', '"raw":"2,Bob,2"').replace('"raw":"x4', '"raw":"4')
      const replay = () =>
        api.call('POST', `/upload/${uploadId}/replay`, {
          body: corrected,
          headers: { 'content-type': 'application/x-ndjson' },
        })
      const { status, json } = await replay()
      assert.equal(status, 200, JSON.stringify(json))
      assert.deepEqual([json.replay.loaded, json.inserted, json.rejected], [2, 4, 0])
      assert.deepEqual(await idsOf(table), [1, 2, 3, 4])
      assert.deepEqual((await replay()).json.replay, { records: 2, loaded: 0, refused: 0, skipped: 2 })
      assert.equal((await api.get(`/upload/${uploadId}/rejects.ndjson`)).text, '')
      const form = new FormData()
      form.append('file', new Blob(['a,b\n1,2\n']), 'r.csv')
      assert.equal((await api.call('POST', `/upload/${uploadId}/replay`, { body: form })).status, 422)
    })
  })

  describe('Idempotency-Key', () => {
    test('gives the first answer again and loads nothing twice; another request with it is refused', async () => {
      const [table, key] = [tableOf(), randomUUID()]
      const send = (file: string) =>
        api.upload(file, {
          query: `?wait=true&table=${table}`,
          fields: { schema: SCHEMA },
          headers: { 'idempotency-key': key },
        })
      const [first, second] = [await send(PEOPLE), await send(PEOPLE)]
      assert.deepEqual([first.status, second.status], [200, 200])
      assert.equal(second.json.uploadId, first.json.uploadId)
      assert.deepEqual(await idsOf(table), [1, 3])
      const other = await send(`${PEOPLE}5,Eve,5\n`)
      assert.deepEqual([other.status, other.json.code], [422, 'SLUICE_IDEMPOTENCY'])
    })

    test('works for direct uploads too', async () => {
      const [table, key] = [tableOf(), randomUUID()]
      const send = () =>
        api.upload(PEOPLE, {
          query: '?mode=direct',
          fields: { table, schema: SCHEMA },
          headers: { 'idempotency-key': key },
        })
      const [first, second] = [await send(), await send()]
      assert.deepEqual([first.status, second.status], [200, 200])
      assert.equal(second.json.uploadId, first.json.uploadId)
      assert.deepEqual(await idsOf(table), [1, 3])
    })
  })

  test('the list is in pages and can be searched', async () => {
    const table = tableOf()
    for (let i = 0; i < 3; i++) {
      await api.upload(`${PEOPLE}${i + 10},Eve,1\n`, { query: '?wait=true', fields: { table, schema: SCHEMA } })
    }
    const seen = new Set<string>()
    let after = ''
    for (let page = 0; page < 2; page++) {
      const { json } = await api.get(`/uploads?table=${table}&status=completed&limit=2${after}`)
      for (const { uploadId } of json.uploads) seen.add(uploadId)
      after = `&after=${json.next}`
      assert.equal(json.next === null, page === 1)
    }
    assert.equal(seen.size, 3)
    assert.deepEqual((await api.get(`/uploads?table=${table}&status=failed`)).json.uploads, [])
    assert.equal((await api.get('/uploads?after=nonsense')).status, 400)
  })

  test('the same receipt and rejects as sluice load', async () => {
    const file = join(EXAMPLES, 'customers.csv')
    const table = tableOf()
    const load = await sluice(['load', file, '--table', `${table}_cli`, '--to', server.database, '--json'], {
      cwd: server.folder,
    })
    const { json } = await api.upload(readFileSync(file), { query: `?wait=true&table=${table}` })
    const facts = ({ recordsRead, inserted, rejected, rejectsByCode, bytes }: Receipt) => [
      [recordsRead, inserted, rejected, bytes],
      rejectsByCode,
    ]
    assert.deepEqual(facts(json), facts(JSON.parse(load.stdout)))
  })

  test('health, readiness, figures', async () => {
    assert.equal((await api.get('/health')).json.status, 'ok')
    assert.equal((await api.get('/ready')).json.status, 'ready')
    const { text } = await api.get('/metrics')
    assert.match(
      text,
      /^sluice_http_request_duration_seconds_count\{method="GET",route="\/health",status="200"\} [1-9]/m,
    )
  })

  test('what is not there is 404, and what is not meant so 405', async () => {
    assert.equal((await api.get('/nothing')).status, 404)
    assert.equal((await api.get('/upload')).status, 405)
    const answer = await api.call('DELETE', '/uploads')
    assert.equal(answer.status, 405)
    assert.match(answer.headers.get('allow')!, /GET/)
    for (const id of ['x', randomUUID()]) {
      for (const path of ['status', 'rejects', 'rejects.csv', 'rejects.ndjson']) {
        assert.equal((await api.get(`/upload/${id}/${path}`)).status, 404)
      }
      for (const path of ['retry', 'cancel', 'replay']) {
        const init = path === 'replay' ? { body: 'x', headers: { 'content-type': 'text/csv' } } : {}
        assert.equal((await api.call('POST', `/upload/${id}/${path}`, init)).status, 404)
      }
    }
  })
}
