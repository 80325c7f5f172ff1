import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createTables, type Database, leaseOwner, openDatabase } from '@sluice/engine'
import { pino } from 'pino'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { Lanes } from '../src/jobs/lanes.ts'
import { runJob, type Workplace } from '../src/jobs/run-job.ts'
import { objectKey } from '../src/jobs/sweep.ts'
import { createServiceTables } from '../src/jobs/tables.ts'
import { Uploads } from '../src/jobs/uploads.ts'
import { openLocalStorage } from '../src/storage/local.ts'

const folder = temporaryFolder()
const databaseUrl = `sqlite:${join(folder, 'attempts.db')}`
let database: Database
let work: Workplace

before(async () => {
  database = await openDatabase(databaseUrl)
  await createTables(database)
  await createServiceTables(database)
  const storage = await openLocalStorage(join(folder, 'data'))
  const uploads = new Uploads(database, 3_600, storage.id)
  work = { uploads, storage, databaseUrl, log: pino({ level: 'silent' }) } as Workplace
})
after(async () => {
  await database.close()
})

async function staged(text: string, table?: string): Promise<string> {
  const uploadId = randomUUID()
  const request = { fileName: 'people.csv', options: { table: table ?? `t${uploadId.slice(0, 8)}` } }
  const what = { fileName: '', objectKey: objectKey(uploadId), request: null, receiver: leaseOwner() }
  await work.uploads.create(uploadId, 'staged', { owner: null }, what)
  async function* body() {
    yield Buffer.from(text)
  }
  const stored = await work.storage.put(objectKey(uploadId), body())
  await work.uploads.received(uploadId, request, stored, request.options.table)
  return uploadId
}

const run = (uploadId: string) => runJob(work, uploadId, new AbortController().signal)

test('what ends its server each time is given up, and its file kept for a retry', async () => {
  const uploadId = await staged('id\n1\n2\n')
  for (let died = 0; died < 5; died++) await work.uploads.begun(uploadId, 0)
  await run(uploadId)
  const failed = (await work.uploads.read(uploadId))!
  assert.equal(failed.state, 'failed')
  assert.equal(failed.errorCode, 'SLUICE_INTERNAL')
  assert.match(failed.job!.error!, /ended 5 times while it loaded this upload, each time behind record 0/)
  assert.ok(await work.storage.stat(objectKey(uploadId)))

  assert.equal(await work.uploads.jobs.reopen(uploadId), true)
  await work.uploads.ended(uploadId, null)
  await run(uploadId)
  const completed = (await work.uploads.read(uploadId))!
  assert.equal(completed.state, 'completed')
  assert.equal(completed.job!.inserted, 2)
  assert.equal(completed.errorCode, null)
  assert.equal(await work.storage.stat(objectKey(uploadId)), undefined)
})

test('an attempt that got on, or came to an end, begins a new count', async () => {
  const uploadId = await staged('id\n1\n')
  assert.deepEqual([await work.uploads.begun(uploadId, 0), await work.uploads.begun(uploadId, 0)], [1, 2])
  assert.equal(await work.uploads.begun(uploadId, 7), 1)
  await work.uploads.begun(uploadId, 7)
  await work.uploads.ended(uploadId, null)
  assert.equal(await work.uploads.begun(uploadId, 7), 1)
})

test('the code of what a load failed with is kept', async () => {
  const uploadId = await staged('id\n1\n')
  await work.storage.delete(objectKey(uploadId))
  await run(uploadId)
  assert.equal((await work.uploads.read(uploadId))!.errorCode, 'SLUICE_SOURCE_NOT_FOUND')
})

test('the same content waits for the one that came first, and nothing happens to it until that is over', async () => {
  const text = 'id\n1\n2\n'
  const [first, second] = [await staged(text, 'twins'), await staged(text, 'twins')]
  const stateOf = async (uploadId: string) => (await work.uploads.read(uploadId))!.state
  // Who is asked for the later one first, leaves it: it says so, that nobody asks again at once.
  assert.deepEqual([await run(second), await stateOf(second)], [false, 'uploaded'])
  assert.deepEqual([await run(first), await stateOf(first)], [true, 'completed'])
  assert.deepEqual([await run(second), await stateOf(second)], [true, 'completed'])
  assert.equal((await work.uploads.read(second))!.sameAs, first)
  const [{ rows } = assert.fail()] = await database.query<{ rows: number }>('SELECT count(*) AS rows FROM twins')
  assert.equal(Number(rows), 2)
})

test('lanes are given in turn, and not to who has gone away', async () => {
  const lanes = new Lanes(1)
  const stays = new AbortController().signal
  const first = await lanes.enter(stays)
  const entered: string[] = []
  const gone = new AbortController()
  const second = lanes.enter(gone.signal)
  const third = lanes.enter(stays).then((lane) => {
    entered.push('third')
    return lane
  })
  gone.abort(new RangeError('gone'))
  await assert.rejects(second, RangeError)
  await Promise.resolve()
  assert.deepEqual(entered, [])
  first[Symbol.dispose]()
  const lane = await third
  lane[Symbol.dispose]()
  const last = await lanes.enter(stays)
  last[Symbol.dispose]()
  await assert.rejects(lanes.enter(gone.signal), RangeError)
})
