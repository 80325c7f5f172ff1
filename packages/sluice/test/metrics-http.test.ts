import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { Registry } from 'prom-client'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { listenForMetrics } from '../src/telemetry/listener.ts'
import { Api } from './api.ts'
import { page, quoted, section, tableRows } from './documents.ts'
import { serve } from './serve.ts'

const server = await serve(temporaryFolder())
const api = new Api(server)
after(() => server.stop())

/** The value of a figure with these labels, 0 where it is not there. */
function value(text: string, name: string, labels = ''): number {
  const line = text.split('\n').find((one) => one.startsWith(`${name}${labels === '' ? ' ' : `{${labels}}`}`))
  return line === undefined ? 0 : Number(line.split(' ').at(-1))
}

const metrics = async () => (await api.get('/metrics')).text
const names = (text: string) =>
  [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name: name!, type: type! }))

test('what is loaded is counted: records by fate, rejects by code, bytes, batches, ends', async () => {
  const rows = Array.from({ length: 3_000 }, (_, i) => (i % 100 === 0 ? `x,${i}\n` : `${i},name ${i}\n`))
  const csv = `id,name\n${rows.join('')}`
  const schema = JSON.stringify({ fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] })
  const { json } = await api.upload(csv, {
    query: '?wait=true',
    fields: { table: 'people', schema, batchRows: '1000' },
  })
  assert.deepEqual([json.inserted, json.rejected], [2_970, 30])
  await api.upload(csv, { query: '?wait=true', fields: { table: 'people', schema, maxErrors: '1', force: 'true' } })
  const text = await metrics()
  assert.equal(value(text, 'sluice_records_total', 'fate="inserted"') >= 2_970, true)
  assert.equal(value(text, 'sluice_records_total', 'fate="duplicate"'), 0)
  const rejected = value(text, 'sluice_records_total', 'fate="rejected"')
  assert.equal(rejected >= 30, true)
  assert.equal(value(text, 'sluice_rejects_total', 'code="type-error"'), rejected)
  assert.equal(value(text, 'sluice_source_bytes_total') >= csv.length - 'id,name\n'.length, true)
  assert.equal(value(text, 'sluice_commit_duration_seconds_count', 'database="sqlite"') >= 3, true)
  const sum = (name: string) => value(text, `${name}_sum`, 'database="sqlite"')
  assert.ok(sum('sluice_batch_duration_seconds') > sum('sluice_commit_duration_seconds'))
  assert.equal(value(text, 'sluice_jobs_ended_total', 'result="completed"'), 1)
  assert.equal(value(text, 'sluice_jobs_ended_total', 'result="SLUICE_ERROR_BUDGET"'), 1)
  assert.equal(value(text, 'sluice_jobs_running'), 0)
  assert.equal(value(text, 'sluice_uploads', 'state="completed"'), 1)
  assert.equal(value(text, 'sluice_uploads', 'state="failed"'), 1)
  assert.equal(value(text, 'sluice_queue_depth'), 0)
  assert.ok(value(text, 'process_resident_memory_bytes') > 30_000_000)
})

test('docs/operations.md has every figure of sluice with its labels, and no others', async () => {
  const described = tableRows(section(page('docs/operations.md'), '### Figures'))
    .flatMap((row) => quoted(row[0]!))
    .map((one) => one.replace(/\{.*/, ''))
  const there = names(await metrics())
    .map(({ name }) => name)
    .filter((name) => name.startsWith('sluice_'))
  assert.deepEqual(described.sort(), there.sort())
})

test('every expression of the Grafana dashboard names figures that are there, and their labels', async () => {
  const text = await metrics()
  const known = new Set(
    names(text).flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  )
  const dashboard = JSON.parse(page('deploy/grafana/sluice.json')) as {
    panels: { title: string; targets: { expr: string; legendFormat: string }[] }[]
  }
  assert.ok(dashboard.panels.length > 10)
  const used = new Set<string>()
  for (const { title, targets } of dashboard.panels) {
    for (const { expr, legendFormat } of targets) {
      const figures = [...expr.matchAll(/\b((?:sluice|process|nodejs)_\w+)/g)].map(([, name]) => name!)
      assert.equal(figures.length, 1, `${title}: ${expr}`)
      const name = figures[0]!
      assert.ok(known.has(name), `${title}: there is no ${name}`)
      used.add(name)
      const labels = new Set(
        [...text.matchAll(new RegExp(`^${name}\\{(.*)\\}`, 'gm'))].flatMap(([, all]) =>
          [...all!.matchAll(/(\w+)=/g)].map(([, label]) => label!),
        ),
      )
      const wanted = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)]
        .map(([, label]) => label!)
        .filter((label) => label !== 'instance')
      for (const label of wanted) assert.ok(labels.has(label), `${title}: ${name} has no ${label}`)
      assert.equal(expr.split('(').length, expr.split(')').length, expr)
    }
  }
  const own = names(text).filter(({ name }) => name.startsWith('sluice_') && name !== 'sluice_http_requests_in_flight')
  for (const { name } of own) {
    assert.ok(
      [...used].some((one) => one === name || one === `${name}_bucket`),
      `no panel shows ${name}`,
    )
  }
})

test('a worker shows its figures on a port of its own, and nothing else', async () => {
  const blocked = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => blocked.once('listening', resolve))
  const { port } = blocked.address() as AddressInfo
  const registry = new Registry()
  await assert.rejects(listenForMetrics(registry, '127.0.0.1', port), {
    code: 'SLUICE_CONFIG',
    message: new RegExp(`port ${port} of SLUICE_METRICS_PORT`),
  })
  await new Promise((resolve) => blocked.close(resolve))
  await using _listener = await listenForMetrics(registry, '127.0.0.1', port)
  const answers = await Promise.all(
    ['/metrics?a=b', '/health', '/', '/metrics/x'].map((path) => fetch(`http://127.0.0.1:${port}${path}`)),
  )
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 404, 404],
  )
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`, { method: 'POST' })).status, 404)
})
