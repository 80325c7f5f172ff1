/** A file of gigabytes through a server of 512 MB straight into PostgreSQL by COPY; 200 when every row is in. */
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { createLoadStream } from '@sluice/engine'
import { Acceptance, count, type Demands, megabytes } from './room/acceptance.ts'
import { flowAgainstLock, MOST_AHEAD } from './room/flow.ts'
import { limitKind } from './room/process.ts'
import { composeServices, wholeFileReads } from './room/repository.ts'
import { COLUMNS, naive, Room, type Script } from './room/room.ts'
import { Service, until } from './room/service.ts'

const MB = 2 ** 20
const LIMIT = 512
/** The upper end of what the document calls flat. */
const FLAT_PEAK = 200 * MB

const DEMANDS = {
  '003-01': ['1, KPI 1', 'The process never holds more than 512 MB, whatever the file is'],
  '003-02': ['1, KPI 2', 'More than 10,000 rows a second'],
  '003-03': ['1, KPI 3', 'Reading pauses when the database writes slowly'],
  '003-04': ['2, runtime', 'Node.js 20 or newer, its streams'],
  '003-05': ['2, framework', 'Fastify takes multipart forms'],
  '003-06': ['2, parsing', 'A streaming parser (csv-parser, fast-csv)'],
  '003-07': ['2, database', 'PostgreSQL'],
  '003-08': ['2, optimisation', 'The COPY protocol (pg-copy-streams), not INSERTs'],
  '003-09': ['2, directive', 'No readFileSync and no whole array of what is loaded'],
  '003-10': ['2, directive', 'Everything is piped: pipe() or stream.pipeline()'],
  '003-11': ['3', 'The stages: upload, parser, validation, COPY, database, and the signal back'],
  '003-12': ['4 A', 'An error at any stage ends its upload, not the process; no unhandled rejection'],
  '003-13': ['4 B', 'E-mails are cleaned, dates formatted, invalid rows left out'],
  '003-14': ['4 B', 'Objects become what COPY expects, whatever the text holds'],
  '003-15': ['4 C', 'The compose file limits the service to 512 MB'],
  '003-16': ['5, scenario', 'A file of millions of rows is sent by curl'],
  '003-17': ['5, memory', 'Memory is flat (100 to 200 MB) and does not grow with the rows'],
  '003-18': ['5, completion', 'HTTP 200 only after all rows are in the database'],
  '003-19': ['5, database', 'SELECT COUNT(*) equals the rows of the file'],
} satisfies Demands<string>

export const directCopy: Script = {
  id: '003',
  title: 'Direct upload by COPY, 512 MB',
  async run(rows) {
    const accepted = new Acceptance(DEMANDS)
    await using room = new Room(rows)
    const database = await room.postgres()
    const env = { DATABASE_URL: database.url, SLUICE_DEFAULT_PROFILE: 'direct', SLUICE_DATA_DIR: room.path('data') }
    const service = await Service.start(LIMIT, env, room.folder)
    room.closing(() => service.process.stop())

    const small = room.small()
    const first = await service.post(small.path, { query: '?mode=direct' })
    accepted.judge('003-05', first.code === 200, `curl -F file=@… answered ${first.code}`)
    accepted.judge(
      '003-07',
      (await database.count('people')) === small.records,
      String(await database.value('SELECT version()')).split(' on ')[0]!,
    )
    await database.sql('CREATE TABLE expected (LIKE people)')
    const baseline = await naive(small.path, database.url, 'expected')
    const differences = await database.differences('people', 'expected', COLUMNS)
    accepted.judge(
      '003-13',
      differences === 0,
      `${count(small.records)} rows against csv-parse with checks in JavaScript: ${differences} differ (EXCEPT ALL both ways)`,
    )

    await accepted.scenario(['003-14'], async () => {
      await database.sql('TRUNCATE people')
      const note = 'a\tb\\n "c", d\ne\\.\n\r\nüñ😀'
      const file = room.write('hard.csv', `id,note\n1,"${note.replaceAll('"', '""')}"\n2,\\N\n3,\\.\n`)
      const { code } = await service.post(file, { query: '?mode=direct' })
      const notes = (await database.sql('SELECT note FROM people ORDER BY id')).map((row) => row['note'])
      const equal = JSON.stringify(notes) === JSON.stringify([note, '\\N', '\\.'])
      accepted.judge(
        '003-14',
        code === 200 && equal,
        `tab, backslash, quotes, line ends, \\N and \\. come out as they went in: ${equal}`,
      )
    })

    await accepted.scenario(['003-03', '003-11'], async () => {
      await database.sql('TRUNCATE people')
      const middle = room.middle()
      const flow = await flowAgainstLock(service, database, middle.path, 'people')
      const paused = flow.late === 0 && flow.ahead < Math.min(MOST_AHEAD, flow.fileBytes)
      const all = (await database.count('people')) === middle.records
      accepted.judge(
        '003-03',
        paused && flow.code === 200 && all,
        `table locked: ${megabytes(flow.ahead)} of ${megabytes(flow.fileBytes)} taken, nothing in the third second; then ${flow.code} with ${count(middle.records)} rows`,
      )
      accepted.judge('003-11', paused && all, 'the lock of the last stage stopped the client of the first')
    })

    await accepted.scenario(['003-12'], async () => {
      await database.sql('TRUNCATE people')
      const middle = room.middle()
      const aborted = service.send(middle.path, '/upload?mode=direct&force=true')
      aborted.answer.catch(() => undefined)
      await until('the first rows', async () => (await database.count('people')) > 0)
      aborted.abort()
      // Its last batch may still come in, and would be taken for the first one of the next upload.
      const underWay = "SELECT count(*) FROM ingestion_jobs WHERE status = 'PROCESSING'"
      await until('its end', async () => (await database.number(underWay)) === 0)
      await database.sql('TRUNCATE people')
      const killed = service.post(middle.path, { query: '?mode=direct&force=true' })
      await until('the first rows', async () => (await database.count('people')) > 0)
      await database.endConnections()
      const { code } = await killed
      const wrong = await service.post(room.write('wrong.csv', 'id,unheard_of\n1,2\n'), { query: '?mode=direct' })
      const health = await service.get('/health')
      const unhandled = /unhandled|uncaught/i.test(service.process.printed)
      accepted.judge(
        '003-12',
        code === 200 && wrong.code === 422 && health.code === 200 && !unhandled,
        `a client that went away; connections ended by the database (${code}); a column that does not exist (${wrong.code}): /health answers ${health.code}, nothing unhandled was printed`,
      )
    })

    await accepted.scenario(['003-10'], async () => {
      const stream = createLoadStream({ to: database.url, table: 'piped', schema: undefined })
      await pipeline(createReadStream(small.path), stream)
      const { inserted } = await stream.receipt
      accepted.judge(
        '003-10',
        inserted === small.records,
        `stream.pipeline(file, createLoadStream()): ${count(inserted)} rows`,
      )
    })

    let rowsPerSecond = 0
    const large = room.large()
    const sound = large.records - large.bad
    await accepted.scenario(['003-08'], async () => {
      await database.sql('TRUNCATE people')
      const statements = await database.statementsInto('people', () =>
        service.post(small.path, { query: '?mode=direct&force=true' }),
      )
      accepted.copied('003-08', statements)
    })

    await accepted.scenario(['003-01', '003-02', '003-16', '003-17', '003-18', '003-19'], async () => {
      await database.sql('TRUNCATE people')
      const from = service.process.series.length
      const answer = await service.post(large.path, { query: '?mode=direct&force=true' })
      const rowsThen = await database.count('people')
      const { peak } = service.process
      accepted.judge(
        '003-16',
        answer.code === 200,
        `curl sent ${megabytes(large.bytes)} with ${count(large.records)} records`,
      )
      accepted.judge(
        '003-18',
        answer.code === 200 && rowsThen === sound,
        `at its 200 the table had ${count(rowsThen)} of ${count(sound)} sound rows`,
      )
      accepted.judge(
        '003-19',
        rowsThen + large.bad === large.records,
        `${count(rowsThen)} rows and ${count(large.bad)} rejects are ${count(large.records)}`,
      )
      accepted.rate('003-02', large.records, answer.seconds, 10_000)
      accepted.judge('003-01', peak < LIMIT * MB, `VmHWM ${megabytes(peak)} (${limitKind()}, ${LIMIT} MB)`)
      const quarters = service.process.quarters(from)
      accepted.flat('003-17', large.records, quarters)
      accepted.judge('003-17', Math.max(...quarters) <= FLAT_PEAK, `at most ${megabytes(FLAT_PEAK)} wanted`)
      rowsPerSecond = large.records / answer.seconds
    })
    accepted.judge('003-04', Number.parseInt(process.versions.node, 10) >= 20, `Node.js ${process.versions.node}`)
    accepted.parser('003-06', rows, rowsPerSecond, baseline.rowsPerSecond)
    const reads = wholeFileReads()
    accepted.judge(
      '003-09',
      reads.length === 0,
      `a lint rule forbids it in src; places that read a file whole and do not say which small one: ${reads.join(', ') || 'none'}`,
    )
    const memory = composeServices().get('stream-api')?.deploy?.resources?.limits?.memory
    accepted.judge(
      '003-15',
      memory === '512M',
      `docker-compose.yml, stream-api: deploy.resources.limits.memory: ${memory}`,
    )
    return { verdicts: accepted.verdicts(), baseline, rowsPerSecond, peakBytes: service.process.peak }
  },
}
