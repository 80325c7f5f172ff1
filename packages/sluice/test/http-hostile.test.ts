import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Api } from './api.ts'
import { type Served, serve } from './serve.ts'
import { LONG } from './torture.ts'

const folder = temporaryFolder()
let server: Served
before(async () => {
  server = await serve(folder, { SLUICE_BODY_TIMEOUT: '1s', SLUICE_MAX_UPLOAD_BYTES: '1MB' })
})
after(() => server.stop())

const HOST = 'Host: localhost\r\n'
const form = (boundary: string, more = '') =>
  `POST /upload?mode=MODE HTTP/1.1\r\n${HOST}Content-Type: multipart/form-data; boundary=${boundary}\r\n${more}`
const part = (boundary: string, name: string, value: string, file = '') =>
  `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${value}\r\n`
const sized = (head: string, body: string, length = Buffer.byteLength(body, 'latin1')) =>
  `${head}Content-Length: ${length}\r\n\r\n${body}`
const chunked = (head: string, body: string) =>
  `${head}Transfer-Encoding: chunked\r\n\r\n${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n`
const FILE = '; filename="people.csv"'
const MB = 2 ** 20
/** Of garbage in one body: the long form sends more than any buffer holds. */
const MUCH = (LONG ? 2_048 : 64) * MB
const GARBAGE = 'x'.repeat(64 * 1024)
const LINES = 'x\n'.repeat(32 * 1024)

/** What is sent, and the statuses that may answer it; `close`: what the client does behind it. */
const ATTACKS: [what: string, send: string | string[], statuses: number[], close?: 'end'][] = [
  ['garbage', '\u0000\u0001\u0002 no http at all\r\n\r\n', [400]],
  ['a TLS handshake', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003', [400]],
  ['a head of 20 KB', `GET / HTTP/1.1\r\n${HOST}X: ${'x'.repeat(20_000)}\r\n\r\n`, [431]],
  ['a thousand headers', `GET / HTTP/1.1\r\n${HOST}${'X: abcdefghijklmnop\r\n'.repeat(1_000)}\r\n`, [431]],
  ['a URL of 20 KB', `GET /${'x'.repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`, [431]],
  ['no Host', 'GET /uploads HTTP/1.1\r\n\r\n', [400]],
  ['two Hosts', `GET /uploads HTTP/1.1\r\n${HOST}Host: evil.example\r\n\r\n`, [400]],
  [
    'a body that nobody needs and that stops',
    `POST /upload/7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55/cancel HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n{`,
    [408],
  ],
  [
    'a body that nobody needs and that is long',
    sized(`POST /upload/7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55/cancel HTTP/1.1\r\n${HOST}`, GARBAGE),
    [413],
  ],
  [
    'a length and chunks at once',
    `${form('b')}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    [400],
  ],
  ['two lengths', `${form('b')}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef`, [400]],
  ['a length that is none', `${form('b')}Content-Length: -1\r\n\r\n`, [400]],
  [
    'a form without a boundary',
    sized(`POST /upload?mode=MODE HTTP/1.1\r\n${HOST}Content-Type: multipart/form-data\r\n`, 'x'),
    [400],
  ],
  [
    'a form with another boundary',
    sized(form('right'), `${part('wrong', 'file', 'id\r\n1', FILE)}--wrong--\r\n`),
    [400],
  ],
  ['a form of nothing', sized(form('b'), ''), [400]],
  ['a form that only ends', sized(form('b'), '--b--\r\n'), [400]],
  ['a form of garbage', sized(form('b'), GARBAGE), [400]],
  ['a form without a file', sized(form('b'), `${part('b', 'table', 't')}--b--\r\n`), [400]],
  ['a file that is a field', sized(form('b'), `${part('b', 'file', 'id\r\n1')}--b--\r\n`), [400]],
  ['a file of another name', sized(form('b'), `${part('b', 'data', 'id\r\n1', FILE)}--b--\r\n`), [400]],
  ['a form without its end', sized(form('b'), part('b', 'file', 'id\r\n1', FILE)), [400]],
  ['a form that ends within a head', sized(form('b'), '--b\r\nContent-Disposition: form-d'), [400]],
  ['two files', sized(form('b'), `${part('b', 'file', 'id\r\n1', FILE).repeat(2)}--b--\r\n`), [400, 413]],
  [
    '10,000 fields',
    sized(form('b'), `${Array.from({ length: 10_000 }, (_, i) => part('b', `f${i}`, 'x')).join('')}--b--\r\n`),
    [400, 413],
  ],
  ['a field of 2 MB', sized(form('b'), `${part('b', 'schema', 'x'.repeat(2_000_000))}--b--\r\n`), [400, 413]],
  ['a field name of 10 KB', sized(form('b'), `${part('b', 'x'.repeat(10_000), 'x')}--b--\r\n`), [400, 413]],
  [
    'a field called __proto__',
    sized(form('b'), `${part('b', '__proto__', 'x')}${part('b', 'file', 'id\r\n1', FILE)}--b--\r\n`),
    [400],
  ],
  ['a part with 10,000 headers', sized(form('b'), `--b\r\n${'X: y\r\n'.repeat(10_000)}\r\nx\r\n--b--\r\n`), [400, 413]],
  ['a file that says it is too long', `${form('b')}Content-Length: 99999999999\r\n\r\n`, [413]],
  [
    'a file that is too long',
    sized(form('b'), `${part('b', 'file', `id\r\n${'1\r\n'.repeat(500_000)}`, FILE)}--b--\r\n`),
    [413],
  ],
  [
    'a chunked body that is too long',
    [
      `POST /upload?mode=MODE&table=big HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\nTransfer-Encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 40 }, () => `10000\r\n${LINES}\r\n`),
    ],
    [413],
  ],
  ['chunks that are none', `${form('b')}Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n`, [400]],
  ['a body that stops', `${form('b')}Content-Length: 5000\r\n\r\n${part('b', 'file', 'id\r\n1', FILE)}`, [408]],
  [
    'a raw body that stops',
    `POST /upload?mode=MODE&table=stops HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\nContent-Length: 5000\r\n\r\nid\n1\n`,
    [408],
  ],
  ['a form that stops before its file', `${form('b')}Content-Length: 5000\r\n\r\n--b\r\n`, [408]],
  ['chunks that stop', chunked(form('b'), part('b', 'table', 't')), [408]],
  [
    'a body in an unknown coding',
    sized(`POST /upload?mode=MODE&table=t HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\nContent-Encoding: br\r\n`, 'x'),
    [415],
  ],
  [
    'a body of an unknown type',
    sized(`POST /upload?mode=MODE&table=t HTTP/1.1\r\n${HOST}Content-Type: text/html\r\n`, 'x'),
    [415],
  ],
  [
    'a table in a schema, which SQLite has not',
    sized(
      `POST /upload?mode=MODE&wait=true&table=shop.people HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\n`,
      'id\n1\n',
    ),
    [400],
  ],
  [
    'a body that only says to be gzip',
    sized(
      `POST /upload?mode=MODE&wait=true&table=gz HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\nContent-Encoding: gzip\r\n`,
      '\u001f\u008bnothing',
    ),
    [422],
  ],
]

for (const mode of ['staged', 'direct']) {
  for (const [what, send, statuses] of ATTACKS) {
    test(`${mode}: ${what}: ${statuses.join(' or ')}`, async () => {
      const answer = await speak([send].flat().map((text) => text.replace('mode=MODE', `mode=${mode}`)))
      const [, status] = /^HTTP\/1\.1 (\d{3})/.exec(answer) ?? []
      assert.ok(statuses.includes(Number(status)), answer.slice(0, 300))
      assert.match(answer, /content-type: application\/problem\+json/i)
      const problem = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
      assert.equal(problem.status, Number(status))
    })
  }
}

test('a gzip bomb is stopped: 422, and memory stays', async () => {
  const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))![1]) * 1024
  const bomb = gzipSync(Buffer.concat([Buffer.from('id\n'), Buffer.alloc(100 * 2 ** 20, '1\n')]))
  const before = peak()
  const { status, json } = await new Api(server).call(
    'POST',
    '/upload?mode=direct&table=bomb&maxDecodedBytes=1000000',
    {
      body: bomb as Uint8Array<ArrayBuffer>,
      headers: { 'content-type': 'text/csv', 'content-encoding': 'gzip' },
    },
  )
  assert.deepEqual([status, json.code], [422, 'SLUICE_DECODED_SIZE'])
  assert.ok(peak() - before < 64 * 2 ** 20)
})

test(`${MUCH / MB} MB of garbage are refused, and memory stays`, { timeout: 600_000 }, async (t) => {
  const garbage = Buffer.from(GARBAGE)
  const other = await serve(temporaryFolder(), { SLUICE_MAX_UPLOAD_BYTES: '4GB' })
  const peak = () => Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${other.pid}/status`, 'utf8'))![1]) * 1024
  try {
    const api = new Api(other)
    for (const [mode, status] of [
      ['direct', 422],
      ['wait', 422],
    ] as const) {
      let left = MUCH
      const body = new ReadableStream({
        pull(controller) {
          if (left <= 0) return controller.close()
          left -= garbage.length
          controller.enqueue(new Uint8Array(garbage))
        },
      })
      const query = mode === 'direct' ? 'mode=direct' : 'wait=true'
      const answer = await api
        .call('POST', `/upload?${query}&table=garbage_${mode}`, {
          body,
          headers: { 'content-type': 'text/csv' },
          duplex: 'half',
        } as RequestInit)
        // Refused before it was sent whole, which some clients do not wait to read.
        .catch(() => undefined)
      if (mode === 'wait') assert.ok(answer)
      if (answer) assert.equal(answer.status, status, answer.text)
    }
    const megabytes = Math.round(peak() / MB)
    t.diagnostic(`peak RSS ${megabytes} MB`)
    assert.ok(megabytes < 256, `${megabytes} MB`)
    assert.equal((await api.get('/health')).status, 200)
    assert.equal((await api.upload('id,name\n1,Anna\n', { query: '?wait=true&table=sound' })).json.inserted, 1)
  } finally {
    await other.stop()
  }
})

test('who asks for another protocol, as some clients do each time, is answered in this one', async () => {
  for (const [upgrade, body] of [
    ['h2c', 'id\n1\n'],
    ['websocket', 'id\n2\n'],
  ] as const) {
    const head = `POST /upload?wait=true&table=upgrade_${upgrade} HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: ${upgrade}\r\n`
    const answer = await speak([sized(`${head}Content-Type: text/csv\r\n`, body)])
    assert.match(answer, /^HTTP\/1\.1 200 .*"inserted":1/s, upgrade)
  }
})

test('a body that trickles is given up: 408', async () => {
  const head = `POST /upload?mode=direct&table=slow HTTP/1.1\r\n${HOST}Content-Type: text/csv\r\nContent-Length: 5000\r\n\r\nid\n`
  const answer = await speak([head, ...Array.from({ length: 30 }, () => '1\n')], 100)
  assert.match(answer, /^HTTP\/1\.1 408/)
})

test('a head that trickles takes no other client its place', { timeout: 60_000 }, async () => {
  const sockets = Array.from({ length: 200 }, () => connect(server.port, '127.0.0.1').on('error', () => undefined))
  for (const socket of sockets) socket.write('GET /uploads HTTP/1.1\r\nHost: loc')
  const before = performance.now()
  assert.equal((await new Api(server).get('/health')).status, 200)
  assert.ok(performance.now() - before < 2_000)
  for (const socket of sockets) socket.destroy()
})

test('and after all of it the server lives, has kept nothing, and loads', async () => {
  const api = new Api(server)
  const { status, json } = await api.upload('id,name\n1,Anna\n', { query: '?wait=true&table=sound' })
  assert.equal(status, 200)
  assert.equal(json.inserted, 1)
  const { json: list } = await api.get('/uploads?limit=500')
  const kept = list.uploads.filter((one: { status: string }) => one.status === 'failed')
  // What was received whole is kept for a retry, nothing else.
  for (const file of server.stored())
    assert.ok(
      kept.some((one: { uploadId: string }) => file.includes(one.uploadId)),
      file,
    )
  assert.doesNotMatch(server.log(), /unhandled|uncaught/i)
})

/** Sends bytes as they are, and takes what comes back until the server ends it. */
async function speak(pieces: string[], pauseMs = 0): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  let answer = ''
  const ended = Promise.withResolvers<void>()
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    answer += text
    const head = answer.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(answer)?.[1] ?? Number.NaN)
    if (head !== -1 && answer.length >= head + 4 + length) ended.resolve()
  })
  socket.on('close', () => ended.resolve()).on('error', () => ended.resolve())
  for (const piece of pieces) {
    if (socket.destroyed) break
    socket.write(Buffer.from(piece, 'latin1'))
    if (pauseMs > 0) await delay(pauseMs)
  }
  const patience = setTimeout(() => ended.resolve(), 10_000)
  await ended.promise
  clearTimeout(patience)
  socket.destroy()
  return answer
}
