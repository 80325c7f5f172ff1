import { type JobStore, type Receipt, SluiceError } from '@sluice/engine'
import type { Upload } from './upload.ts'

/**
 * The receipt of a completed upload, from its job. Its time is that of the whole job, however many processes worked on it.
 * @throws SluiceError SLUICE_JOB where it is not complete
 */
export async function receiptOf({ uploadId, state, job }: Upload, jobs: JobStore): Promise<Receipt> {
  if (state !== 'completed' || job?.completedAt == null) {
    throw new SluiceError('SLUICE_JOB', `Upload ${uploadId} is ${state} and has no receipt yet`)
  }
  const elapsedMs = Math.max(0, Date.parse(job.completedAt) - Date.parse(job.startedAt ?? job.completedAt))
  const { source, targetTable: table, recordsRead, inserted, updated, unchanged, duplicates, rejected } = job
  return {
    jobId: uploadId,
    status: 'completed',
    source,
    table,
    recordsRead,
    inserted,
    updated,
    unchanged,
    duplicates,
    rejected,
    bytes: job.bytesTotal ?? job.bytesCommitted,
    elapsedMs,
    rowsPerSecond: elapsedMs === 0 ? 0 : Math.round((recordsRead * 1000) / elapsedMs),
    rejectsByCode: job.rejectsByCode ?? (await jobs.rejectCounts(uploadId)),
    resumedAtRecord: 0,
  }
}
