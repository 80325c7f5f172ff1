/** An API and two workers around Redis and an object store: CSV and JSON, each content once, 200 rows a batch. */
import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Acceptance, count, type Demands, megabytes } from './room/acceptance.ts'
import { objectStore, queued, redis } from './room/objects.ts'
import { limitKind, sluice } from './room/process.ts'
import { dependsOn } from './room/repository.ts'
import { naive, Room, type Script } from './room/room.ts'
import { Service, startWorker, until } from './room/service.ts'

const MB = 2 ** 20
const LIMIT = 512
const BATCH = 200
const TERMINAL = ['COMPLETED', 'FAILED', 'CANCELLED']

const DEMANDS = {
  '002-01': ['1', 'CSV and JSON are taken'],
  '002-02': ['1', 'The same content again changes nothing (idempotency)'],
  '002-03': ['1', 'The API answers while much is loaded'],
  '002-04': ['1', 'Gigabytes in constant memory'],
  '002-05': ['1 and 5', 'More workers do not touch the API'],
  '002-06': ['2.1', 'Redis and BullMQ between API and workers'],
  '002-07': ['2.1', '202 at once, the work in the background'],
  '002-08': ['2.2', 'The worker stops reading while it writes'],
  '002-09': ['2.3, normalise', 'Space is trimmed, e-mails are in lower case, dates are ISO 8601'],
  '002-10': ['2.3, canonicalise', 'Keys are sorted, so the order of columns does not matter'],
  '002-11': ['2.3, hash', 'The hash is SHA-256'],
  '002-12': ['2.3, persist', 'INSERT … ON CONFLICT (content_hash) DO UPDATE'],
  '002-13': ['2.3, benefit', 'Uniqueness by content alone, not by ids or times'],
  '002-14': ['3.1', 'Batches of 200 rows'],
  '002-15': ['3.1', 'Each batch in a transaction'],
  '002-16': ['3.2', 'ingestion_jobs: PENDING, PROCESSING, COMPLETED or FAILED'],
  '002-17': ['3.2', 'validation_errors holds the invalid rows, and the rest goes on'],
  '002-18': ['3.2', 'ingested_data holds what was normalised, each content once'],
  '002-19': ['3.2', 'metadata is JSONB and takes columns that are not named'],
  '002-20': ['4.1', 'Uploads stream to S3 and workers read from there, not from a shared disk'],
  '002-21': ['4.1', 'The queue passes a key, no path'],
  '002-22': ['4.2', 'The cost of hashing is low beside that of cleaning up'],
  '002-23': ['5, vertical', 'A larger batch makes a worker faster'],
  '002-24': ['5, horizontal', 'Several workers take from the queue at once'],
  '002-25': ['5, horizontal', 'Writing stays safe when two workers bring the same content'],
  '002-26': ['5, horizontal', 'The API has no state: any server answers for any upload'],
  '002-27': ['6', 'A worker that dies loses nothing'],
} satisfies Demands<string>

/** The hash that the documentation of ingested_data promises: names in order, each with its value, lengths before both. */
function contentHash(row: Record<string, string>): string {
  const hash = createHash('sha256')
  const add = (text: string) => {
    const bytes = Buffer.from(text)
    const length = Buffer.alloc(4)
    length.writeUInt32LE(bytes.length)
    hash.update(length).update(bytes)
  }
  for (const name of Object.keys(row).sort()) {
    add(name)
    add(row[name]!)
  }
  return hash.digest('hex')
}

export const contentQueue: Script = {
  id: '002',
  title: 'BullMQ workers, each content once, CSV and JSON',
  async run(rows) {
    const accepted = new Acceptance(DEMANDS)
    await using room = new Room(rows)
    const database = await room.postgres()
    const objects = await objectStore(room)
    const queue = await redis(room)
    const env = {
      DATABASE_URL: database.url,
      SLUICE_DEFAULT_PROFILE: 'ingested-data',
      SLUICE_LEASE_SECONDS: '3',
      ...objects.env,
      ...queue,
    }
    const servers = [
      await Service.start(LIMIT, env, room.folder),
      await Service.start(LIMIT, env, room.folder),
    ] as const
    const [service, other] = servers
    for (const one of servers) room.closing(() => one.process.stop())
    const workers = [await startWorker(LIMIT, env, room.folder), await startWorker(LIMIT, env, room.folder)]
    room.closing(() => Promise.all(workers.map((one) => one.stop())))
    const upload = async (file: string, fields: Record<string, string> = {}) => {
      const { json, code } = await service.post(file, { fields: { force: 'true', ...fields } })
      if (code !== 202) throw new Error(`the upload was answered with ${code}: ${JSON.stringify(json)}`)
      return json.uploadId as string
    }
    const loaded = async (file: string, fields?: Record<string, string>) => service.over(await upload(file, fields))
    const clear = () => database.sql('TRUNCATE ingested_data')

    const schema = JSON.stringify({
      fields: [
        { name: 'name', type: 'string', transform: ['trim'] },
        { name: 'email', type: 'string', format: 'email', transform: ['trim', 'lowercase'] },
        { name: 'joined', type: 'date', format: ['%Y-%m-%d', '%m/%d/%Y'] },
      ],
    })
    await accepted.scenario(['002-01', '002-09', '002-10', '002-11', '002-12'], async () => {
      const fields = { profile: 'ingested-data', table: 'people', schema }
      const first = await loaded(room.write('a.csv', 'name,email,joined\n Ada ,ADA@Example.com,12/10/2015\n'), fields)
      const [row] = await database.sql('SELECT name, email, joined::text, content_hash, updated_at FROM people')
      const normal = row?.['name'] === 'Ada' && row['email'] === 'ada@example.com' && row['joined'] === '2015-12-10'
      accepted.judge(
        '002-09',
        normal && first.status === 'completed',
        `" Ada ", "ADA@Example.com", "12/10/2015" became ${JSON.stringify(row && [row['name'], row['email'], row['joined']])}`,
      )
      const expected = contentHash({ name: 'Ada', email: 'ada@example.com', joined: '2015-12-10' })
      accepted.judge(
        '002-11',
        row?.['content_hash'] === expected,
        `content_hash ${String(row?.['content_hash']).slice(0, 12)}…, computed here by the documentation ${expected.slice(0, 12)}…`,
      )
      await loaded(room.write('b.csv', 'joined,email,name\n2015-12-10,ada@example.com,Ada\n'), fields)
      accepted.judge(
        '002-10',
        (await database.count('people')) === 1,
        'the same person with other columns first: still one row',
      )
      const json = await loaded(
        room.write('c.json', '[{"email":"Ada@example.com ","name":"Ada","joined":"2015-12-10"}]'),
        fields,
      )
      const ndjson = await loaded(
        room.write('d.ndjson', '{"joined":"2015-12-10","name":"Ada","email":"ada@example.com"}\n'),
        fields,
      )
      const duplicates = [json, ndjson].map(({ receipt }) => receipt.duplicates)
      accepted.judge(
        '002-01',
        (await database.count('people')) === 1 && duplicates.every((n) => n === 1),
        `the same as JSON and as NDJSON: duplicates ${duplicates.join(' and ')}, still one row`,
      )
      const renewed = await database.value('SELECT updated_at > $1 FROM people', [row?.['updated_at']])
      accepted.judge('002-12', renewed === true, 'the conflict renewed updated_at')
    })

    const small = room.small()
    await database.sql(
      'CREATE TABLE expected (id bigint, customer_code uuid, first_name text, last_name text, email text, phone text, signup_date date, amount numeric, country text, note text, active boolean)',
    )
    const baseline = await naive(small.path, database.url, 'expected')
    await accepted.scenario(['002-02', '002-07', '002-13', '002-14', '002-15', '002-18', '002-19'], async () => {
      const answered = performance.now()
      const uploadId = await upload(small.path)
      accepted.judge(
        '002-07',
        true,
        `202 after ${Math.round(performance.now() - answered)} ms, in the table were ${count(await database.count('ingested_data').catch(() => 0))} rows`,
      )
      await service.over(uploadId)
      const unique = await database.number('SELECT count(DISTINCT content_hash) FROM ingested_data')
      const all = await database.count('ingested_data')
      const differences = await database.differences(
        'ingested_data',
        'expected',
        'first_name, last_name, email, signup_date, amount',
      )
      accepted.judge(
        '002-18',
        all === unique && differences === 0,
        `${count(all)} rows, ${count(unique)} hashes; against an independent load ${differences} differ`,
      )
      const commits = await database.rowsByCommit('ingested_data')
      accepted.judge(
        '002-14',
        commits.length > 1 && commits.every((size) => size <= BATCH) && Math.max(...commits) === BATCH,
        `${commits.length} transactions, the largest of ${Math.max(...commits)} rows`,
      )
      accepted.judge(
        '002-15',
        commits.slice(0, -1).every((size) => size === BATCH),
        'every transaction but the last holds 200 rows',
      )
      const metadata = await database.sql(
        'SELECT pg_typeof(metadata)::text AS type, metadata FROM ingested_data ORDER BY id LIMIT 1',
      )
      const keys = Object.keys((metadata[0]?.['metadata'] ?? {}) as object)
      accepted.judge(
        '002-19',
        metadata[0]?.['type'] === 'jsonb' && keys.includes('phone') && keys.includes('country'),
        `${metadata[0]?.['type']} with ${keys.join(', ')}`,
      )
      const again = await loaded(small.path)
      accepted.judge(
        '002-02',
        again.receipt.inserted === 0 && again.receipt.duplicates === small.records,
        `the same file again: ${again.receipt.inserted} inserted, ${count(again.receipt.duplicates)} duplicates`,
      )
      accepted.judge('002-13', (await database.count('ingested_data')) === all, `still ${count(all)} rows`)
    })

    // A hundred batches.
    const middle = room.middle(20_000)
    await accepted.scenario(['002-08', '002-20', '002-21'], async () => {
      const { uploadId, moved, kept, keys } = await database.locked('ingested_data', async () => {
        const uploadId = await upload(middle.path)
        await until(
          'the claim',
          async () =>
            (await database.value('SELECT status FROM ingestion_jobs WHERE job_id::text = $1', [uploadId])) ===
            'PROCESSING',
        )
        await delay(1_500)
        const read = () => workers.reduce((sum, one) => sum + one.traffic().read, 0)
        const before = read()
        await delay(1_000)
        const moved = read() - before
        const keys = queued(queue.REDIS_URL!).filter((entry) => entry.includes(uploadId))
        return { uploadId, moved, kept: await objects.count(), keys }
      })
      accepted.judge('002-08', moved < MB, `table locked: the workers read ${count(moved)} bytes in a second`)
      accepted.judge(
        '002-21',
        keys.length > 0,
        `BullMQ holds ${keys[0]}; the key of the object is in sluice_uploads under it`,
      )
      const end = await service.over(uploadId)
      await until('the object to go', async () => (await objects.count()) === 0, 20_000)
      accepted.judge(
        '002-20',
        kept >= 1 && end.status === 'completed',
        `${kept} object in the bucket while it waited, ${end.status} by a worker with no folder of the server's; then none`,
      )
    })

    await accepted.scenario(['002-27', '002-16'], async () => {
      await clear()
      const uploadId = await upload(middle.path)
      const states = new Set<string>()
      const status = async () => {
        const state = String(
          await database.value('SELECT status FROM ingestion_jobs WHERE job_id::text = $1', [uploadId]),
        )
        states.add(state)
        return state
      }
      await until('the first rows', async () => {
        await status()
        return (await database.count('ingested_data')) > 5 * BATCH
      })
      const holder = String(
        await database.value('SELECT max(lease_owner) FROM ingestion_checkpoints WHERE job_id::text = $1', [uploadId]),
      )
      const victim = workers.findIndex(({ pid }) => new RegExp(`\\b${pid}\\b`).test(holder))
      if (victim === -1)
        throw new Error(
          `the lease is held by ${holder}, which is no worker of ${workers.map(({ pid }) => pid).join(', ')}`,
        )
      await workers[victim]!.stop('SIGKILL')
      workers[victim] = await startWorker(LIMIT, env, room.folder)
      await until('the end', async () => TERMINAL.includes(await status()))
      const all = await database.count('ingested_data')
      accepted.judge(
        '002-27',
        all === middle.records,
        `the worker was killed (SIGKILL) in the middle; ${count(all)} of ${count(middle.records)} rows in the end, each once`,
      )
      const file = room.write('wrong.csv', 'name,email,joined\nAda,no address,2015-12-10\n')
      const failing = await upload(file, { schema, table: 'failing', maxErrors: '0' })
      await service.over(failing)
      states.add(String(await database.value('SELECT status FROM ingestion_jobs WHERE job_id::text = $1', [failing])))
      accepted.judge(
        '002-16',
        ['PROCESSING', 'COMPLETED', 'FAILED'].every((state) => states.has(state)),
        `seen: ${[...states].join(', ')}`,
      )
    })

    await accepted.scenario(['002-24', '002-25', '002-26', '002-05'], async () => {
      await clear()
      const ids = await Promise.all([1, 2, 3, 4].map(() => upload(middle.path)))
      const holders = new Set<string>()
      await until('the loads', async () => {
        for (const row of await database.sql(
          'SELECT DISTINCT lease_owner FROM ingestion_checkpoints WHERE lease_owner IS NOT NULL',
        ))
          holders.add(String(row['lease_owner']))
        const done = await database.sql('SELECT status FROM ingestion_jobs WHERE job_id::text = ANY($1)', [ids])
        return done.length === ids.length && done.every(({ status }) => TERMINAL.includes(String(status)))
      })
      const ends = await Promise.all(ids.map((id) => other.over(id)))
      accepted.judge(
        '002-26',
        ends.every(({ status }) => status === 'completed'),
        `four uploads to one server, their ends told by the other: ${ends.map(({ status }) => status).join(', ')}`,
      )
      accepted.judge('002-24', holders.size >= 2, `leases were held by ${holders.size} workers`)
      const inserted = ends.reduce((sum, { receipt }) => sum + receipt.inserted, 0)
      const duplicates = ends.reduce((sum, { receipt }) => sum + receipt.duplicates, 0)
      const all = await database.count('ingested_data')
      accepted.judge(
        '002-25',
        all === middle.records && inserted === all && duplicates === 3 * all,
        `the same file four times at once: ${count(all)} rows; the receipts say ${count(inserted)} inserted, ${count(duplicates)} duplicates`,
      )
      accepted.judge(
        '002-05',
        servers.every(({ process }) => process.peak < LIMIT * MB),
        `two workers at work, the servers held ${servers.map(({ process }) => megabytes(process.peak)).join(' and ')}`,
      )
    })

    let result = { rowsPerSecond: 0, peakBytes: 0 }
    await accepted.scenario(['002-03', '002-04', '002-06', '002-17'], async () => {
      await clear()
      const large = room.large()
      const from = workers.map(({ series }) => series.length)
      const start = performance.now()
      // The batch of the seed in a table that is empty; what it costs is in the rates below.
      const uploadId = await upload(large.path)
      const delays: number[] = []
      let state: string
      do {
        const asked = performance.now()
        await fetch(`${service.url}/health`).then((answer) => answer.arrayBuffer())
        delays.push(performance.now() - asked)
        await delay(50)
        state = String(await database.value('SELECT status FROM ingestion_jobs WHERE job_id::text = $1', [uploadId]))
      } while (!TERMINAL.includes(state))
      const end = await service.over(uploadId)
      const seconds = (performance.now() - start) / 1000
      const peak = Math.max(...workers.map((one) => one.peak))
      result = { rowsPerSecond: large.records / seconds, peakBytes: peak }
      delays.sort((a, b) => a - b)
      const late = delays[Math.floor(delays.length * 0.99)]!
      accepted.timed(
        '002-03',
        large.records,
        late < 500,
        `/health, asked ${delays.length} times during the load: p99 ${late.toFixed(0)} ms, the slowest ${delays.at(-1)!.toFixed(0)} ms`,
      )
      accepted.judge(
        '002-04',
        peak < LIMIT * MB,
        `${megabytes(large.bytes)} in ${megabytes(peak)} (${limitKind()}, ${LIMIT} MB)`,
      )
      for (const [i, one] of workers.entries()) accepted.flat('002-04', large.records, one.quarters(from[i]))
      accepted.judge(
        '002-06',
        dependsOn('bullmq') && end.status === 'completed',
        `BullMQ on Redis woke a worker: ${end.status}, ${count(result.rowsPerSecond)} rows/s in batches of 200`,
      )
      const invalid = await database.number('SELECT count(*) FROM validation_errors WHERE job_id::text = $1', [
        uploadId,
      ])
      const accounted = end.receipt.inserted + end.receipt.duplicates
      accepted.judge(
        '002-17',
        invalid === end.receipt.rejected && invalid > 0 && accounted + invalid === large.records,
        `${count(invalid)} in validation_errors, ${count(accounted)} others of ${count(large.records)} went on`,
      )
    })

    await accepted.scenario(['002-22', '002-23'], async () => {
      const rate = async (...flags: string[]) => {
        await clear()
        await database.sql('DROP TABLE IF EXISTS plain')
        const run = await sluice([
          'load',
          middle.path,
          '--profile',
          'accept/profiles/ingested-data.json',
          '--to',
          database.url,
          '--json',
          '--quiet',
          '--force',
          ...flags,
        ])
        if (run.code !== 0) throw new Error(run.stderr)
        return middle.records / run.seconds
      }
      const usual = await rate()
      const wide = await rate('--batch-rows', '10000')
      const plain = await rate(
        '--batch-rows',
        '10000',
        '--dedupe',
        'none',
        '--table',
        'plain',
        '--unknown-columns',
        'ignore',
      )
      accepted.timed(
        '002-23',
        room.rows,
        wide > usual,
        `${count(usual)} rows/s with 200 a batch, ${count(wide)} with 10,000`,
      )
      accepted.timed(
        '002-22',
        room.rows,
        wide > plain / 10,
        `${count(wide)} rows/s with hash, unique index and metadata; ${count(plain)} with none of them`,
      )
    })
    return { verdicts: accepted.verdicts(), baseline, ...result }
  },
}
