import assert from 'node:assert/strict'
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BatchTrace, JobTrace } from '../src/diagnostics.ts'
import { load } from '../src/load.ts'
import { retry } from '../src/write/retry.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const folder = temporaryFolder()

const schema = { fields: [{ name: 'id', type: 'integer' as const }, { name: 'name' }] }

test('a job and its batches tell what they do, and add up to the receipt', async () => {
  const source = join(folder, 'people.csv')
  const rows = Array.from({ length: 5_000 }, (_, i) => (i % 50 === 7 ? `x,${i}\n` : `${i},name\n`))
  writeFileSync(source, `id,name\n${rows.join('')}`)
  const jobs: [string, JobTrace][] = []
  const batches: BatchTrace[] = []
  const onJob = {
    start: (job: JobTrace) => void jobs.push(['start', job]),
    asyncEnd: (job: JobTrace) => void jobs.push(['end', job]),
  }
  const onBatch = { asyncEnd: (batch: BatchTrace) => void batches.push(batch) }
  tracingChannel<JobTrace>('sluice:job').subscribe(onJob as never)
  tracingChannel<BatchTrace>('sluice:batch').subscribe(onBatch as never)
  const receipt = await load({
    source,
    to: `sqlite:${join(folder, 'test.db')}`,
    schema,
    dialect: { header: true },
    batchRows: 1_000,
  })
  tracingChannel<JobTrace>('sluice:job').unsubscribe(onJob as never)
  tracingChannel<BatchTrace>('sluice:batch').unsubscribe(onBatch as never)

  assert.deepEqual(
    jobs.map(([when]) => when),
    ['start', 'end'],
  )
  const { jobId, table, database, record } = jobs[0]![1]
  assert.deepEqual([jobId, table, database, record], [receipt.jobId, receipt.table, 'sqlite', 0])
  assert.ok(batches.length >= 5)
  const sum = (of: (batch: BatchTrace) => number) => batches.reduce((all, batch) => all + of(batch), 0)
  assert.equal(
    sum(({ records }) => records),
    5_000,
  )
  assert.equal(
    sum(({ result }) => result!.outcome.inserted),
    receipt.inserted,
  )
  assert.equal(
    sum(({ result }) => result!.rejects.length),
    receipt.rejected,
  )
  assert.equal(
    sum(({ bytes }) => bytes),
    receipt.bytes - 'id,name\n'.length,
  )
  assert.ok(batches.every(({ filledForMs }) => filledForMs > 0))
})

test('each new try is told', async () => {
  const told: unknown[] = []
  const listen = (report: unknown) => void told.push(report)
  channel('sluice:retry').subscribe(listen)
  let tries = 0
  const work = async () => {
    if (++tries < 3) throw new Error('away')
    return tries
  }
  assert.equal(await retry(work, { classify: () => 'transient' }), 3)
  channel('sluice:retry').unsubscribe(listen)
  assert.deepEqual(
    told.map((report) => (report as { reason: string }).reason),
    ['away', 'away'],
  )
})
