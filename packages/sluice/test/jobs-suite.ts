import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { leaseOwner, openDatabase, type StoredReject } from '@sluice/engine'
import { Upload as Pieces } from '@tus/server'
import { pino } from 'pino'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'
import { startService } from '../src/compose.ts'
import type { JobService } from '../src/jobs/service.ts'
import { objectKey } from '../src/jobs/sweep.ts'
import type { Upload, UploadRequest, UploadStart } from '../src/jobs/upload.ts'
import type { ServiceConfig } from '../src/service-config.ts'

type Place = Pick<ServiceConfig, 'databaseUrl' | 'storage'>
const NOBODY: UploadStart = { owner: null }
const log = pino({ level: 'silent' })
const tableOf = () => `t${randomUUID().slice(0, 8)}`

function csv(rows: number, first = 1): string {
  return `id,name\n${Array.from({ length: rows }, (_, i) => `${first + i},name ${first + i}\n`).join('')}`
}

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += 65_537) yield bytes.subarray(at, at + 65_537)
}

/** What uploads and their jobs do, whatever the database and the storage. */
export function jobsSuite(place: () => Promise<Place>): void {
  let config: ServiceConfig
  let jobs: JobService
  let service: Awaited<ReturnType<typeof startService>>

  before(async () => {
    const common = {
      redisUrl: null,
      webhookSecrets: [],
      webhookAllow: [],
      statusTtlSeconds: 604_800,
      concurrency: 3,
      maxUploadBytes: 2 ** 30,
    }
    config = { ...(await place()), ...common } as Partial<ServiceConfig> as ServiceConfig
    service = await startService(config, log)
    jobs = service.jobs
  })
  after(() => service[Symbol.asyncDispose]())

  async function stage(text: string, request: Partial<UploadRequest> = {}, start = NOBODY): Promise<Upload> {
    const asked = { fileName: 'people.csv', options: { table: tableOf() }, ...request }
    return (await jobs.bodies.stage(start, bytesOf(text), async () => asked)).upload
  }

  async function count(table: string): Promise<number> {
    const [row] = await query(`SELECT count(*) AS n FROM ${table}`)
    return Number(row!['n'])
  }

  async function query(text: string): Promise<Record<string, unknown>[]> {
    const database = await openDatabase(config.databaseUrl)
    try {
      return await database.query(text)
    } finally {
      await database.close()
    }
  }

  test('what came in pieces and is found whole by two servers at once is loaded once', async () => {
    const other = await startService(config, log)
    try {
      const table = tableOf()
      const adopt = async (first: number) => {
        const [uploadId, bytes] = [randomUUID(), Buffer.from(csv(10, first))]
        const id = objectKey(uploadId)
        const request = { fileName: 'people.csv', options: { table } }
        await jobs.resumable.begin({ uploadId, ...NOBODY }, request)
        await jobs.resumable.store.create(new Pieces({ id, size: bytes.length, offset: 0 }))
        await jobs.resumable.store.write(Readable.from([bytes]), id, 0)
        await Promise.all([jobs, other.jobs].map(({ resumable }) => resumable.adopt(uploadId)))
        assert.equal((await jobs.settled(uploadId)).state, 'completed')
      }
      // Several at once, so that the two overtake each other.
      await Promise.all([1, 11, 21, 31, 41, 51].map(adopt))
      assert.equal(await count(table), 60)
    } finally {
      await other[Symbol.asyncDispose]()
    }
  })

  test('the row of the job tells every state with its counters', async () => {
    const table = tableOf()
    const upload = await stage(`${csv(10)}11\n`, { options: { table } })
    assert.match(upload.state, /uploaded|processing/)
    const [known] = await query(`SELECT status, target_table FROM ingestion_jobs WHERE job_id = '${upload.uploadId}'`)
    assert.equal(known!['target_table'], table)
    const over = await jobs.settled(upload.uploadId)
    const { status, recordsRead, inserted, rejected, bytesTotal, bytesCommitted, sha256 } = over.job!
    assert.deepEqual([over.state, status, recordsRead, inserted, rejected], ['completed', 'COMPLETED', 11, 10, 1])
    assert.deepEqual([bytesTotal, bytesCommitted, sha256], [over.bytes, over.bytes, over.sha256])
    const receipt = await jobs.receipt(over)
    assert.deepEqual([receipt.recordsRead, receipt.rejectsByCode], [11, { 'missing-cell': 1 }])
    assert.equal(await count(table), 10)
    assert.equal((await jobs.read(upload.uploadId, null))!.objectKey, null)
  })

  test('the same content is loaded into a table once, also when it comes twice at the same time', async () => {
    const [table, other] = [tableOf(), tableOf()]
    const text = csv(20_000)
    const request = { options: { table } }
    const twins = await Promise.all([1, 2, 3].map(() => stage(text, request)))
    const ended = await Promise.all(twins.map(({ uploadId }) => jobs.settled(uploadId)))
    assert.deepEqual(
      ended.map(({ state }) => state),
      ['completed', 'completed', 'completed'],
    )
    const [loaded, ...rest] = ended.filter(({ sameAs }) => sameAs === null)
    assert.deepEqual(rest, [])
    for (const { sameAs, uploadId, job } of ended.filter((one) => one !== loaded)) {
      assert.equal(sameAs, loaded!.uploadId, uploadId)
      assert.equal(job!.recordsRead, 0)
    }
    assert.equal(await count(table), 20_000)
    const forced = await jobs.settled((await stage(text, { ...request, force: true })).uploadId)
    assert.equal(forced.job!.inserted, 20_000)
    const elsewhere = await jobs.settled((await stage(text, { options: { table: other } })).uploadId)
    assert.deepEqual([elsewhere.sameAs, elsewhere.job!.inserted], [null, 20_000])
    assert.equal(await count(table), 40_000)
  })

  /** Of 30,000 records in batches of 5,000, the last of which is more than may be refused. */
  async function failedUpload() {
    const table = tableOf()
    const text = csv(30_000).replace('29999,', 'x,')
    const schema = { fields: [{ name: 'id', type: 'integer' }, { name: 'name' }] } as UploadRequest['options']['schema']
    const request = { options: { table, schema, maxErrors: { rows: 0 }, batchRows: 5_000 } }
    return { table, failed: await jobs.settled((await stage(text, request)).uploadId) }
  }

  test('an upload that failed is tried again from its object, and one that was begun from its checkpoint', async () => {
    const { table, failed } = await failedUpload()
    assert.deepEqual([failed.state, failed.job!.rejected], ['failed', 1])
    assert.match(failed.job!.error!, /1 of 30000 records were rejected/)
    assert.notEqual(failed.objectKey, null)
    assert.equal(await count(table), 29_999)
    await jobs.retry(failed.uploadId, null)
    const again = await jobs.settled(failed.uploadId)
    // Nothing is read twice: what was counted stays counted, and the budget is still exceeded.
    assert.deepEqual([again.state, again.job!.recordsRead, await count(table)], ['failed', 30_000, 29_999])
  })

  test('a begun upload whose table is gone fails, and is not tried for ever', async () => {
    const { table, failed } = await failedUpload()
    await query(`DROP TABLE ${table}`)
    await jobs.retry(failed.uploadId, null)
    const again = await jobs.settled(failed.uploadId)
    assert.equal(again.state, 'failed')
    assert.match(again.job!.error!, /is gone/)
  })

  test('what fails before anything was read is loaded by a retry once its reason is gone', async () => {
    const table = tableOf()
    await query(`CREATE TABLE ${table} (id int, name text, missing text NOT NULL)`)
    const failed = await jobs.settled((await stage(csv(5), { options: { table } })).uploadId)
    assert.equal(failed.state, 'failed')
    assert.match(failed.job!.error!, /missing/)
    await query(`DROP TABLE ${table}`)
    assert.equal((await jobs.retry(failed.uploadId, null)).job!.error, null)
    const over = await jobs.settled(failed.uploadId)
    assert.deepEqual([over.state, await count(table)], ['completed', 5])
    await assert.rejects(jobs.retry(failed.uploadId, null), { code: 'SLUICE_JOB' })
    await assert.rejects(jobs.cancel(failed.uploadId, null), { code: 'SLUICE_JOB' })
  })

  test('a cancelled upload stops behind a batch, and a retry goes on there', async () => {
    const table = tableOf()
    const { uploadId } = await stage(csv(800_000), { options: { table, batchRows: 5_000 } })
    for (;;) {
      const { job, state } = (await jobs.read(uploadId, null))!
      assert.notEqual(state, 'completed')
      if (job!.recordsRead > 0) break
      await delay(5)
    }
    assert.equal((await jobs.cancel(uploadId, null)).state, 'cancelled')
    for (;;) {
      const upload = await jobs.retry(uploadId, null).catch(() => undefined)
      if (upload) break
      await delay(20)
    }
    const [row] = await query(`SELECT records_read AS n FROM ingestion_jobs WHERE job_id = '${uploadId}'`)
    assert.ok(Number(row!['n']) > 0)
    const over = await jobs.settled(uploadId)
    assert.deepEqual([over.state, over.job!.recordsRead, await count(table)], ['completed', 800_000, 800_000])
  })

  test('what the client takes back leaves nothing behind', async () => {
    const abort = new AbortController()
    const uploadId = randomUUID()
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield Buffer.alloc(100_000, 'x')
        await delay(5)
      }
    }
    setTimeout(() => abort.abort(new RangeError('gone')), 100)
    const staged = jobs.bodies.stage(
      { ...NOBODY, uploadId },
      endless(),
      () => assert.fail('is not asked for'),
      abort.signal,
    )
    await assert.rejects(staged, RangeError)
    assert.equal(await jobs.read(uploadId, null), undefined)
    const refused = jobs.bodies.stage({ ...NOBODY, uploadId }, bytesOf(csv(1)), async () => {
      throw new RangeError('no such profile')
    })
    await assert.rejects(refused, RangeError)
    assert.equal(await jobs.read(uploadId, null), undefined)
    // The id is free again.
    assert.equal((await stage(csv(1), {}, { ...NOBODY, uploadId })).uploadId, uploadId)
    await jobs.settled(uploadId)
    await assert.rejects(stage(csv(1), {}, { ...NOBODY, uploadId }), { code: 'SLUICE_JOB' })
  })

  test('what could not be cleared away when its body broke off goes with a later look, and a body on its way stays', {
    timeout: 60_000,
  }, async () => {
    const broken = randomUUID()
    const gone = Promise.withResolvers<void>()
    async function* slowly(): AsyncGenerator<Uint8Array> {
      yield* bytesOf(csv(10))
      await gone.promise
      yield* bytesOf('11,last\n')
    }
    const asked = { fileName: 'people.csv', options: { table: tableOf() } }
    const staging = jobs.bodies.stage(NOBODY, slowly(), async () => asked)
    // As it is left where the database was away for longer than anybody waits.
    await query(`INSERT INTO sluice_uploads (upload_id, owner, mode, file_name, receiver, created_at)
      VALUES ('${broken}', '', 'staged', '', '${leaseOwner()}', CURRENT_TIMESTAMP)`)
    while (await jobs.read(broken, null)) await delay(100)
    gone.resolve()
    const { upload } = await staging
    assert.equal((await jobs.settled(upload.uploadId)).job!.inserted, 11)
  })

  test('an Idempotency-Key stands for one request of one owner', async () => {
    const start = (requestHash: string, owner: string) => ({ owner, idempotency: { key: 'once', requestHash } })
    const request = { options: { table: tableOf() } }
    const first = await stage(csv(3), request, start('a', 'ann'))
    const asked = () => assert.fail('is not asked for')
    const again = await jobs.bodies.stage(start('a', 'ann'), bytesOf(csv(3)), asked)
    assert.deepEqual([again.replayed, again.upload.uploadId], [true, first.uploadId])
    await assert.rejects(jobs.bodies.stage(start('b', 'ann'), bytesOf(csv(3)), asked), { code: 'SLUICE_IDEMPOTENCY' })
    const other = await stage(csv(3), request, start('b', 'bob'))
    assert.notEqual(other.uploadId, first.uploadId)
    assert.equal(await jobs.read(first.uploadId, 'bob'), undefined)
    assert.equal((await jobs.read(first.uploadId, 'ann'))!.uploadId, first.uploadId)
    await assert.rejects(jobs.cancel(first.uploadId, 'bob'), { code: 'SLUICE_JOB' })
    await Promise.all([first, other].map(({ uploadId }) => jobs.settled(uploadId)))
  })

  test('a direct load that breaks off goes on under its id, with the same bytes only', async () => {
    const table = tableOf()
    const uploadId = randomUUID()
    const text = csv(60_000)
    const request = { fileName: 'people.csv', options: { table, batchRows: 5_000 } }
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield* bytesOf(text.slice(0, text.length / 2))
      throw new RangeError('the client is gone')
    }
    await assert.rejects(jobs.bodies.direct({ ...NOBODY, uploadId }, request, broken()), { code: 'SLUICE_SOURCE_READ' })
    const upload = (await jobs.read(uploadId, null))!
    assert.deepEqual([upload.state, upload.mode], ['failed', 'direct'])
    const committed = upload.job!.recordsRead
    assert.ok(committed > 0 && committed < 60_000)
    const other = bytesOf(csv(60_000, 7))
    await assert.rejects(jobs.bodies.direct({ ...NOBODY, uploadId }, request, other), { code: 'SLUICE_SOURCE_CHANGED' })
    const { receipt } = await jobs.bodies.direct({ ...NOBODY, uploadId }, request, bytesOf(text))
    assert.deepEqual([receipt.recordsRead, receipt.resumedAtRecord >= committed], [60_000, true])
    assert.equal(await count(table), 60_000)
    await assert.rejects(jobs.bodies.direct({ ...NOBODY, uploadId }, request, bytesOf(text)), { code: 'SLUICE_JOB' })
    await assert.rejects(jobs.retry(uploadId, null), { code: 'SLUICE_JOB' })
  })

  test('the list is newest first, in pages, by state and table', async () => {
    const table = tableOf()
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.unshift((await stage(csv(1, i), { options: { table } })).uploadId)
    await Promise.all(ids.map((id) => jobs.settled(id)))
    const seen: string[] = []
    let after: string | undefined
    do {
      const { uploads, next } = await jobs.list({ viewer: null, table, limit: 2, after })
      seen.push(...uploads.map(({ uploadId }) => uploadId))
      after = next ?? undefined
    } while (after)
    assert.deepEqual(seen, ids)
    assert.deepEqual((await jobs.list({ viewer: null, table, status: 'failed' })).uploads, [])
    assert.deepEqual((await jobs.list({ viewer: 'someone', table })).uploads, [])
    await assert.rejects(jobs.list({ viewer: null, after: 'nonsense' }), { code: 'SLUICE_USAGE' })
  })

  test('rejects come in pages behind a record', async () => {
    const bad = Array.from({ length: 10 }, (_, i) => `${i + 1}\n`).join('')
    const { uploadId } = await stage(`${csv(20)}${bad}`)
    await jobs.settled(uploadId)
    const records = (page: StoredReject[]) => page.map(({ record }) => record)
    assert.deepEqual(records(await jobs.rejects(uploadId, { limit: 4 })), [21, 22, 23, 24])
    assert.deepEqual(records(await jobs.rejects(uploadId, { after: 24, limit: 4 })), [25, 26, 27, 28])
    assert.deepEqual(records(await jobs.rejects(uploadId, { after: 30 })), [])
    assert.equal((await Array.fromAsync(jobs.allRejects(uploadId))).flat().length, 10)
  })

  test('what waits in the storage of another server is left to that one', async () => {
    const folder = temporaryFolder()
    const there: ServiceConfig = { ...config, storage: { kind: 'local', folder } }
    const request = { fileName: 'people.csv', options: { table: tableOf() } }
    const receiving = await startService(there, log, false)
    const { upload } = await receiving.jobs.bodies.stage(NOBODY, bytesOf(csv(3)), async () => request)
    await receiving[Symbol.asyncDispose]()
    // It looks for what nobody works on behind each of its own.
    await jobs.settled((await stage(csv(4))).uploadId)
    await jobs.settled((await stage(csv(5))).uploadId)
    assert.equal((await jobs.read(upload.uploadId, null))!.state, 'uploaded')
    await jobs.cancel(upload.uploadId, null)
    await assert.rejects(jobs.retry(upload.uploadId, null), { code: 'SLUICE_JOB', message: /another server/ })
    const own = await startService(there, log)
    await own.jobs.retry(upload.uploadId, null)
    const over = await own.jobs.settled(upload.uploadId)
    assert.deepEqual([over.state, over.job!.inserted], ['completed', 3])
    await own[Symbol.asyncDispose]()
  })

  test('a status that is over long enough is gone, with the object; the rows stay', async () => {
    const table = tableOf()
    const { uploadId } = await jobs.settled((await stage(csv(3), { options: { table } })).uploadId)
    const failed = await jobs.settled(
      (await stage(`${csv(3)}4\n`, { options: { table: tableOf(), maxErrors: { rows: 0 } } })).uploadId,
    )
    assert.equal(failed.state, 'failed')
    const old = config.databaseUrl.startsWith('sqlite') ? `'2020-01-01T00:00:00.000Z'` : `now() - interval '8 days'`
    await query(`UPDATE ingestion_jobs SET updated_at = ${old} WHERE job_id IN ('${uploadId}', '${failed.uploadId}')`)
    assert.equal(await jobs.read(uploadId, null), undefined)
    assert.deepEqual((await jobs.list({ viewer: null, table })).uploads, [])
    const gone = async () => (await query(`SELECT 1 FROM sluice_uploads WHERE upload_id = '${failed.uploadId}'`)).length
    for (let tried = 0; (await gone()) > 0 && tried < 100; tried++) await delay(100)
    assert.equal(await gone(), 0)
    assert.equal(await count(table), 3)
    assert.equal((await query(`SELECT 1 FROM ingestion_jobs WHERE job_id = '${uploadId}'`)).length, 1)
  })
}
