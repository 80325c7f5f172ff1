import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type CheckReport, check } from '../../src/check.ts'
import { JobStore } from '../../src/checkpoint/job-store.ts'
import { compressionOf } from '../../src/decode/compression.ts'
import { charsetOf, decodeWhole } from '../../src/decode/encodings.ts'
import { SluiceError } from '../../src/errors.ts'
import { load } from '../../src/load.ts'
import { planFirst } from '../../src/plan-source.ts'
import type { Reject } from '../../src/reject/reject.ts'
import { openSources } from '../../src/source/open.ts'
import { unpacked } from '../../src/unpack.ts'
import { openDatabase } from '../../src/write/open.ts'
import { storageFor } from '../../src/write/sqlite/columns.ts'
import { Random } from '../support/random.ts'
import { twin } from '../twin/twin.ts'
import { type FuzzInput, fuzzInput } from './inputs.ts'

/** What became of an input, in a form that can be compared. */
interface Fate {
  error: string | null
  recordsRead: number
  rejected: number
  rejects: string[]
}

/**
 * Gives one input, made from `seed`, to everything that reads: `check` on the file, `check` on a stream in pieces, the twin, and, with
 * `loads`, `load` into SQLite. They must agree on every record, and nothing may fail but with an error of the user's.
 * @param folder for the file and the database
 * @throws AssertionError with the input in its message
 */
export async function execute(seed: number, folder: string, loads: boolean): Promise<void> {
  const random = new Random(seed)
  const input = fuzzInput(random)
  try {
    await compare(input, random, folder, loads)
  } catch (error) {
    const options = JSON.stringify(input.options)
    throw new Error(`seed ${seed}: ${(error as Error).message}\n${input.what}\n${options}`, { cause: error })
  }
}

async function compare(input: FuzzInput, random: Random, folder: string, loads: boolean): Promise<void> {
  const { bytes, options } = input
  const source = join(folder, 'input.csv')
  const to = `sqlite:${join(folder, 'fuzz.db')}`
  writeFileSync(source, bytes)
  const settings = { ...options, unknownColumns: 'ignore' as const }
  const rejects: Reject[] = []
  const whole = await fateOf(rejects, () =>
    check({ ...settings, source, to: 'sqlite:missing.db', onReject: (one) => rejects.push(one) }),
  )
  const sizes = Array.from({ length: 5 }, () => random.pick([1, 2, 7, 63, 64, 65, 1000, 4096]))
  const arrived: Reject[] = []
  const pieces = piecesOf(bytes, bytes.length > 4096 ? [4096, 1000, 65_537] : sizes)
  const streamed = await fateOf(arrived, () =>
    check({ ...settings, source: pieces, to: 'sqlite:missing.db', onReject: (one) => arrived.push(one) }),
  )
  assert.deepEqual(streamed, whole, 'a stream in pieces differs from the file')
  if (whole.error === null) await compareTwin(input, source, whole, rejects)
  if (loads) await compareLoad(settings, source, to, whole)
}

async function fateOf(rejects: Reject[], run: () => Promise<CheckReport>): Promise<Fate> {
  try {
    const { recordsRead, sound, rejected } = await run()
    assert.equal(recordsRead, sound + rejected, 'the report balances')
    assert.equal(rejects.length, rejected, 'every reject is told')
    return { error: null, recordsRead, rejected, rejects: rejects.map(lineOf) }
  } catch (error) {
    return { ...failed(error), rejects: [] }
  }
}

/** Of a file that is damaged, and grows beyond its limit before that, either is told: in which order they are met depends on the pieces. */
const UNPACKING: readonly string[] = ['SLUICE_CORRUPT', 'SLUICE_DECODED_SIZE']

function failed(error: unknown): Omit<Fate, 'rejects'> {
  if (!(error instanceof SluiceError) || error.code === 'SLUICE_INTERNAL') throw error
  return { error: UNPACKING.includes(error.code) ? UNPACKING.join(' or ') : error.code, recordsRead: 0, rejected: 0 }
}

function lineOf({ record, line, byteOffset, errors, raw, rawLength }: Reject): string {
  const what = errors.map(({ column, code, message, value }) => [column, code, message, value])
  return JSON.stringify([record, line, byteOffset, what, Buffer.from(raw).toString('hex'), rawLength])
}

/** The twin reads the decoded text whole, by the grammar. */
async function compareTwin(
  { bytes, options }: FuzzInput,
  path: string,
  whole: Fate,
  rejects: readonly Reject[],
): Promise<void> {
  const [stored] = await openSources(path, 'stream')
  const source = await unpacked(stored!, {})
  try {
    const place = { kind: 'sqlite', storageFor } as const
    const given = { ...options, unknownColumns: 'ignore' as const }
    const { head, plan } = await planFirst(given, source, place, { jobId: 'none', target: undefined }, () => undefined)
    const { dialect, start } = head
    const content = contentOf(bytes)
    const charset = charsetOf(dialect.encoding)
    const text = decodeWhole(content, charset)
    const before = decodeWhole(content.subarray(0, start.byte), charset).length
    const position = { ...start, byte: before }
    const found = twin(text.subarray(before), {
      program: plan.program,
      // A position at byte 0 is where records begin, whatever the dialect says.
      dialect: { ...dialect, header: false },
      encoding: 'sqlite-page',
      position,
      ...(options.maxRecordBytes !== undefined && { maxRecordBytes: options.maxRecordBytes }),
    })
    const { limit = Number.POSITIVE_INFINITY } = options
    const expected = found.rejects.filter(({ record }) => record <= limit)
    assert.equal(whole.recordsRead, Math.min(found.records, limit), 'records of the twin')
    const brief = (one: Reject, byteOffset: number) =>
      JSON.stringify([one.record, one.line, byteOffset, one.errors.map(({ column, code }) => [column, code])])
    const offset = (byte: number) => charset.sourceLength(text.subarray(0, byte))
    assert.deepEqual(
      rejects.map((one) => brief(one, one.byteOffset)),
      expected.map((one) => brief(one, offset(one.byteOffset))),
      'rejects of the twin',
    )
  } finally {
    await source.close()
  }
}

function contentOf(bytes: Uint8Array): Uint8Array {
  const compression = compressionOf(bytes)
  return compression === 'gzip' ? gunzipSync(bytes) : compression === 'zstd' ? zstdDecompressSync(bytes) : bytes
}

async function compareLoad(
  settings: FuzzInput['options'] & { unknownColumns: 'ignore' },
  source: string,
  to: string,
  whole: Fate,
): Promise<void> {
  const database = await openDatabase(to)
  try {
    await database.query('DROP TABLE IF EXISTS t')
    let fate: Fate
    try {
      const receipt = await load({ ...settings, source, to, table: 't', restart: true })
      const { recordsRead, inserted, updated, unchanged, duplicates, rejected, jobId } = receipt
      assert.equal(recordsRead, inserted + updated + unchanged + duplicates + rejected, 'the receipt balances')
      const [rows] = await database.query<{ n: number }>('SELECT count(*) AS n FROM t')
      assert.equal(rows!.n, inserted, 'rows in the table')
      const rejects: string[] = []
      for await (const page of new JobStore(database).rejects(jobId)) rejects.push(...page.map(lineOf))
      fate = { error: null, recordsRead, rejected, rejects }
    } catch (error) {
      fate = { ...failed(error), rejects: [] }
      if (whole.error === null) throw error
    }
    assert.deepEqual(fate, whole, 'load differs from check')
  } finally {
    await database.close()
  }
}

async function* piecesOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.slice(at, at + size)
    at += size
  }
}
