import type { Job, Mark } from '../checkpoint/job.ts'
import type { ErrorCode } from '../errors.ts'
import type { Batch } from '../parse/batch.ts'
import type { Dialect } from '../parse/dialect.ts'
import type { Reject } from '../reject/reject.ts'
import type { ColumnType, Encoding, ProgramColumn, Storage } from '../schema/program.ts'

/** A value in a parameter or a result. Timestamps travel as ISO 8601 text, JSON as text, both ways. */
export type SqlValue = string | number | bigint | boolean | null | Uint8Array

/** A connection that runs one statement. Parameters are `$1`, `$2`, … in both databases. */
export interface Sql {
  query<Row = Record<string, SqlValue>>(text: string, params?: SqlValue[]): Promise<Row[]>
}

/** A statement of a transaction. */
export interface Statement {
  text: string
  params?: SqlValue[]
  /** What the transaction fails with when this gives no row. */
  orElse?: { code: ErrorCode; message: string }
}

export interface TableName {
  /** Null: PostgreSQL's search path, SQLite's main. */
  schema: string | null
  table: string
}

/** A column as the database has it (`pg_attribute`, `PRAGMA table_xinfo`). */
export interface TargetColumn {
  name: string
  /** The declared type, as the database prints it. */
  declared: string
  type: ColumnType
  storage: Storage
  nullable: boolean
  hasDefault: boolean
  /** Generated, or an identity column: never written. */
  generated: boolean
  /** Of varchar(n) and char(n), in characters. */
  maxLength: number | null
  /**
   * Of timestamp(p) and time(p) with p below 6: the digits of a second's fraction that the column keeps. PostgreSQL rounds
   * more away in silence, in binary and in text, so the checks before it must refuse them.
   */
  fractionDigits?: number
}

export interface TargetTable {
  name: TableName
  columns: TargetColumn[]
  /** Names of the primary key's columns, in order; empty: none. */
  primaryKey: string[]
  /** Column lists of the unique indexes that have no predicate and no expression, the primary key's among them. */
  uniqueKeys: string[][]
  /** Nothing that becomes of a row depends on the rows before it: there is no unique key, trigger or the like. Default: false. */
  inAnyOrder?: boolean
  /** Of a table that this load has made: the unique key whose index is built when all rows are in. */
  lateKey?: string[]
}

/** A column of a table that is to be created. */
export interface NewColumn {
  name: string
  type: ColumnType
  required: boolean
  unique: boolean
  /** Compared byte by byte, whatever the database's language is, which is quicker. */
  bytewise?: boolean
  /** What the database fills it with where a row has no value: a number of its own, which makes it the primary key, or the current time. */
  filledWith?: 'number' | 'now'
}

/** What the batches of one load have in common. */
export interface LoadPlan {
  jobId: string
  segment: number
  /** Name of the source, kept with its rejects. */
  source?: string
  /** Where the job's rejects go, `T` or `schema.T`. Default: `failed_imports`. */
  rejectTable?: string | undefined
  table: TableName
  columns: ProgramColumn[]
  /** Types of the table's columns that rows are made for, as {@link TargetColumn.declared} was; those that are missing are looked up. */
  declared?: ReadonlyMap<string, string> | undefined
  /** For each column where its values come from: what rejects call it, and its cell in the source, if it has one. */
  origins: { header: string; cell: number | null }[]
  /** For taking a refused row's record apart. */
  dialect: Dialect
  encoding: Encoding
  /** How rows travel to PostgreSQL; SQLite has one way. */
  write: 'copy' | 'unnest'
  /** Of one transaction, at most, where batches share one. Default: a transaction for each batch. */
  rows?: number
  /** Set where `table` is one in which the rows wait. */
  stagedFor?: StagedFor | undefined
  /** What becomes of a row whose key is taken. Undefined: the database refuses it, and it is a reject (`unique-error`). */
  conflict?: Conflict | undefined
  /** Lease epoch under which this process may commit; a checkpoint with another epoch refuses the commit. */
  epoch: number
}

/**
 * What becomes of a row whose key an earlier row has, of this source or of any before. Rows are taken one after the other, as they stand in
 * the source, whatever the batches are: a row that the database refuses takes no key.
 */
export interface Conflict {
  /** Columns of a unique key of the table, all of them among those of the load. A row with a NULL in them has no key. */
  key: string[]
  /** `skip`: it is a duplicate, the row that came first stays. `update`: it takes that row's place. */
  action: 'skip' | 'update'
  /** Duplicates are stored among the rejects too, with the code `duplicate`. */
  told: boolean
  /** The key's index may not be there yet: as long as it is not, no key is taken. */
  late?: boolean
  /** Equal rows of one load are different ones: they wait in another table, and are numbered when they leave it. */
  counted?: boolean
  /** With `skip`, a column of the row that stays, which gets the current time. */
  renews?: string | undefined
}

/** The table that staged rows go to. */
export interface StagedFor {
  table: TableName
  /** Its unique keys among the columns of the load: a row whose key is taken there is refused. Empty: its rows are going to be replaced. */
  keys: string[][]
}

/**
 * Who is to blame for an error: a row (it becomes a reject), the moment (trying again may help), or the surroundings
 * (the load fails, and can be resumed once they are put right).
 */
export type Cause = 'data' | 'transient' | 'environment'

/** The counters of a job with all its segments. */
export type JobCounts = Pick<
  Job,
  'recordsRead' | 'inserted' | 'updated' | 'unchanged' | 'duplicates' | 'rejected' | 'bytesCommitted'
>

/** What became of the rows of a batch; `rejects` holds those that the database refused. */
export interface Outcome {
  /** Of the whole job behind the batch, where other processes may be at work on it. */
  job?: JobCounts
  inserted: number
  updated: number
  unchanged: number
  duplicates: number
  rejects: Reject[]
}

/** Which rejects of the job a batch brings in again, instead of the next part of a source. */
export interface Replay {
  /** For each record of the batch, in order, its ordinal in the job. */
  records: number[]
  /** Rejects that did not even become records of the batch, and why. */
  refused: Pick<Reject, 'record' | 'errors'>[]
}

/** What may be true of a batch. */
export interface Circumstances {
  /** It holds corrected rejects: they are closed in the same transaction, and no checkpoint moves. */
  replay?: Replay
  /**
   * Settles with the batch before it in the source. This one is committed behind that one, never before; when that one fails,
   * so does this one, with the same error.
   */
  after?: Promise<unknown> | undefined
}

/**
 * A database that rows are loaded into. Two implementations: `postgres/` and `sqlite/` (which works in a thread of its
 * own, because node:sqlite is synchronous). Every method throws a {@link SluiceError} for what is not in the data.
 */
export interface Database extends Sql {
  readonly kind: 'postgres' | 'sqlite'
  /** For messages: the URL without its password. */
  readonly label: string
  /** Batches that {@link commit} takes at once. */
  readonly parallel: number
  /** SQL for the current time, in the form in which our own tables store times. */
  readonly now: string
  /** Undefined where there is no such table. */
  describe(table: TableName): Promise<TargetTable | undefined>
  /** How a column of this type would be stored in a table that is created here. */
  storageFor(type: ColumnType): Storage
  /** CREATE TABLE; throws when the table exists. */
  createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void>
  /** Runs all statements in one transaction, or none of them. Resolves when the commit is durable. */
  transact(statements: Statement[]): Promise<void>
  /** The encoding in which the kernel must write rows of these columns. */
  encodingFor(columns: ProgramColumn[], write: 'copy' | 'unnest'): Encoding
  /** Called once before the first {@link commit}. */
  prepare(plan: LoadPlan): Promise<void>
  /** Whether an error of this database is a row's fault, may pass, or is for someone to put right. */
  classify(error: unknown): Cause
  /**
   * Commits a batch in one transaction, which it may share with its neighbours: rows, rejects, checkpoint and the job's counters. Rows that the database
   * refuses become rejects in the same transaction. Resolves when the commit is durable; the batch may be reused then.
   *
   * Up to {@link parallel} batches may be on their way at once; each one but the first names the one before it as `after`.
   */
  commit(batch: Batch, to: Mark, circumstances?: Circumstances): Promise<Outcome>
  close(): Promise<void>
}
