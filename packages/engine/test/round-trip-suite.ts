import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import fc from 'fast-check'
import { check } from '../src/check.ts'
import { JobStore } from '../src/checkpoint/job-store.ts'
import { SluiceError } from '../src/errors.ts'
import { load } from '../src/load.ts'
import type { LoadOptions } from '../src/options.ts'
import { readRecords } from '../src/parse/records.ts'
import { planFirst } from '../src/plan-source.ts'
import type { Reject } from '../src/reject/reject.ts'
import { parseTableSchema } from '../src/schema/table-schema.ts'
import { openSources } from '../src/source/open.ts'
import type { Database } from '../src/write/database.ts'
import { openDatabase } from '../src/write/open.ts'
import { LONG, SEED } from './support/small-load.ts'
import { temporaryFolder } from './support/temporary-folder.ts'
import { delimited, json, mutated, NAMES, type Row, type Written } from './support/written.ts'
import { twin } from './twin/twin.ts'

const RUNS = Number(process.env.SLUICE_TEST_SEEDS ?? (LONG ? 3_000 : 12))
const SCHEMA = parseTableSchema({
  fields: NAMES.map((name) => ({ name, type: name === 'n' ? 'integer' : 'string' })),
})
/** Bytes that arrive at once. */
const pieces = fc.oneof(fc.constantFrom(1, 2, 3, 7, 64, 65_537), fc.integer({ min: 1, max: 65_537 }))

/** Whatever is written is read back, and whatever is broken is refused alike by all that read; on whatever database. */
export function roundTrips(start: (folder: string) => Promise<{ to: string; stop(): Promise<void> }>): void {
  let folder: string
  let database: Database
  let place: Awaited<ReturnType<typeof start>>

  before(async () => {
    folder = temporaryFolder()
    place = await start(folder)
    database = await openDatabase(place.to)
  })
  after(async () => {
    await database?.close()
    await place?.stop()
  })
  beforeEach(() => database.query('DROP TABLE IF EXISTS t'))

  const settings = ({ dialect }: Written) =>
    ({ to: place.to, table: 't', schema: SCHEMA, dialect, unknownColumns: 'ignore' }) satisfies Partial<LoadOptions>

  /** Loads into a new table: its rows, and the rejects. */
  async function loaded(written: Written, size: number): Promise<{ rows: Row[]; rejects: Reject[] }> {
    await database.query('DROP TABLE IF EXISTS t')
    const source = inPieces(written.bytes, size)
    const receipt = await load({ ...settings(written), source, restart: true, batchRows: 1 + (size % 5) })
    const { recordsRead, inserted, rejected, jobId } = receipt
    const rows = await database.query<Row>('SELECT a, CAST(n AS text) AS n, b, c FROM t')
    const rejects: Reject[] = []
    for await (const page of new JobStore(database).rejects(jobId)) rejects.push(...page)
    assert.equal(recordsRead, inserted + rejected, 'the receipt balances')
    assert.deepEqual([rows.length, rejects.length], [inserted, rejected], 'the receipt tells what is there')
    return { rows, rejects }
  }

  for (const [name, tables] of Object.entries({ delimited, json })) {
    test(`${name}: any table, written in any way, is read back as it was`, { timeout: 3_600_000 }, async () => {
      const property = fc.asyncProperty(tables, pieces, async (written, size) => {
        const { rows, rejects } = await loaded(written, size)
        assert.deepEqual(inOrder(rows), inOrder(written.rows))
        const [{ record, line, byteOffset, raw, errors }, ...more] = rejects as [Reject, ...Reject[]]
        assert.deepEqual({ record, line, byteOffset, raw: Buffer.from(raw) }, written.bad)
        assert.deepEqual([errors.map(({ column, code }) => [column, code]), more], [[['n', 'type-error']], []])
      })
      await fc.assert(property, { numRuns: RUNS, seed: SEED })
    })
  }

  test('check, load and the twin agree on every record of a changed file', { timeout: 3_600_000 }, async () => {
    const property = fc.asyncProperty(mutated, pieces, async (written, size) => {
      await database.query('DROP TABLE IF EXISTS t')
      const path = join(folder, 'changed')
      writeFileSync(path, written.bytes)
      const told: Reject[] = []
      const report = await outcome(() =>
        check({ ...settings(written), source: path, onReject: (one) => told.push(one) }),
      )
      const found = await outcome(() => loaded(written, size))
      if (typeof report === 'string' || typeof found === 'string') return assert.equal(found, report)
      assert.deepEqual(found.rejects.map(placed), told.map(placed), 'rejects of load and check')
      assert.equal(report.sound, found.rows.length, 'sound rows of check')
      const expected = await soundByTwin(path, settings(written), database)
      assert.deepEqual(told.map(brief), expected.rejects.map(brief), 'rejects of the twin')
      assert.deepEqual(inOrder(found.rows), inOrder(expected.rows), 'rows of the twin')
    })
    await fc.assert(property, { numRuns: RUNS, seed: SEED })
  })
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size)
}

/** What a function gives, or the code of the user's error that it throws. */
async function outcome<T extends object>(run: () => Promise<T>): Promise<T | string> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code === 'SLUICE_INTERNAL') throw error
    return error.code
  }
}

/** The twin's reading of a whole file, planned as a load plans it for a new table. */
async function soundByTwin(
  path: string,
  options: Omit<LoadOptions, 'source'>,
  database: Database,
): Promise<{ rows: Row[]; rejects: Reject[] }> {
  const [source] = await openSources(path, 'file')
  try {
    const { head, plan } = await planFirst(
      options,
      source!,
      database,
      { jobId: 'none', target: undefined },
      () => undefined,
    )
    const { program } = plan
    const bytes = (await source!.head(1_000_000)).bytes.subarray(head.start.byte)
    // A position at byte 0 is where records begin, whatever the dialect says.
    const given = { dialect: { ...head.dialect, header: false }, position: head.start }
    const encoding = database.encodingFor(program.columns, 'copy')
    const { rows, rejects } = twin(bytes, { ...given, program, encoding })
    const read = readRecords(bytes, given.dialect, { ...given, columns: program.sourceColumns })
    const cells = new Map([...read].map((record) => [record.byteOffset, record.cells]))
    const sound = rows.map(({ start }) => {
      const row: Row = { a: null, n: null, b: null, c: null }
      for (const { name, from } of program.columns) {
        const one = 'cell' in from ? cells.get(start)![from.cell] : undefined
        if (!one || (!one.quoted && one.text === '')) continue
        row[name as keyof Row] = name === 'n' ? String(BigInt(one.text)) : one.text
      }
      return row
    })
    return { rows: sound, rejects }
  } finally {
    await source!.close()
  }
}

const inOrder = (rows: readonly Row[]): string[] =>
  rows.map((row) => JSON.stringify(NAMES.map((name) => row[name]))).sort()

/** All of a reject. PostgreSQL has no NUL in its texts, so what is kept for people has U+FFFD there; the bytes stay. */
const placed = ({ record, line, byteOffset, errors, raw, rawLength }: Reject) => ({
  record,
  line,
  byteOffset,
  errors: JSON.stringify(errors.map(({ column, code, message, value }) => [column, code, message, value])).replaceAll(
    '\\u0000',
    '\ufffd',
  ),
  raw: Buffer.from(raw).toString('latin1'),
  rawLength,
})

const brief = ({ record, line, byteOffset, errors }: Reject) => ({
  record,
  line,
  byteOffset,
  errors: errors.map(({ column, code }) => [column, code]),
})
