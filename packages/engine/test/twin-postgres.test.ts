import assert from 'node:assert/strict'
import { finished } from 'node:stream/promises'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { ColumnType, Storage } from '../src/schema/program.ts'
import { columnOf } from './support/column.ts'
import { BOOLEANS, DATES, INTEGERS, JSONS, NUMBERS, TIMES, UUIDS, WORDS, ZONES } from './support/hostile-pools.ts'
import { startPostgres } from './support/postgres.ts'
import { Random } from './support/random.ts'
import { pgBinaryRow, pgTextRow, type Stored } from './twin/encode.ts'
import { judge } from './twin/values.ts'

interface Case {
  declared: string
  type: ColumnType
  storage: Storage
  texts: string[]
}

const random = new Random(7)
const digits = (length: number): string => random.text('0123456789', length)
const DECIMALS = Array.from({ length: 300 }, () => {
  const exponent = random.chance(30) ? `e${random.between(-40, 40)}` : ''
  return `${random.pick(['', '-'])}${digits(random.between(1, 30))}.${digits(random.below(30))}${exponent}`
})
const MOMENTS = DATES.flatMap((date) => [date, ...TIMES.map((time) => `${date}${random.pick(['T', 't', ' '])}${time}`)])
// PostgreSQL's own parser takes offsets below 16:00 only.
const ZONED = MOMENTS.map((moment) => moment + random.pick(ZONES.filter((zone) => !zone.includes('23:59'))))

const integer = (bytes: 2 | 4 | 8): ColumnType => ({ kind: 'integer', bytes })
const NUMERIC: ColumnType = { kind: 'numeric', precision: null, scale: null }
// PostgreSQL refuses to read an exponent of more than nine digits, even of zero.
const NUMBER_TEXTS = [...NUMBERS, ...INTEGERS, ...DECIMALS].filter((text) => !/e[+-]?[1-9]\d{9}/.test(text))

const CASES: Case[] = [
  { declared: 'int2', type: integer(2), storage: 'pg-int2', texts: INTEGERS },
  { declared: 'int4', type: integer(4), storage: 'pg-int4', texts: INTEGERS },
  { declared: 'int8', type: integer(8), storage: 'pg-int8', texts: INTEGERS },
  { declared: 'numeric', type: integer(8), storage: 'pg-numeric', texts: INTEGERS },
  { declared: 'float8', type: integer(8), storage: 'pg-float8', texts: INTEGERS },
  { declared: 'numeric', type: NUMERIC, storage: 'pg-numeric', texts: NUMBER_TEXTS },
  {
    declared: 'numeric(7,2)',
    type: { ...NUMERIC, precision: 7, scale: 2 },
    storage: 'pg-numeric',
    texts: NUMBER_TEXTS,
  },
  {
    declared: 'numeric(40,20)',
    type: { ...NUMERIC, precision: 40, scale: 20 },
    storage: 'pg-numeric',
    texts: NUMBER_TEXTS,
  },
  { declared: 'float8', type: NUMERIC, storage: 'pg-float8', texts: NUMBER_TEXTS },
  { declared: 'float8', type: { kind: 'float8' }, storage: 'pg-float8', texts: NUMBER_TEXTS },
  { declared: 'bool', type: { kind: 'boolean' }, storage: 'pg-bool', texts: BOOLEANS },
  { declared: 'date', type: { kind: 'date' }, storage: 'pg-date', texts: DATES },
  { declared: 'timestamp', type: { kind: 'date' }, storage: 'pg-timestamp', texts: DATES },
  { declared: 'timestamptz', type: { kind: 'date' }, storage: 'pg-timestamptz', texts: DATES },
  { declared: 'time', type: { kind: 'time' }, storage: 'pg-time', texts: TIMES },
  { declared: 'timestamp', type: { kind: 'timestamp' }, storage: 'pg-timestamp', texts: MOMENTS },
  { declared: 'timestamptz', type: { kind: 'timestamptz' }, storage: 'pg-timestamptz', texts: [...MOMENTS, ...ZONED] },
  { declared: 'uuid', type: { kind: 'uuid' }, storage: 'pg-uuid', texts: UUIDS },
  { declared: 'jsonb', type: { kind: 'json', top: 'any' }, storage: 'pg-jsonb', texts: JSONS },
  { declared: 'json', type: { kind: 'json', top: 'any' }, storage: 'pg-text', texts: JSONS },
  {
    declared: 'text',
    type: { kind: 'text' },
    storage: 'pg-text',
    texts: [...WORDS, '', 'a\nb\r\n\tc\\n\\', '\\.', '\b\f\v'],
  },
]

function judged({ type, storage, texts }: Case): { text: string; stored: Stored }[] {
  const asked = columnOf({ type, storage })
  return texts.flatMap((text) => {
    const verdict = judge(Buffer.from(text), asked)
    return 'value' in verdict ? [{ text, stored: { storage, value: verdict.value } }] : []
  })
}

const HEAD = Buffer.from('5047434f50590aff0d0a000000000000000000', 'hex')
const TAIL = Buffer.from('ffff', 'hex')

describe('what the twin encodes is to PostgreSQL what it makes of the text itself', () => {
  let server: Awaited<ReturnType<typeof startPostgres>>
  let client: pg.Client

  before(async () => {
    server = await startPostgres()
    client = new pg.Client(server.url)
    await client.connect()
    // Not UTC, so that a missing zone shows.
    await client.query(`SET TimeZone = 'Asia/Kolkata'`)
  })
  after(async () => {
    await client.end()
    await server.stop()
  })

  async function copy(statement: string, data: Buffer): Promise<void> {
    const stream = client.query(copyFrom(statement))
    stream.end(data)
    await finished(stream)
  }

  for (const given of CASES) {
    test(`${given.type.kind} in ${given.declared}`, async () => {
      const { declared, type } = given
      const values = judged(given)
      assert.ok(values.length > 2, 'some values are sound')
      const columns = `(rank int4, value ${declared})`
      await client.query(`DROP TABLE IF EXISTS expected, from_binary, from_text`)
      for (const name of ['expected', 'from_binary', 'from_text']) await client.query(`CREATE TABLE ${name} ${columns}`)
      for (const [rank, { text }] of values.entries()) {
        const written = type.kind === 'uuid' ? text.trim() : text
        const meant = declared === 'timestamptz' ? inUtc(written) : written
        await client.query(
          `INSERT INTO expected VALUES ($1, $2::text${type.kind === 'integer' ? '::int8' : ''}::${declared})`,
          [rank, meant],
        )
      }
      const rows = values.map(({ stored }, rank): Stored[] => [
        { storage: 'pg-int4', value: { kind: 'integer', text: '', integer: BigInt(rank) } },
        stored,
      ])
      await copy('COPY from_binary FROM STDIN (FORMAT binary)', Buffer.concat([HEAD, ...rows.map(pgBinaryRow), TAIL]))
      await copy('COPY from_text FROM STDIN', Buffer.concat(rows.map(pgTextRow)))
      for (const name of ['from_binary', 'from_text']) {
        const differing = await client.query(
          `SELECT rank, e.value::text AS expected, l.value::text AS loaded FROM expected e FULL JOIN ${name} l USING (rank)
           WHERE e.value::text IS DISTINCT FROM l.value::text`,
        )
        const named = differing.rows.map((row) => ({ ...row, text: values[row.rank]?.text }))
        assert.deepEqual(named, [], name)
      }
    })
  }
})

/** The text with the zone that it means where it names none. */
function inUtc(text: string): string {
  return /[zZ]$|\d{2}:?\d{2}.*[+-][\d:]+$/.test(text.slice(10).trim()) ? text : `${text.trim()} UTC`
}
