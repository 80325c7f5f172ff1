import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { check } from '../src/check.ts'
import { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import { replay } from '../src/replay.ts'
import { sqlitePlace } from './support/sqlite-place.ts'

const JOB = '7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55'

/** A load of 5,000 records in five batches, and a first run of it that is interrupted behind the first. */
function inBatches() {
  const { to, count, write } = sqlitePlace()
  const source = write('p.csv', `id\n${Array.from({ length: 5_000 }, (_, i) => i).join('\n')}\n`)
  const options = { source, to, table: 'people', batchRows: 1_000 }
  const interrupted = async (more: Partial<LoadOptions> = {}) => {
    const abort = new AbortController()
    const run = load({ ...options, ...more, signal: abort.signal, onProgress: () => abort.abort() })
    await assert.rejects(run, { code: 'SLUICE_INTERRUPTED' })
  }
  return { options, count, interrupted }
}

/** What somebody writes who has no compiler. */
const WRONG: [options: Record<string, unknown>, says: RegExp][] = [
  [{ batchRows: Number.NaN }, /batchRows is NaN; it must be a whole number from 1/],
  [{ batchRows: 0 }, /batchRows is 0/],
  [{ batchRows: 1.5 }, /batchRows is 1\.5/],
  [{ batchRows: '1000' }, /batchRows is "1000"/],
  [{ limit: Number.NaN }, /limit is NaN; it must be a whole number from 0/],
  [{ limit: -1 }, /limit is -1/],
  [{ parallel: 0 }, /parallel is 0/],
  [{ maxRecordBytes: 0 }, /maxRecordBytes is 0/],
  [{ maxDecodedBytes: -1 }, /maxDecodedBytes is -1/],
  [{ expectedRows: 0.5 }, /expectedRows is 0\.5/],
  [{ mode: 'truncate' }, /mode is "truncate"; it must be one of append, replace/],
  [{ onConflict: 'ignore' }, /onConflict is "ignore"; it must be one of reject, skip, update/],
  [{ dedupe: 'Content' }, /dedupe is "Content"/],
  [{ write: 'insert' }, /write is "insert"/],
  [{ unknownColumns: 'drop' }, /unknownColumns is "drop"/],
  [{ atomic: 'true' }, /atomic is "true"; it must be true or false/],
  [{ maxErrors: 5 }, /maxErrors is 5/],
  [{ maxErrors: {} }, /maxErrors is \{\}; it must be \{ rows \} or \{ percent \}/],
  [{ maxErrors: { row: 0 } }, /maxErrors is \{"row":0\}/],
  [{ maxErrors: { rows: -1 } }, /maxErrors\.rows is -1/],
  [{ maxErrors: { rows: Number.NaN } }, /maxErrors\.rows is NaN/],
  [{ maxErrors: { percent: 101 } }, /maxErrors\.percent is 101/],
  [{ key: 'id' }, /key is "id"; it must be a list of strings/],
  [{ key: [5] }, /key\[0\] is 5/],
  [{ skip: 'name' }, /skip is "name"/],
  [{ set: { x: 5 } }, /set\.x is 5; it must be a string or null/],
  [{ rename: { id: 5 } }, /rename\.id is 5/],
  [{ table: 5 }, /table is 5; it must be a string/],
  [{ to: 5 }, /to is 5; it must be the URL of a database or a pool of pg/],
  [{ to: null }, /to is null/],
  [{ dialect: { delimeter: ';' } }, /dialect has no key "delimeter"/],
  [{ dialect: { format: 'csv' } }, /dialect\.format is "csv"/],
  [{ dialect: { lineEnd: 'crlf' } }, /dialect\.lineEnd is "crlf"/],
  [{ map: 'x' }, /map is "x"; it must be a function/],
  [{ onProgress: true }, /onProgress is true/],
  [{ signal: new AbortController() }, /signal is \{\}; it must be an AbortSignal/],
  [{ jobId: 'not a uuid' }, /jobId is "not a uuid"; it must be a UUID/],
  [{ source: undefined }, /neither a path nor a stream/],
  [{ source: null }, /neither a path nor a stream/],
  [{ source: [5] }, /neither a path nor a stream/],
  [{ source: {} }, /neither a path nor a stream/],
]

test('options of a wrong type or out of range are refused before anything is made', async () => {
  const { folder, path, to } = sqlitePlace()
  const source = join(folder, 'p.csv')
  writeFileSync(source, 'id,name\n1,Anna\n')
  for (const [wrong, says] of WRONG) {
    const options = { source, to, table: 'people', ...wrong } as unknown as LoadOptions
    const refused = (error: unknown) =>
      error instanceof SluiceError && error.code === 'SLUICE_USAGE' && says.test(error.message)
    await assert.rejects(load(options), refused, JSON.stringify(wrong))
  }
  await assert.rejects(load(undefined as unknown as LoadOptions), { code: 'SLUICE_USAGE' })
  await assert.rejects(check({ source, limit: Number.NaN }), { code: 'SLUICE_USAGE' })
  assert.equal(existsSync(path), false)
})

test('what is undefined is not given', async () => {
  const { to } = sqlitePlace()
  const source = [Buffer.from('id\n1\n')].values()
  const receipt = await load({
    source: (async function* () {
      yield* source
    })(),
    to,
    table: 'people',
    batchRows: undefined,
    signal: undefined,
    dialect: { delimiter: undefined } as object,
  })
  assert.equal(receipt.inserted, 1)
})

test("a job's id is the same in capital letters", async () => {
  const { options, count, interrupted } = inBatches()
  await interrupted({ jobId: JOB.toUpperCase() })
  const { jobId, recordsRead, resumedAtRecord } = await load({ ...options, jobId: JOB })
  assert.deepEqual([jobId, recordsRead, count('people'), count('ingestion_jobs')], [JOB, 5_000, 5_000, 1])
  assert.ok(resumedAtRecord > 0)
})

test('a load goes on when a default is spelled out', async () => {
  const { options, count, interrupted } = inBatches()
  await interrupted()
  const spelledOut: Partial<LoadOptions> = {
    mode: 'append',
    onConflict: 'reject',
    dedupe: 'none',
    atomic: false,
    provenance: false,
    unknownColumns: 'reject',
    rejectTable: 'failed_imports',
    maxRecordBytes: 16 * 2 ** 20,
  }
  assert.ok((await load({ ...options, ...spelledOut })).resumedAtRecord > 0)
  assert.equal(count('people'), 5_000)
})

test('what onProgress throws is thrown by the load, whenever it is told, and the load goes on later', async () => {
  const { to, count } = sqlitePlace()
  const mine = new Error('mine')
  async function* slow() {
    yield Buffer.from('id\n')
    for (let i = 0; i < 60; i++) {
      yield Buffer.from(`${i}\n`)
      await delay(10)
    }
  }
  for (const told of [1, 2]) {
    let reports = 0
    const onProgress = () => {
      if (++reports === told) throw mine
    }
    await assert.rejects(load({ source: slow(), to, table: 'people', batchRows: 1, onProgress }), mine)
  }
  await load({ source: slow(), to, table: 'people', batchRows: 1 })
  assert.equal(count('people'), 60)
})

const CHUNKS: [what: string, chunk: unknown][] = [
  ['Undefined', undefined],
  ['Null', null],
  ['Object', {}],
  ['Number', 5],
  ['ArrayBuffer', new ArrayBuffer(4)],
  ['Uint16Array', new Uint16Array([50])],
]

for (const [what, chunk] of CHUNKS) {
  test(`a chunk that is no bytes ends the load, and no row behind it is lost in silence: ${what}`, async () => {
    const { to } = sqlitePlace()
    const text = Buffer.from(Array.from({ length: 60_000 }, (_, i) => `${i}\n`).join(''))
    for (const before of [Buffer.from('id\n1\n'), Buffer.concat([Buffer.from('id\n'), text])]) {
      async function* chunks() {
        yield before
        yield chunk as Uint8Array
        yield Buffer.from('7\n')
      }
      const own = { name: 'mine', size: null, fingerprint: 1, read: chunks }
      for (const source of [chunks(), own]) {
        const loading = load({ source, sourceName: `s${before.length}`, to, table: 'people', restart: true })
        await assert.rejects(loading, (error: Error & { code?: string }) => {
          assert.equal(error.code, 'SLUICE_SOURCE_READ')
          assert.match(error.message, new RegExp(`it gave ${what}, where a Uint8Array has to be`))
          return true
        })
      }
    }
  })
}

test('an error of a source of the caller says that reading failed', async () => {
  const { to } = sqlitePlace()
  for (const thrown of [new Error('socket hang up'), undefined, 'text']) {
    async function* read() {
      yield Buffer.from('id\n1\n')
      throw thrown
    }
    for (const source of [read(), { name: 'mine', size: null, fingerprint: 1, read }]) {
      const loading = load({ source, to, table: 'people', restart: true })
      await assert.rejects(loading, { code: 'SLUICE_SOURCE_READ' })
    }
  }
})

test('a replay makes no database file', async () => {
  const { folder, path, to } = sqlitePlace()
  const source = join(folder, 'r.csv')
  writeFileSync(source, 'sluice_record,id\n1,1\n')
  await assert.rejects(replay({ source, jobId: JOB, to }), { code: 'SLUICE_CONFIG' })
  assert.equal(existsSync(path), false)
  writeFileSync(join(folder, 'p.csv'), 'id\n1\n')
  await load({ source: join(folder, 'p.csv'), to, table: 'people' })
  await assert.rejects(replay({ source, jobId: 'x', to }), { code: 'SLUICE_JOB' })
})
