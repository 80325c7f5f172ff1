import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { load } from '../../src/load.ts'
import type { LoadOptions } from '../../src/options.ts'
import type { Receipt } from '../../src/receipt.ts'
import type { Sql } from '../../src/write/database.ts'

/** Whether the long forms run (`npm run torture`). */
export const LONG = process.env.SLUICE_TORTURE === '1'

/** Of every random choice; `SLUICE_TORTURE_SEED` repeats a run. */
export const SEED = Number(process.env.SLUICE_TORTURE_SEED ?? (LONG ? randomInt(2 ** 31) : 1))

const ROWS = 60
/** Of each: no number, and the id of an earlier row. */
const BAD = [7, 33]
const REPEATED = [21, 58]

/** A file of 60 records in three batches; two that the checks refuse and two that the database refuses. */
export function writeSmallFile(path: string): void {
  const lines = Array.from({ length: ROWS }, (_, i) => {
    const record = i + 1
    const id = BAD.includes(record) ? 'none' : REPEATED.includes(record) ? record - 20 : record
    return `${id},name of ${record},${'x'.repeat(100)}`
  })
  writeFileSync(path, `id,name,filler\n${lines.join('\n')}\n`)
}

export function smallLoad(source: string, to: string, more: Partial<LoadOptions> = {}): Promise<Receipt> {
  const schema = {
    fields: [
      { name: 'id', type: 'integer' },
      { name: 'name', type: 'string' },
      { name: 'filler', type: 'string' },
    ],
  }
  return load({ source, to, table: 't', schema, key: ['id'], batchRows: 20, ...more } as LoadOptions)
}

/** One complete load of the file, and nothing else: each row once, each reject once, the counters right. */
export async function assertSmallLoad(sql: Sql, what: string): Promise<void> {
  const rejected = [...BAD, ...REPEATED].sort((a, b) => a - b)
  const rows = await sql.query<{ id: number; name: string }>('SELECT id, name FROM t ORDER BY id')
  const expected = Array.from({ length: ROWS }, (_, i) => i + 1).filter((id) => !rejected.includes(id))
  assert.deepEqual(
    rows.map(({ id, name }) => `${id} ${name}`),
    expected.map((id) => `${id} name of ${id}`),
    what,
  )
  const rejects = await sql.query<{ record: number }>('SELECT record FROM failed_imports ORDER BY record')
  assert.deepEqual(
    rejects.map(({ record }) => Number(record)),
    rejected,
    what,
  )
  const jobs = await sql.query('SELECT status, records_read, inserted, rejected FROM ingestion_jobs')
  assert.deepEqual(
    jobs.map((job) => [job.status, Number(job.records_read), Number(job.inserted), Number(job.rejected)]),
    [['COMPLETED', ROWS, ROWS - rejected.length, rejected.length]],
    what,
  )
  const leases = await sql.query('SELECT segment FROM ingestion_checkpoints WHERE NOT done OR lease_owner IS NOT NULL')
  assert.deepEqual(leases, [], what)
}
