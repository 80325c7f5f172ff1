/** A form streamed into PostgreSQL by unnest(), 1,000 rows a transaction, watched over Socket.io. */
import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { load, parseTableSchema } from '@sluice/engine'
import { LiveClient } from '../packages/sluice/test/live-client.ts'
import { Acceptance, count, type Demands, megabytes } from './room/acceptance.ts'
import { flowAgainstLock, MOST_AHEAD } from './room/flow.ts'
import { limitKind, SluiceProcess, sluice } from './room/process.ts'
import { composeServices } from './room/repository.ts'
import { COLUMNS, type Database, naive, Room, type Script } from './room/room.ts'
import { meanwhile, Service, until } from './room/service.ts'

const MB = 2 ** 20
const LIMIT = 512
const BATCH = 1_000
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

const DEMANDS = {
  '000-01': ['1, streaming', 'The file is worked on in chunks and never held whole'],
  '000-02': ['1, memory', 'Resident memory below 512 MB, whatever the file is'],
  '000-03': ['1, backpressure', 'The file stream pauses while the database is busy with a batch'],
  '000-04': ['1, batching', '1,000 rows in one transaction'],
  '000-05': ['1, progress', 'The user is told in real time over Socket.io'],
  '000-06': ['1, fault tolerance', 'What fails is kept in failed_imports, and the rest of the file goes on'],
  '000-07': ['2', 'The stream is under control: an async iterator is asked for more only when the database is ready'],
  '000-08': ['3, criterion 1', 'Memory stays flat during the whole file'],
  '000-09': ['3, criterion 2', 'Every batch of 1,000 is committed or rolled back as a whole'],
  '000-10': ['3, criterion 3', 'Every failed row is in the audit table with its own message'],
  '000-11': ['3, criterion 4', 'Connections lost on the way do not lose the progress of the job'],
  '000-12': ['3, criterion 5', 'The progress shown matches the database within a second'],
  '000-13': ['4, volume', '1,500 rows are a batch of 1,000 and one of 500'],
  '000-14': ['4, sockets', 'The count of processed rows rises from event to event up to the end'],
  '000-15': ['4, cleanup', 'Afterwards the tables can be emptied, and connections and descriptors are as before'],
  '000-16': ['5 and 6, Busboy', 'multipart/form-data goes from the socket to the parser without a file between'],
  '000-17': ['5, csv-parse', 'A streaming parser takes the rows apart'],
  '000-18': ['5, unnest()', 'Bulk inserts with parameters, by unnest()'],
  '000-19': ['7', 'The control of a batched insert at 90 % of the speed of COPY'],
  '000-20': ['8, must', 'Memory is O(1) in the number of rows'],
  '000-21': ['8, must', 'No part of a batch is committed'],
  '000-22': ['8, must', 'Every job has a UUID by which a client can subscribe'],
  '000-23': ['8, must not', 'No buffer grows without bound'],
  '000-24': ['9, step 1', 'customers and failed_imports, with their indexes'],
  '000-25': ['10, automation', 'An evaluation service checks all of this in a container'],
} satisfies Demands<string>

export const socketProgress: Script = {
  id: '000',
  title: 'Batches of 1,000 by unnest, watched over Socket.io',
  async run(rows) {
    const accepted = new Acceptance(DEMANDS)
    await using room = new Room(rows)
    const database = await room.postgres()
    const env = { DATABASE_URL: database.url, SLUICE_DEFAULT_PROFILE: 'customers', SLUICE_DATA_DIR: room.path('data') }
    const service = await Service.start(LIMIT, env, room.folder)
    room.closing(() => service.process.stop())
    const live = new LiveClient(service.url)
    room.closing(async () => live.close())
    const profile = ['--profile', 'accept/profiles/customers.json', '--to', database.url, '--json', '--quiet']

    const small = room.small()
    await service.post(small.path, { query: '?mode=direct' })
    await database.sql('CREATE TABLE expected (LIKE customers)')
    const baseline = await naive(small.path, database.url, 'expected')
    const differences = await database.differences('customers', 'expected', COLUMNS)
    accepted.judge(
      '000-16',
      differences === 0,
      `${count(small.records)} rows of a form, none stored on the way; against an independent load ${differences} differ`,
    )
    const before = { ...(await database.connections()), descriptors: service.process.descriptors() }

    await accepted.scenario(['000-04', '000-13', '000-22'], async () => {
      await database.sql('TRUNCATE customers')
      const uploadId = randomUUID()
      const file = room.write('1500.csv', (await sluice(['generate', '--rows', '1500'])).stdout)
      const { json } = await service.post(file, { query: `?mode=direct&uploadId=${uploadId}` })
      const commits = await database.rowsByCommit('customers')
      const holds = commits.length === 2 && commits[0] === BATCH && commits[1] === 500
      accepted.judge('000-13', holds, `rows by transaction (xmin): ${commits.join(' + ')}`)
      accepted.judge('000-04', holds, `rows by transaction: ${commits.join(' + ')}`)
      const { json: status } = await service.get(`/upload/${uploadId}/status`)
      const inJobs = await database.number('SELECT count(*) FROM ingestion_jobs WHERE job_id::text = $1', [uploadId])
      const same = json.uploadId === uploadId && status.uploadId === uploadId && inJobs === 1
      accepted.judge('000-22', same && UUID.test(uploadId), `${uploadId} in the answer, the status and ingestion_jobs`)
    })

    await accepted.scenario(['000-06'], async () => {
      await database.sql('TRUNCATE customers')
      await database.sql('INSERT INTO customers (id) VALUES (1500)')
      const file = room.write('3000.csv', (await sluice(['generate', '--rows', '3000', '--seed', '2'])).stdout)
      const { json } = await service.post(file, { query: '?mode=direct' })
      const failed = await database.sql('SELECT record, code, message FROM failed_imports WHERE job_id::text = $1', [
        json.uploadId,
      ])
      const holds =
        failed.length === 1 && Number(failed[0]!['record']) === 1500 && (await database.count('customers')) === 3000
      accepted.judge(
        '000-06',
        holds,
        `a key that was taken in the second batch: 2,999 other rows are in, failed_imports: ${JSON.stringify(failed[0])}`,
      )
    })

    const middle = room.middle()
    await accepted.scenario(['000-03', '000-23', '000-07'], async () => {
      await database.sql('TRUNCATE customers')
      const flow = await flowAgainstLock(service, database, middle.path, 'customers')
      const paused = flow.late === 0 && flow.ahead < Math.min(MOST_AHEAD, flow.fileBytes)
      const all = (await database.count('customers')) === middle.records
      accepted.judge(
        '000-03',
        paused && all,
        `table locked: ${megabytes(flow.ahead)} of ${megabytes(flow.fileBytes)} taken, nothing in the third second; then all ${count(middle.records)} rows`,
      )
      accepted.judge('000-23', paused, `${megabytes(flow.ahead)} in all buffers of client, sockets and server together`)
      await database.sql('TRUNCATE customers')
      const schema = parseTableSchema(JSON.parse(await readFile(middle.schema, 'utf8')))
      let asked = 0
      async function* chunks() {
        for await (const chunk of createReadStream(middle.path)) {
          asked += chunk.length
          yield chunk as Buffer
        }
      }
      const { loading, first, second } = await database.locked('customers', async () => {
        const loading = load({
          source: chunks(),
          to: database.url,
          table: 'customers',
          schema,
          write: 'unnest',
          batchRows: BATCH,
        })
        await delay(1_500)
        const first = asked
        await delay(500)
        return { loading, first, second: asked }
      })
      const { inserted } = await loading
      accepted.judge(
        '000-07',
        first === second && second < middle.bytes && inserted === middle.records,
        `for await over an AsyncIterable: ${megabytes(second)} taken while the table was locked and nothing more, then ${count(inserted)} rows`,
      )
    })

    await accepted.scenario(['000-09', '000-21'], async () => {
      await database.sql('TRUNCATE customers')
      const killed = new SluiceProcess(['load', middle.path, ...profile])
      await until('the first rows', async () => (await database.count('customers')) > 5 * BATCH)
      await killed.stop('SIGKILL')
      await until('its connections', async () => (await database.connections()).all <= before.all)
      const inTable = await database.count('customers')
      const position = await database.number(
        'SELECT committed_record FROM ingestion_checkpoints ORDER BY updated_at DESC LIMIT 1',
      )
      const commits = await database.rowsByCommit('customers')
      accepted.judge(
        '000-21',
        inTable === position && inTable % BATCH === 0,
        `killed (SIGKILL) with ${count(inTable)} rows in the table, the checkpoint says ${count(position)}`,
      )
      const again = await sluice(['load', middle.path, ...profile])
      const all = (await database.count('customers')) === middle.records
      accepted.judge(
        '000-09',
        again.code === 0 && all && commits.every((size) => size === BATCH),
        `${commits.length} transactions before the kill, each of 1,000 rows; the same command brought the rest, ${count(middle.records)} in all`,
      )
    })

    await accepted.scenario(['000-11'], async () => {
      await database.sql('TRUNCATE customers')
      const upload = service.post(middle.path, { query: '?mode=direct&force=true' })
      for (let times = 1; times <= 3; times++) {
        await until('more rows', async () => (await database.count('customers')) > times * 5 * BATCH)
        await database.endConnections()
      }
      const { code } = await upload
      const all = await database.count('customers')
      accepted.judge(
        '000-11',
        code === 200 && all === middle.records,
        `all its connections ended three times: ${code}, ${count(all)} of ${count(middle.records)} rows, each once`,
      )
    })

    let rowsPerSecond = 0
    const large = room.large()
    await accepted.scenario(
      ['000-01', '000-02', '000-05', '000-08', '000-10', '000-12', '000-14', '000-20'],
      async () => {
        await database.sql('TRUNCATE customers')
        const uploadId = randomUUID()
        const watching = new Watch(database, live, uploadId)
        const from = service.process.series.length
        const query = `?mode=direct&force=true&uploadId=${uploadId}`
        const { code, seconds } = await meanwhile(service.post(large.path, { query }), () => watching.look())
        await live.end(uploadId)
        rowsPerSecond = large.records / seconds
        const { peak } = service.process
        const quarters = service.process.quarters(from)
        accepted.judge(
          '000-01',
          code === 200 && peak < 200 * MB,
          `${megabytes(large.bytes)} through a process that never held more than ${megabytes(peak)}`,
        )
        accepted.judge('000-02', peak < LIMIT * MB, `VmHWM ${megabytes(peak)} (${limitKind()}, ${LIMIT} MB)`)
        for (const id of ['000-08', '000-20'] as const) accepted.flat(id, large.records, quarters)
        const { events, ahead, behind } = watching.compare()
        const end = events.at(-1)?.data
        accepted.judge(
          '000-05',
          end?.status === 'completed' && end.processed === large.records,
          `${events.length} events, the last one ${end?.status} with ${count(end?.processed ?? 0)}`,
        )
        accepted.judge(
          '000-14',
          events.every(({ data }, i) => i === 0 || data.processed >= events[i - 1]!.data.processed),
          `processed: ${events
            .map(({ data }) => data.processed)
            .filter((_, i) => i % Math.ceil(events.length / 8) === 0)
            .join(' ≤ ')}`,
        )
        accepted.judge(
          '000-12',
          ahead === 0,
          `${watching.samples.length} times SELECT count(*): ${ahead} events ahead of it`,
        )
        accepted.timed('000-12', large.records, behind === 0, `${behind} counts that no event reached within a second`)
        const rejects = await database.sql(
          'SELECT count(*) AS n, count(message) AS messages, count(DISTINCT message) AS kinds FROM failed_imports WHERE job_id::text = $1',
          [uploadId],
        )
        const { n, messages, kinds } = rejects[0]!
        accepted.judge(
          '000-10',
          Number(n) === large.bad && Number(messages) === large.bad,
          `${count(Number(n))} of ${count(large.bad)} bad records, ${kinds} different messages`,
        )
      },
    )

    await accepted.scenario(['000-15', '000-24'], async () => {
      await until('idle connections', async () => (await database.connections()).all <= before.all, 30_000)
      await database.sql("SET lock_timeout = '1s'; TRUNCATE customers, failed_imports; RESET lock_timeout")
      const { all, idleInTransaction } = await database.connections()
      await until('closed descriptors', () => service.process.descriptors() <= before.descriptors, 30_000)
      accepted.judge(
        '000-15',
        idleInTransaction === 0,
        `TRUNCATE met no lock; ${all} connections (${before.all} before the loads), none in a transaction; ${service.process.descriptors()} descriptors (${before.descriptors})`,
      )
      const indexes = await database.sql(
        "SELECT tablename, count(*) AS n FROM pg_indexes WHERE tablename IN ('customers', 'failed_imports') GROUP BY 1 ORDER BY 1",
      )
      accepted.judge(
        '000-24',
        indexes.length === 2,
        indexes.map(({ tablename, n }) => `${tablename}: ${n} indexes`).join(', '),
      )
    })

    await accepted.scenario(['000-18'], async () => {
      await database.sql('TRUNCATE customers')
      const statements = await database.statementsInto('customers', () =>
        sluice(['load', middle.path, ...profile, '--force']),
      )
      const unnests = statements.filter((text) => /^INSERT.* unnest\(\$1/s.test(text)).length
      accepted.judge(
        '000-18',
        unnests === statements.length && unnests >= middle.records / BATCH,
        `a trigger saw ${count(statements.length)} statements insert ${count(middle.records)} rows, ${count(unnests)} of them INSERT … unnest($1, …)`,
      )
    })

    await accepted.scenario(['000-19'], async () => {
      const rate = async (write: string) => {
        await database.sql('TRUNCATE customers')
        const { seconds } = await sluice(['load', middle.path, ...profile, '--write', write, '--force'])
        return middle.records / seconds
      }
      const [unnest, copy] = [await rate('unnest'), await rate('copy')]
      accepted.replacedByTime(
        '000-19',
        rows,
        copy >= unnest * 0.9,
        'decision 0002',
        `both ways have the same checks and rejects here, so COPY costs no control: COPY ${count(copy)} rows/s, unnest ${count(unnest)} (${(unnest / copy).toFixed(2)} of it), both 1,000 rows a transaction`,
      )
    })
    accepted.parser('000-17', rows, rowsPerSecond, baseline.rowsPerSecond)
    const evaluation = composeServices().get('evaluation')?.command?.join(' ')
    accepted.judge('000-25', evaluation === 'npm run accept', `docker-compose.yml, evaluation: ${evaluation}`)
    return { verdicts: accepted.verdicts(), baseline, rowsPerSecond, peakBytes: service.process.peak }
  },
}

/** Counts the table while a load is told of, to compare the two. */
class Watch {
  readonly samples: { before: number; after: number; rows: number }[] = []
  readonly #database: Database
  readonly #live: LiveClient
  readonly #uploadId: string

  constructor(database: Database, live: LiveClient, uploadId: string) {
    this.#database = database
    this.#live = live
    this.#uploadId = uploadId
    live.subscribe(uploadId)
  }

  /** Counts once. */
  async look(): Promise<void> {
    const before = performance.now()
    const rows = await this.#database.count('customers')
    this.samples.push({ before, after: performance.now(), rows })
    // What is not told as it happens is asked for again: a client may subscribe before there is such an upload.
    if (this.#events().length === 0) this.#live.subscribe(this.#uploadId)
    await delay(40)
  }

  /** Events that told more than was there, and counts that were not told within a second. */
  compare() {
    const events = this.#events()
    const ahead = events.filter(({ at, data }) => {
      const next = this.samples.find(({ before }) => before >= at)
      return next !== undefined && data.inserted > next.rows
    }).length
    const behind = this.samples.filter(
      ({ after, rows }) => !events.some(({ at, data }) => at <= after + 1_000 && data.inserted >= rows),
    ).length
    return { events, ahead, behind }
  }

  #events() {
    return this.#live.events.filter(
      ({ data }) => data?.uploadId === this.#uploadId && data.status !== undefined && data.processed !== undefined,
    )
  }
}
