import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { page, quoted, section, tableRows } from './documents.ts'
import { type Served, serve } from './serve.ts'

const text = page('docs/reference/http.md')
const folder = temporaryFolder()
let server: Served
let operations: [name: string, operation: Operation][]

interface Operation {
  parameters?: { name: string; in: string }[]
  requestBody?: { content: Record<string, { schema: { properties?: Record<string, unknown> } }> }
  responses: Record<
    string,
    { content?: Record<string, { schema: { properties: Record<string, { enum?: string[] }> } }> }
  >
}

before(async () => {
  server = await serve(folder)
  const { paths } = (await new Api(server).document()) as { paths: Record<string, Record<string, Operation>> }
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
})
after(() => server.stop())

const firsts = (heading: string) => tableRows(section(text, heading)).map(([cell]) => quoted(cell!)[0] ?? cell!)
const operation = (name: string) => operations.find(([one]) => one === name)![1]

test('docs/reference/http.md has every call', () => {
  const described = firsts('## Calls').map((call) => call.replace(/\?.*$/, ''))
  assert.deepEqual([...new Set(described)].sort(), operations.map(([name]) => name).sort())
})

test('it has every setting, of the form and of the URL', () => {
  const { parameters = [], requestBody } = operation('POST /upload')
  const form = Object.keys(requestBody!.content['multipart/form-data']!.schema.properties!)
  assert.deepEqual(
    firsts('## Settings'),
    form.filter((name) => name !== 'file'),
  )
  const query = parameters.filter((one) => one.in === 'query').map(({ name }) => name)
  assert.deepEqual(
    query.filter((name) => !form.includes(name)),
    ['mode', 'wait', 'uploadId'],
  )
  for (const name of query) assert.ok(section(text, '## Settings').includes(`\`${name}\``), name)
})

test('it has every status of an upload', () => {
  const schema = operation('GET /upload/{uploadId}/status').responses['200']!.content!['application/json']!.schema
  assert.deepEqual(firsts('## Status'), schema.properties.status!.enum)
})

test('it has every status of an error', () => {
  const answered = operations.flatMap(([, { responses }]) => Object.keys(responses))
  // Those that are answered before it is known which call is meant.
  const known = new Set([...answered.filter((status) => Number(status) >= 400), '405', '431'])
  assert.deepEqual(firsts('## Errors'), [...known].sort())
})

test('it has the types of files that are taken', () => {
  const types = Object.keys(operation('POST /upload').requestBody!.content)
  const body = section(text, '## The body of an upload')
  for (const type of quoted(body).filter((word) => /^\w+\/[\w-]+$/.test(word))) assert.ok(types.includes(type), type)
})

test('it has the limits as they are', () => {
  const body = page('packages/sluice/src/http/body.ts')
  const [, fields, name, value] = /fields: (\d+),.*fieldNameSize: (\d+),[\s\S]*?fieldSize: ([\d_]+)/.exec(body)!
  assert.equal(value, '1_048_576')
  const [, rate] = /^const LEAST_RATE = (\d+)$/m.exec(page('packages/sluice/src/http/patience.ts'))!
  const [, head] = /^const HEAD_TIMEOUT_MS = (\d+)_000$/m.exec(page('packages/sluice/src/http/server.ts'))!
  const [, requests] = /^const RATE_LIMIT = ([\d_]+)$/m.exec(page('packages/sluice/src/service-config.ts'))!
  const limits = section(text, '## Limits')
  for (const told of [
    `${fields} fields`,
    `${name} bytes`,
    `${rate} bytes a second`,
    `within ${head} s`,
    `${requests!.replace('_', ',')} a minute`,
  ]) {
    assert.ok(limits.includes(told), told)
  }
})
