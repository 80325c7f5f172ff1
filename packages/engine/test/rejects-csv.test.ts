import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import fc from 'fast-check'
import type { StoredReject } from '../src/checkpoint/job.ts'
import { CSV } from '../src/parse/dialect.ts'
import { readRecords } from '../src/parse/records.ts'
import { isFormula, latin } from '../src/rejects-cell.ts'
import { rejectLine, rejectsHead } from '../src/rejects-csv.ts'
import { type Correction, readCorrections } from '../src/replay-file.ts'
import { COMPOSED, composer } from '../src/replay-record.ts'
import type { Source } from '../src/source/source.ts'

const JOB = '7d3f1c9e-52a4-4b9c-9a8e-2b6f0d1c4e55'
const SIGNS = [
  '=',
  '+',
  '-',
  '@',
  '\t',
  '\r',
  '\n',
  "'",
  '"',
  ' ',
  ',',
  ';',
  '\\',
  '\\x',
  '%',
  '＝',
  '\u00a0',
  '\ufeff',
  'é',
  'a',
  '0',
  '',
]
const text = fc.oneof(
  fc.string(),
  fc.array(fc.constantFrom(...SIGNS), { maxLength: 6 }).map((signs) => signs.join('')),
)
/** One character a byte: text, or bytes that are mostly no UTF-8. */
const cell = fc.oneof(
  text.map(latin),
  fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
)
const name = text.map((one) => one.trim())

/** Files of a job, each with columns of its own and one record that may be short or long. */
const job = fc
  .uniqueArray(fc.uniqueArray(name, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
  .chain((headers) =>
    fc.record({
      headers: fc.constant(headers),
      delimiter: fc.constantFrom(',', '€', '||'),
      records: fc.tuple(...headers.map(() => fc.array(fc.option(cell), { minLength: 1, maxLength: 5 }))),
      edits: fc.tuple(
        ...headers.map((header) => fc.array(cell, { minLength: header.length, maxLength: header.length })),
      ),
    }),
  )

const quote = (one: string | null) => (one === null ? '' : `"${one.replaceAll('"', '""')}"`)

function rejectOf(cells: (string | null)[], segment: number, delimiter: string): StoredReject {
  const raw = Buffer.from(cells.map(quote).join(latin(delimiter)), 'latin1')
  const errors = [{ column: null, code: 'constraint-error' as const, message: '=no', value: null }]
  const place = { id: 1, jobId: JOB, segment, source: `@${segment}.csv`, createdAt: '', closedAt: null }
  return { ...place, record: segment + 1, line: segment + 2, byteOffset: 0, errors, raw, rawLength: raw.length }
}

async function corrections(csv: Buffer, columns: string[]): Promise<Correction[]> {
  async function* read(): AsyncGenerator<Uint8Array, void, void> {
    yield csv
  }
  const source = { name: 'rejects.csv', head: async () => ({ bytes: csv, complete: true }), read } as Partial<Source>
  return Array.fromAsync(readCorrections(source as Source, JOB, columns, 2 ** 20))
}

const cellsOf = (bytes: Buffer) =>
  [...readRecords(bytes, CSV)].map(({ cells }) => cells.map((one) => Buffer.from(one.bytes).toString('latin1')))

test('whatever cells and names are: the CSV is UTF-8, no formula, and comes back as it was or as it was edited', async () => {
  await fc.assert(
    fc.asyncProperty(job, async ({ headers, delimiter, records, edits }) => {
      const [header, ...others] = headers as [string[], ...string[][]]
      const named = Object.fromEntries(others.map((one, i) => [`${i + 1}`, one]))
      const settings = { header, headers: named, dialect: { ...CSV, delimiter } }
      const columns = [...new Set(headers.flat())]
      // A line that is one empty cell without quotes is no record.
      const rejects = records.map((cells, i) => rejectOf(cells.length === 1 ? [cells[0] ?? ''] : cells, i, delimiter))
      const csv = Buffer.concat([rejectsHead(settings), ...rejects.map(rejectLine(settings))])
      assert.ok(isUtf8(csv))
      for (const one of cellsOf(csv).flat()) assert.ok(!isFormula(one) || one.startsWith("'"), one)

      const compose = composer(settings, () => [])
      const unchanged = await corrections(csv, columns)
      for (const [i, correction] of unchanged.entries()) {
        const given = { raw: Buffer.from(rejects[i]!.raw), isText: false, rawLength: undefined }
        const raw: Correction = { record: i + 1, given }
        assert.deepEqual(compose(correction, rejects[i]!), compose(raw, rejects[i]!))
      }

      // Edited by the names of its own file, as a program would: what is not UTF-8 cannot be written there as it is.
      for (const [i, own] of headers.entries()) {
        const values = edits[i]!.map((value) => Buffer.from(value, 'latin1').toString())
        const before = unchanged[i]!.given as { cells: { text: string; quoted: boolean }[] }
        if (own.every((column, at) => before.cells[columns.indexOf(column)]!.text === latin(values[at]!))) continue
        const cells = columns.map((column) => quote(own.includes(column) ? values[own.indexOf(column)]! : ''))
        const head = rejectsHead(settings).toString().split('sluice_record')[0]
        const file = Buffer.from(`${head}sluice_record\n${cells.join(',')},${i + 1}\n`)
        const [edited] = await corrections(file, columns)
        const composed = compose(edited!, rejects[i]!)
        const isWhole = own.slice(1).every((_, at) => values[at + 1] === '')
        if (isWhole && typeof composed !== 'string') continue
        assert.equal(typeof composed, 'string')
        const [row] = readRecords(Buffer.from(composed as string, 'latin1'), COMPOSED, {
          position: { byte: 1, line: 1, record: 0 },
        })
        assert.deepEqual(
          row!.cells.map((one) => one.text),
          values,
        )
      }
    }),
    { numRuns: 500 },
  )
})

test('a file whose record does not end is refused, and not held', async () => {
  let given = 0
  async function* read(first: string): AsyncGenerator<Uint8Array, void, void> {
    yield Buffer.from(first)
    for (; given < 100; given++) yield Buffer.alloc(2 ** 16, 'x')
  }
  for (const first of ['{"record":1,"raw":"', 'sluice_record,a\n1,"']) {
    given = 0
    const head = async () => ({ bytes: Buffer.from(first), complete: false })
    const source = { name: 'rejects', head, read: () => read(first) } as Partial<Source>
    const reading = Array.fromAsync(readCorrections(source as Source, JOB, ['a'], 2 ** 20))
    await assert.rejects(reading, { code: 'SLUICE_DIALECT', message: /holds more than 2162688 bytes without the end/ })
    assert.ok(given < 40, `${given} chunks were asked for`)
  }
})

test('a file of no rejects corrects none', async () => {
  assert.deepEqual(await corrections(Buffer.alloc(0), ['a']), [])
})
