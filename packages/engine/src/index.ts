export { type Boundaries, BoundaryIndex } from './boundaries.ts'
export { type CheckedColumn, type CheckOptions, type CheckReport, check } from './check.ts'
export {
  type Checkpoint,
  isAnnounced,
  isJobId,
  type Job,
  type JobStatus,
  type StoredReject,
  toJob,
} from './checkpoint/job.ts'
export { JobStore } from './checkpoint/job-store.ts'
export { addColumn, migrate, type Step, type TableSet } from './checkpoint/migrate.ts'
export { leaseOwner, livesNoMore } from './checkpoint/owner.ts'
export { createTables } from './checkpoint/tables.ts'
export { BloomFilter, type BloomOptions } from './dedupe/bloom.ts'
export type { BatchTrace, JobTrace, LeaseLostReport, RetryReport } from './diagnostics.ts'
export { ERRORS, type ErrorCode, SluiceError } from './errors.ts'
export { load } from './load.ts'
export { createLoadStream, type LoadStream } from './load-stream.ts'
export type { ByteSource, LoadOptions, Row } from './options.ts'
export type { Dialect } from './parse/dialect.ts'
export { pruneJobs } from './prune.ts'
export type { Progress, Receipt } from './receipt.ts'
export type { PlacedReject, Reject, RejectCode, RejectError } from './reject/reject.ts'
export { rejectText } from './reject-text.ts'
export { rejectsCsv } from './rejects-csv.ts'
export { type ReplayOptions, type ReplayReceipt, replay } from './replay.ts'
export type { ColumnEvidence } from './schema/infer.ts'
export { type ErrorBudget, type Profile, parseProfile } from './schema/profile.ts'
export { emitTableSchema, parseTableSchema, type TableSchema } from './schema/table-schema.ts'
export { fullName } from './table-name.ts'
export { targetName } from './target.ts'
export type { Database } from './write/database.ts'
export { openDatabase, refuseMissingFile } from './write/open.ts'
