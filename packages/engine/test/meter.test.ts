import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Job } from '../src/checkpoint/job.ts'
import { Meter } from '../src/meter.ts'
import type { Progress } from '../src/receipt.ts'

const COUNTS = { inserted: 10, updated: 0, unchanged: 0, duplicates: 0 }
const JOB = { ...COUNTS, jobId: 'a job', inserted: 0, recordsRead: 0, rejected: 0, bytesCommitted: 0, bytesTotal: 300 }

function meter() {
  const reports: Progress[] = []
  return { reports, meter: new Meter(JOB as Job, (progress) => reports.push(progress)) }
}

const commit = (meter: Meter, bytes: number) =>
  meter.committed(10, { ...COUNTS, job: undefined, rejects: [] }, [], bytes)

test('what is committed right behind a report is told soon, though no commit follows', async () => {
  const { meter: it, reports } = meter()
  for (const bytes of [100, 200, 300]) commit(it, bytes)
  assert.deepEqual(
    reports.map(({ inserted }) => inserted),
    [10],
  )
  await delay(500)
  assert.deepEqual(
    reports.map(({ inserted, bytesCommitted }) => [inserted, bytesCommitted]),
    [
      [10, 100],
      [30, 300],
    ],
  )
})

test('nothing is told once the load is over', async () => {
  const { meter: it, reports } = meter()
  commit(it, 100)
  commit(it, 200)
  it.close()
  await delay(300)
  assert.equal(reports.length, 1)
})
