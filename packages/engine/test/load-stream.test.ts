import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { DatabaseSync } from 'node:sqlite'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { load } from '../src/load.ts'
import { createLoadStream } from '../src/load-stream.ts'
import { sqlitePlace } from './support/sqlite-place.ts'

const HEADER = 'id,name\n'

function* records(count: number, lines = 1000): Generator<Buffer> {
  yield Buffer.from(HEADER)
  for (let id = 1; id <= count; ) {
    let text = ''
    for (let line = 0; line < lines && id <= count; line++) text += `${id++},somebody with a name of some length\n`
    yield Buffer.from(text)
  }
}

const TIMEOUT = { timeout: 30_000 }

test('a stream that pauses within its header is waited for', TIMEOUT, async () => {
  const { to, count } = sqlitePlace()
  async function* slowly(): AsyncGenerator<Buffer> {
    yield Buffer.from('id,na')
    await delay(2_500)
    yield Buffer.from('me\n1,Ann\n')
  }
  await load({ source: slowly(), to, table: 'people' })
  assert.equal(count('people'), 1)
})

test('a pipe with a name is read as a stream', TIMEOUT, async () => {
  const { to, path, count } = sqlitePlace()
  const pipe = `${path}.pipe`
  execFileSync('mkfifo', [pipe])
  const writing = writeFile(pipe, 'id,name\n1,Ann\n2,Bob\n')
  const receipt = await load({ source: pipe, to, table: 'people' })
  await writing
  assert.deepEqual([receipt.source, count('people')], [pipe, 2])
})

test('a pipeline ends when every row is in', TIMEOUT, async () => {
  const { to, count } = sqlitePlace()
  const stream = createLoadStream({ to, table: 'people' })
  await pipeline(Readable.from(records(20_000)), stream)
  assert.equal(count('people'), 20_000)
  const receipt = await stream.receipt
  assert.deepEqual([receipt.status, receipt.recordsRead, receipt.inserted], ['completed', 20_000, 20_000])
})

test('a stream that falls silent while its head is looked at loses nothing', TIMEOUT, async () => {
  const { to, count } = sqlitePlace()
  async function* halting() {
    yield* records(1_000)
    // The head is waited for for a second.
    await delay(1_500)
    for (let id = 1_001; id <= 5_000; id += 100) {
      yield Buffer.from(Array.from({ length: 100 }, (_, i) => `${id + i},somebody\n`).join(''))
    }
  }
  const receipt = await load({ source: halting(), to, table: 'people' })
  assert.deepEqual([receipt.recordsRead, receipt.inserted, count('people')], [5_000, 5_000, 5_000])
})

test('what comes behind the limit is taken, so that the pipeline ends well', TIMEOUT, async () => {
  const { to, count } = sqlitePlace()
  const stream = createLoadStream({ to, table: 'people', limit: 10 })
  let given = 0
  const source = Readable.from(records(200_000)).on('data', (chunk: Buffer) => {
    given += chunk.length
  })
  await pipeline(source, stream)
  assert.equal(count('people'), 10)
  assert.equal((await stream.receipt).recordsRead, 10)
  assert.ok(given > 7_000_000)
})

test('an error before the first write fails the pipeline and the receipt', TIMEOUT, async () => {
  const { path } = sqlitePlace()
  const stream = createLoadStream({ to: `sqlite:${path}/no/such/folder.db`, table: 'people' })
  await assert.rejects(pipeline(Readable.from(records(10)), stream), { name: 'SluiceError' })
  await assert.rejects(stream.receipt, { name: 'SluiceError' })
})

test('an error of the load while the producer is silent fails the pipeline', TIMEOUT, async () => {
  const { to } = sqlitePlace()
  const source = new PassThrough()
  source.write(`${HEADER}1,a\nx,b\n`)
  const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }
  const stream = createLoadStream({ to, table: 'people', schema, maxErrors: { rows: 0 } })
  await assert.rejects(pipeline(source, stream), { code: 'SLUICE_ERROR_BUDGET' })
})

test('nothing written at all is an empty source', TIMEOUT, async () => {
  const stream = createLoadStream({ to: sqlitePlace().to, table: 'people' })
  await assert.rejects(pipeline(Readable.from([]), stream), { code: 'SLUICE_SOURCE_EMPTY' })
})

test('a stream that is destroyed before the first byte lets go', TIMEOUT, async () => {
  const stream = createLoadStream({ to: sqlitePlace().to, table: 'people' })
  await delay(100)
  const closed = new Promise((resolve) => stream.once('close', resolve))
  stream.destroy()
  await closed
  await assert.rejects(stream.receipt, { code: 'SLUICE_INTERRUPTED' })
})

test('a producer that fails leaves a job that the same bytes go on with', TIMEOUT, async () => {
  const { to, count } = sqlitePlace()
  async function* failing() {
    let chunks = 0
    for (const chunk of records(30_000)) {
      if (++chunks === 20) {
        await delay(1_500)
        throw new Error('the line went dead')
      }
      yield chunk
    }
  }
  const first = createLoadStream({ to, table: 'people' })
  await assert.rejects(pipeline(failing(), first), { message: 'the line went dead' })
  await assert.rejects(first.receipt, { code: 'SLUICE_INTERRUPTED' })
  // What was there for a second is in.
  assert.equal(count('people'), 18_000)
  const second = createLoadStream({ to, table: 'people' })
  await pipeline(Readable.from(records(30_000)), second)
  const receipt = await second.receipt
  assert.deepEqual([receipt.inserted, receipt.resumedAtRecord, count('people')], [30_000, 18_000, 30_000])
})

test('a signal ends the pipeline, before the first byte too', TIMEOUT, async () => {
  const { to } = sqlitePlace()
  const abort = new AbortController()
  const stream = createLoadStream({ to, table: 'people', signal: abort.signal })
  const ended = pipeline(new PassThrough(), stream)
  await delay(50)
  abort.abort()
  await assert.rejects(ended, { code: 'SLUICE_INTERRUPTED' })
})

test('while another connection holds the lock, the producer has to wait', { timeout: 60_000 }, async () => {
  const { to, path, count } = sqlitePlace()
  const holder = new DatabaseSync(path)
  holder.exec('CREATE TABLE people (id INTEGER, name TEXT)')
  let taken = 0
  let committed = 0
  const stream = createLoadStream({
    to,
    table: 'people',
    onProgress: ({ bytesCommitted }) => {
      committed = bytesCommitted
    },
  })
  let locked = false
  const tryToLock = () => {
    try {
      holder.exec('BEGIN IMMEDIATE')
      return true
    } catch (error) {
      // The load holds it right now.
      assert.match(String(error), /database is locked/)
      return false
    }
  }
  function* counted() {
    for (const chunk of records(600_000)) {
      if (taken > 2_000_000 && !locked) locked = tryToLock()
      taken += chunk.length
      yield chunk
    }
  }
  const ended = pipeline(Readable.from(counted()), stream)
  try {
    let before = -1
    while (!locked || taken > before) {
      before = taken
      await delay(1_000)
    }
    // Four batches of 1.25 MiB, each of which ends with the 256 KiB that pass it; what is scanned next, and what the streams between hold.
    const most = 4 * (1.25 * 1024 + 256) * 1024 + 1024 * 1024
    assert.ok(taken - committed <= most, `${taken} read, ${committed} committed`)
  } finally {
    if (holder.isTransaction) holder.exec('ROLLBACK')
    holder.close()
  }
  await ended
  assert.ok(taken > 20_000_000)
  assert.equal(count('people'), 600_000)
})
