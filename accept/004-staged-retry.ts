/** A file staged in an object store, loaded in the background; status, retry, webhooks, and seven days. */
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Receiver, receive } from '../packages/sluice/test/receiver.ts'
import { Acceptance, count, type Demands, megabytes } from './room/acceptance.ts'
import { flowAgainstLock, MOST_AHEAD } from './room/flow.ts'
import { objectStore, redis } from './room/objects.ts'
import { limitKind } from './room/process.ts'
import { composeServices, dependsOn, wholeFileReads } from './room/repository.ts'
import { COLUMNS, naive, Room, type Script } from './room/room.ts'
import { Service, until } from './room/service.ts'

const MB = 2 ** 20
const LIMIT = 512
const FLAT_PEAK = 200 * MB
/** Two parts of an upload to S3, which are 5 MB at least, and what is made of them on the way. */
const UPLOAD_GROWTH = 64 * MB
const PORT = 3002

const DEMANDS = {
  '004-01': ['1, KPI 1', 'The process never holds more than 512 MB, whatever the file is'],
  '004-02': ['1, KPI 2', 'More than 10,000 rows a second'],
  '004-03': ['1, KPI 3', 'Reading pauses when the database writes slowly'],
  '004-04': ['2, runtime', 'Node.js 20 or newer'],
  '004-05': ['2, framework', 'Fastify takes multipart forms'],
  '004-06': ['2, storage', 'AWS S3 or a store that speaks its protocol keeps the file meanwhile'],
  '004-07': ['2, parsing', 'A streaming parser (csv-parser, fast-csv)'],
  '004-08': ['2, optimisation', 'The COPY protocol (pg-copy-streams), not INSERTs'],
  '004-09': ['2, directive', 'No readFileSync and no whole array; everything is piped'],
  '004-10': ['3, flow 2; 4 A', 'The upload streams to the store and touches no local disk'],
  '004-11': ['3, flow 3; 4 A 6', '202 with { uploadId, status: "uploaded" } once it is stored'],
  '004-12': ['3, flow 4', 'Loading goes on in the background, from the store'],
  '004-13': ['3, flow 5; 4 B', 'uploaded, processing, completed or failed'],
  '004-14': ['3, flow 7; 5, cleanup', 'The object is deleted after success'],
  '004-15': ['3, benefits', 'Several instances may work on what was uploaded'],
  '004-16': ['4 A 3', 'Upload of @aws-sdk/lib-storage'],
  '004-17': ['4 A 4, 5', 'An id and an object key, kept in the database with the callbackUrl'],
  '004-18': ['4 A', 'An upload that breaks off leaves no object'],
  '004-19': ['4 A; F', 'callbackUrl must be a valid http or https URL'],
  '004-20': ['4 B 4, 7', 'Progress, rows processed and failed are counted and told'],
  '004-21': ['4 B 5', 'An error at any stage is no unhandled rejection'],
  '004-22': ['4 C', 'Required fields are checked, data cleaned, dates formatted, invalid rows left out'],
  '004-23': ['4 C 3', 'Escaping for COPY is right, whatever the text holds'],
  '004-24': ['4 D', 'One client for AWS and one for the local store (minio)'],
  '004-25': ['4 F 1', 'The status has rowsProcessed, rowsFailed, progress, error, startedAt, completedAt'],
  '004-26': ['4 F 2', 'The webhook has { uploadId, status, rowsProcessed, rowsFailed, error, timestamp }'],
  '004-27': ['4 F 2; 5, notification', 'A webhook that fails is tried again with growing pauses, three times at most'],
  '004-28': ['4 F 2', 'A queue (BullMQ or similar) delivers webhooks in the background'],
  '004-29': ['4 F 3; 5', 'A status answers for 7 days'],
  '004-30': ['4 G', 'The compose file: 512 MB, MinIO on 9000 and 9001 with a volume, Redis'],
  '004-31': ['5, scenario', 'curl -X POST -F "file=@large.csv" http://localhost:3002/upload'],
  '004-32': ['5, upload stage', 'The file is seen in the store after the 202'],
  '004-33': ['5, upload stage', 'Memory of the upload: buffers of 16 to 64 KB'],
  '004-34': ['5, processing', 'Memory is flat (100 to 200 MB) and does not grow with the rows'],
  '004-35': ['5, processing', '200 only after all rows are in the database'],
  '004-36': ['5, processing', 'SELECT COUNT(*) FROM webhook_events equals the rows of the file'],
  '004-37': ['5, retry', 'After a failure the object stays'],
  '004-38': ['5, retry', '/upload/:uploadId/retry loads it without another upload, every row'],
  '004-39': ['5, notification', 'The webhook comes after success and after failure'],
  '004-40': ['2, database', 'PostgreSQL'],
} satisfies Demands<string>

export const stagedRetry: Script = {
  id: '004',
  title: 'Staged in S3, loaded in the background, with retry and webhooks',
  async run(rows) {
    const accepted = new Acceptance(DEMANDS)
    await using room = new Room(rows)
    const database = await room.postgres()
    const objects = await objectStore(room)
    const port = (await isFree(PORT)) ? PORT : 0
    const env = {
      DATABASE_URL: database.url,
      SLUICE_DEFAULT_PROFILE: 'webhook-events',
      SLUICE_WEBHOOK_ALLOW: '127.0.0.0/8',
      PORT: String(port),
      // Webhooks have a queue there; this server loads what it takes.
      SLUICE_SERVE_LOADS: '1',
      ...objects.env,
      ...(await redis(room)),
    }
    const service = await Service.start(LIMIT, env, room.folder)
    room.closing(() => service.process.stop())
    await using patient = await receive()
    // Twice a failure, then thanks; and one that never thanks.
    await using moody = await receive((response, number) => response.writeHead(number <= 2 ? 500 : 200).end())
    await using hopeless = await receive((response) => response.writeHead(500).end())

    const small = room.small()
    await accepted.scenario(['004-05', '004-22', '004-40'], async () => {
      const { code } = await service.post(small.path, { query: '?wait=true' })
      accepted.judge('004-05', code === 200, `curl -F file=@… was answered ${code}`)
      accepted.judge(
        '004-40',
        (await database.count('webhook_events')) === small.records,
        String(await database.value('SELECT version()')).split(' on ')[0]!,
      )
    })
    await database.sql('CREATE TABLE expected (LIKE webhook_events)')
    const baseline = await naive(small.path, database.url, 'expected')
    const differences = await database.differences('webhook_events', 'expected', COLUMNS)
    accepted.judge(
      '004-22',
      differences === 0,
      `${count(small.records)} rows against csv-parse with checks in JavaScript: ${differences} differ (EXCEPT ALL both ways)`,
    )
    // What the three tries take is waited for at the end.
    const slow = await service.post(small.path, { fields: { callbackUrl: hopeless.url, table: 'hopeless' } })
    const mended = await service.post(small.path, { fields: { callbackUrl: moody.url, table: 'moody' } })

    await accepted.scenario(['004-23'], async () => {
      await database.sql('TRUNCATE webhook_events')
      const note = 'a\tb\\n "c", d\ne\\.\n\r\nüñ😀'
      const file = room.write('hard.csv', `id,note\n1,"${note.replaceAll('"', '""')}"\n2,\\N\n,no id\n`)
      const { json } = await service.post(file, { query: '?wait=true' })
      const notes = (await database.sql('SELECT note FROM webhook_events ORDER BY id')).map((row) => row['note'])
      const equal = JSON.stringify(notes) === JSON.stringify([note, '\\N'])
      accepted.judge('004-23', equal, `tab, backslash, quotes, line ends and \\N come out as they went in: ${equal}`)
      accepted.judge(
        '004-22',
        json.rejected === 1,
        `a row without its required id: ${JSON.stringify(json.rejectsByCode)}`,
      )
    })

    await accepted.scenario(['004-19'], async () => {
      const codes = await Promise.all(
        ['ftp://example.com/x', 'nonsense', 'http://169.254.169.254/'].map(
          async (callbackUrl) => (await service.post(small.path, { fields: { callbackUrl } })).code,
        ),
      )
      accepted.judge(
        '004-19',
        codes.every((code) => code === 400),
        `ftp:, no URL at all, and an address of metadata: ${codes.join(', ')}`,
      )
    })

    const middle = room.middle()
    await accepted.scenario(['004-18', '004-21'], async () => {
      const before = await objects.count()
      const broken = service.send(middle.path, '/upload?table=broken')
      broken.answer.catch(() => undefined)
      await until('some bytes', () => broken.sent() > MB)
      broken.abort()
      await until(
        'the store to be as before',
        async () => (await objects.count()) <= before && (await objects.unfinished()) === 0,
        20_000,
      )
      const health = await service.get('/health')
      accepted.judge(
        '004-18',
        true,
        `a client that went away after ${megabytes(broken.sent())}: ${await objects.count()} objects, ${await objects.unfinished()} unfinished`,
      )
      accepted.judge(
        '004-21',
        health.code === 200 && !/unhandled|uncaught/i.test(service.process.printed),
        `/health answers ${health.code}, nothing unhandled was printed`,
      )
    })

    await accepted.scenario(['004-03'], async () => {
      await database.sql('TRUNCATE webhook_events')
      const flow = await flowAgainstLock(service, database, middle.path, 'webhook_events')
      const before = service.process.traffic().read
      await database.sql('TRUNCATE webhook_events')
      const { json } = await service.post(middle.path, { fields: { force: 'true' } })
      const still = await database.locked('webhook_events', async () => {
        await delay(1_500)
        const first = service.process.traffic().read
        await delay(1_000)
        return service.process.traffic().read - first
      })
      const end = await service.over(json.uploadId)
      const paused = flow.late === 0 && flow.ahead < MOST_AHEAD && still < MB
      accepted.judge(
        '004-03',
        paused && end.status === 'completed',
        `table locked: ${count(still)} bytes read from the store in a second (${megabytes(service.process.traffic().read - before)} in all); then ${end.status}`,
      )
    })

    await accepted.scenario(['004-13', '004-37', '004-38', '004-39', '004-26'], async () => {
      await database.sql('TRUNCATE webhook_events; ALTER TABLE webhook_events ADD COLUMN tenant text NOT NULL')
      const { json } = await service.post(middle.path, { fields: { force: 'true', callbackUrl: patient.url } })
      const failed = await service.over(json.uploadId)
      const kept = await objects.count()
      accepted.judge(
        '004-37',
        failed.status === 'failed' && kept >= 1,
        `a column that nothing fills: ${failed.status}, "${failed.error}"; ${kept} object in the store`,
      )
      await database.sql('ALTER TABLE webhook_events DROP COLUMN tenant')
      const retry = await service.curl(['-X', 'POST', `${service.url}/upload/${json.uploadId}/retry`])
      const end = await service.over(json.uploadId)
      const all = await database.count('webhook_events')
      accepted.judge(
        '004-38',
        retry.code === 202 && end.status === 'completed' && all === middle.records,
        `retry answered ${retry.code}; ${end.status} with ${count(all)} of ${count(middle.records)} rows, without another upload`,
      )
      await patient.until(2)
      const told = patient.received.map(({ body }) => JSON.parse(body))
      accepted.judge(
        '004-39',
        told[0].status === 'failed' && told[1].status === 'completed',
        `told of ${told.map(({ status }) => status).join(', then ')}`,
      )
      const fields = told.every(
        (one) =>
          one.uploadId === json.uploadId &&
          typeof one.rowsProcessed === 'number' &&
          typeof one.rowsFailed === 'number' &&
          !Number.isNaN(Date.parse(one.timestamp)),
      )
      accepted.judge(
        '004-26',
        fields && typeof told[0].error === 'string',
        `fields: ${Object.keys(told[0]).join(', ')}`,
      )
      accepted.judge(
        '004-13',
        failed.status === 'failed' && end.status === 'completed',
        'failed, and after the retry completed',
      )
    })

    let rowsPerSecond = 0
    await accepted.scenario(['004-08'], async () => {
      await database.sql('TRUNCATE webhook_events')
      const statements = await database.statementsInto('webhook_events', () =>
        service.post(small.path, { query: '?wait=true', fields: { force: 'true' } }),
      )
      accepted.copied('004-08', statements)
    })

    const large = room.large()
    const sound = large.records - large.bad
    await accepted.scenario(
      [
        '004-01',
        '004-02',
        '004-06',
        '004-10',
        '004-11',
        '004-12',
        '004-14',
        '004-17',
        '004-20',
        '004-25',
        '004-31',
        '004-32',
        '004-33',
        '004-34',
        '004-36',
      ],
      async () => {
        await database.sql('TRUNCATE webhook_events')
        const idle = service.process.series.at(-1) ?? 0
        const from = service.process.series.length
        const before = service.process.traffic().written
        const start = performance.now()
        // The table is held until the upload is answered, so that what is seen then is the upload's.
        const { answer, stored, first, uploading } = await database.locked('webhook_events', async () => {
          const answer = await service.post(large.path, { fields: { force: 'true', callbackUrl: patient.url } })
          const uploading = Math.max(...service.process.series.slice(from)) - idle
          const { json: first } = await service.get(`/upload/${answer.json.uploadId}/status`)
          return { answer, stored: await objects.count(), first, uploading }
        })
        const written = service.process.traffic().written - before
        const { uploadId, status } = answer.json
        accepted.judge(
          '004-11',
          answer.code === 202 && status === 'uploaded',
          `${answer.code} ${JSON.stringify(answer.json)}`,
        )
        accepted.judge(
          '004-31',
          answer.code === 202,
          `${megabytes(large.bytes)} by curl, to port ${new URL(service.url).port}${port === PORT ? '' : ` (${PORT} was taken)`}`,
        )
        for (const id of ['004-32', '004-06'] as const)
          accepted.judge(id, stored === 1, `${stored} object under uploads/ at the 202, through the S3 protocol`)
        accepted.judge(
          '004-10',
          written < MB,
          `${count(written)} bytes written to a disk by the process (write_bytes), ${megabytes(large.bytes)} uploaded`,
        )
        accepted.replaced(
          '004-33',
          uploading < UPLOAD_GROWTH,
          'decision 0014',
          `S3 takes parts of 5 MB at least, of which two are in flight: ${megabytes(uploading)} over the idle process`,
        )
        const [row] = await database.sql(
          'SELECT object_key, request::text FROM sluice_uploads WHERE upload_id::text = $1',
          [uploadId],
        )
        accepted.judge(
          '004-17',
          String(row?.['object_key']).includes(uploadId),
          `sluice_uploads: ${row?.['object_key']}`,
        )
        const states = new Set([first.status])
        const progress: number[] = []
        let end = first
        while (!['completed', 'failed'].includes(end.status)) {
          end = (await service.get(`/upload/${uploadId}/status`)).json
          states.add(end.status)
          progress.push(end.progress)
        }
        const seconds = (performance.now() - start) / 1000
        rowsPerSecond = large.records / seconds
        const { peak } = service.process
        accepted.judge(
          '004-12',
          end.status === 'completed',
          `${end.status} ${(seconds - answer.seconds).toFixed(1)} s after the 202`,
        )
        accepted.judge('004-13', states.has('processing') && states.has('completed'), `seen: ${[...states].join(', ')}`)
        const rising = progress.every((value, i) => i === 0 || value >= progress[i - 1]!)
        accepted.judge(
          '004-20',
          rising && end.rowsProcessed === large.records && end.rowsFailed === large.bad,
          `progress up to ${progress.at(-1)}, ${count(end.rowsProcessed)} processed, ${count(end.rowsFailed)} of them failed`,
        )
        const missing = ['rowsProcessed', 'rowsFailed', 'progress', 'startedAt', 'completedAt'].filter(
          (name) => end[name] === undefined,
        )
        accepted.judge(
          '004-25',
          missing.length === 0,
          `GET /upload/:uploadId/status lacks ${missing.join(', ') || 'nothing'}`,
        )
        accepted.judge(
          '004-36',
          (await database.count('webhook_events')) === sound,
          `${count(sound)} rows, and ${count(large.bad)} bad records in failed_imports, of ${count(large.records)}`,
        )
        accepted.rate('004-02', large.records, seconds, 10_000)
        accepted.judge('004-01', peak < LIMIT * MB, `VmHWM ${megabytes(peak)} (${limitKind()}, ${LIMIT} MB)`)
        const quarters = service.process.quarters(from)
        accepted.flat('004-34', large.records, quarters)
        accepted.judge('004-34', Math.max(...quarters) <= FLAT_PEAK, `at most ${megabytes(FLAT_PEAK)} wanted`)
        await until('the object to go', async () => (await objects.count()) === 0, 20_000)
        accepted.judge('004-14', true, 'no object is left')
      },
    )

    await accepted.scenario(['004-35', '004-15'], async () => {
      await database.sql('TRUNCATE webhook_events')
      const { code } = await service.post(middle.path, { query: '?wait=true', fields: { force: 'true' } })
      const then = await database.count('webhook_events')
      accepted.judge(
        '004-35',
        code === 200 && then === middle.records,
        `?wait=true: at its ${code} the table had ${count(then)} of ${count(middle.records)} rows`,
      )
      const second = await Service.start(LIMIT, { ...env, PORT: '0' }, room.folder)
      try {
        const { json } = await service.post(small.path, { fields: { force: 'true', table: 'shared' } })
        const end = await second.over(json.uploadId)
        accepted.judge('004-15', end.status === 'completed', `taken by one server, told by another: ${end.status}`)
      } finally {
        await second.process.stop()
      }
    })

    await accepted.scenario(['004-27', '004-28'], async () =>
      judgeTries(accepted, service, { moody, hopeless }, mended.json.uploadId, slow.json.uploadId),
    )

    await accepted.scenario(['004-29'], async () => {
      const { uploadId } = mended.json
      const codes: number[] = []
      for (const age of ['6 days 23 hours', '7 days 1 hour']) {
        await database.sql(
          'UPDATE ingestion_jobs SET completed_at = now() - $2::interval, updated_at = now() - $2::interval WHERE job_id::text = $1',
          [uploadId, age],
        )
        codes.push((await service.get(`/upload/${uploadId}/status`)).code)
      }
      accepted.judge(
        '004-29',
        codes.join() === '200,404',
        `its end set back by 6 days 23 hours: ${codes[0]}; by 7 days 1 hour: ${codes[1]}`,
      )
    })

    accepted.judge('004-04', Number.parseInt(process.versions.node, 10) >= 20, `Node.js ${process.versions.node}`)
    accepted.parser('004-07', rows, rowsPerSecond, baseline.rowsPerSecond)
    accepted.judge(
      '004-09',
      wholeFileReads().length === 0,
      `a lint rule forbids it; files that do: ${wholeFileReads().join(', ') || 'none'}`,
    )
    accepted.judge('004-16', dependsOn('@aws-sdk/lib-storage'), 'a dependency of sluice')
    accepted.replaced(
      '004-24',
      dependsOn('@aws-sdk/client-s3') && !dependsOn('minio'),
      'decision 0014',
      'the AWS SDK speaks to both, by S3_ENDPOINT: all of this ran on a store that is not AWS',
    )
    const compose = composeServices()
    const [api, minio] = [compose.get('stream-api'), compose.get('minio')]
    const ports = JSON.stringify(minio?.ports ?? [])
    const composed =
      api?.deploy?.resources?.limits?.memory === '512M' &&
      /9000/.test(ports) &&
      /9001/.test(ports) &&
      (minio?.volumes?.length ?? 0) > 0 &&
      compose.has('redis')
    accepted.judge(
      '004-30',
      composed,
      `docker-compose.yml: stream-api ${api?.deploy?.resources?.limits?.memory}, minio ${ports}`,
    )
    // As the service `evaluation` of that file has it: the one that runs there takes a file, too.
    const { SLUICE_URL: running, SLUICE_API_KEY: key } = process.env
    if (running) {
      await accepted.scenario(['004-30'], async () => {
        const header = key ? ['-H', `authorization: Bearer ${key}`] : []
        const target = `${running}/upload?wait=true&force=true&table=evaluation`
        const { code, json } = await service.curl([...header, '-F', `file=@${small.path}`, target])
        const holds = code === 200 && json.recordsRead === small.records && json.rejected === 0
        accepted.judge('004-30', holds, `${running} answered ${code} with ${count(json.inserted ?? 0)} rows inserted`)
      })
    }
    return { verdicts: accepted.verdicts(), baseline, rowsPerSecond, peakBytes: service.process.peak }
  },
}

async function judgeTries(
  accepted: Acceptance<keyof typeof DEMANDS>,
  service: Service,
  { moody, hopeless }: { moody: Receiver; hopeless: Receiver },
  mended: string,
  slow: string,
): Promise<void> {
  await moody.until(3)
  // At once, and after about 1, 5 and 25 seconds.
  await until('the last try', () => hopeless.received.length >= 4, 60_000)
  const pauses = hopeless.received.slice(1).map(({ at }, i) => (at - hopeless.received[i]!.at) / 1000)
  const growing = pauses.every((pause, i) => i === 0 || pause > pauses[i - 1]!)
  const log = async (uploadId: string) => (await service.get(`/upload/${uploadId}/status`)).json
  await until('the verdict', async () => (await log(slow)).webhooks[0].state === 'failed', 20_000)
  const [good, bad] = [await log(mended), await log(slow)]
  accepted.judge(
    '004-27',
    good.webhooks[0].state === 'delivered' && hopeless.received.length === 4 && growing,
    `500, 500, 200: ${good.webhooks[0].state} at the third try; always 500: ${hopeless.received.length} tries, after ${pauses.map((pause) => pause.toFixed(1)).join(', ')} s`,
  )
  accepted.replaced(
    '004-28',
    bad.status === 'completed',
    'decision 0018',
    `an outbox in the database, which loses none when Redis does, is worked off in the background: a receiver that failed left its upload ${bad.status}`,
  )
}

/** Whether nobody listens there. */
function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
