import type { Readable } from 'node:stream'
import type { Pool } from 'pg'
import type { Boundaries } from './boundaries.ts'
import type { Dialect } from './parse/dialect.ts'
import type { Progress } from './receipt.ts'
import type { Dedupe } from './schema/plan.ts'
import type { TableSchema } from './schema/table-schema.ts'

/** A row as a `map` hook sees it: the cells by header name, before transforms; NULL is null. */
export type Row = Record<string, string | null>

/** A source of the caller's own that can be read again from any byte, such as an object of S3. */
export interface ByteSource {
  /** For messages and the job's record. */
  name: string
  /** In bytes; null where it is not known. Where it is, a source that ends earlier or later fails the load. */
  size: number | null
  /** Tells whether this is the source of an interrupted load: anything that JSON can hold, such as an ETag. */
  fingerprint: unknown
  /** The bytes from an offset on. Nothing is asked for before it can be used, nor behind `toByte`, where that is given. */
  read(fromByte: number, toByte?: number): AsyncIterable<Uint8Array>
  /**
   * Places at which records begin, as a {@link BoundaryIndex} finds them: with these several processes load the source at once, each
   * with the same `jobId`. Default: null, one process does.
   */
  boundaries?: Boundaries | null
}

/** How a load is to be done. Only `source` has no default. */
export interface LoadOptions {
  /** Path, glob, list of paths, a stream of bytes, or a source of one's own. Several files are one job under one receipt. */
  source: string | string[] | Readable | AsyncIterable<Uint8Array> | ByteSource
  /** Name for messages and the job's record where the source is a stream. Default: `stream`. */
  sourceName?: string | undefined
  /** `postgres://…`, `sqlite:PATH` or a pool. Default: `$DATABASE_URL`, else `sqlite:sluice.db`. */
  to?: string | Pool | undefined
  /** `T` or `schema.T`. Default: the file's name without its extensions, other than word characters as `_`. */
  table?: string | undefined
  /** Frictionless Table Schema. Default: inferred from a sample. */
  schema?: TableSchema | undefined
  /** What is not given is sniffed. */
  dialect?: Partial<Dialect> | undefined
  /**
   * Key columns (of the table). Default: the schema's `primaryKey`; where keys are compared (`dedupe`, `onConflict`), else that of the
   * table. A table that exists must have a unique index on exactly these.
   */
  key?: string[] | undefined
  /**
   * What becomes of a record whose key an earlier one has, of this source or of any before: a reject (`unique-error`), nothing
   * (counted as a duplicate), or the new values of the row. Default: `reject`.
   */
  onConflict?: 'reject' | 'skip' | 'update' | undefined
  /**
   * Which records are the same, and loaded once only. `key`: those with the same key; the later ones also become rejects with the code
   * `duplicate`. `content`: those whose columns all are the same, told by their SHA-256 in the column `content_hash`. `content:count`: the
   * same, but equal records of one load are different ones, told by their numbers: what is loaded again adds nothing, and what stands in
   * it three times is in the table three times. All rows become visible at once then, as with `atomic`. Default: `none`.
   */
  dedupe?: Dedupe | undefined
  /**
   * Records that `dedupe: 'content'` is to expect, in a table that it makes. A Bloom filter of that size, 131 MB for 100,000,000, tells which of
   * them may come twice; of more records it tells less, which costs time and nothing else. Default: one in 50 bytes of the source, at
   * most 100,000,000; 1,000,000 where its size is not known.
   */
  expectedRows?: number | undefined
  /** `replace` swaps the whole table's rows in one transaction, at the end. Default: `append`. */
  mode?: 'append' | 'replace' | undefined
  /**
   * All rows become visible at once, at the end, or none: they wait in a table beside the target, also through interruptions, and
   * a load that fails or is cancelled publishes nothing. `replace` always does so. Default: false.
   */
  atomic?: boolean | undefined
  /** How rows travel to PostgreSQL. Default: `copy`. */
  write?: 'copy' | 'unnest' | undefined
  /** Records a transaction, at most. Default: 50,000; 1,000 with `unnest`. */
  batchRows?: number | undefined
  /**
   * Connections to PostgreSQL that bring batches in at once; they are committed in the order of the source. With 3 or more, a local file
   * whose rows may come in any order is divided into segments, and as many threads load it. Default: 2.
   */
  parallel?: number | undefined
  /** Rejected records allowed: more than `rows`, or more than `percent` of those read, fail the load. Default: no limit. */
  maxErrors?: { rows: number } | { percent: number } | undefined
  /** The table of the job's rejects, `T` or `schema.T`; made on first use, several jobs may share it. Default: `failed_imports`. */
  rejectTable?: string | undefined
  /** Path of a CSV file that gets the rejects as well. */
  rejects?: string | undefined
  /** Header → column, where the names differ. */
  rename?: Record<string, string> | undefined
  /** Headers that are not loaded. */
  skip?: string[] | undefined
  /** Column → the same value for every row; null is NULL. */
  set?: Record<string, string | null> | undefined
  /** Adds the columns `_job`, `_file` and `_line`. Default: false. */
  provenance?: boolean | undefined
  /**
   * Columns of the source that the table (of a new one, the schema) has not: refuse the job, leave them out, or keep them together in the
   * column `metadata`, as a JSON object. Default: `reject`.
   */
  unknownColumns?: 'reject' | 'ignore' | 'metadata' | undefined
  /**
   * Bytes to which a compressed source may grow; SLUICE_DECODED_SIZE beyond. Default: 250 times what was read of it, and at least
   * 100 MiB.
   */
  maxDecodedBytes?: number | undefined
  /** Longest record in bytes, of the decoded text. Default: 16 MiB. */
  maxRecordBytes?: number | undefined
  /** Stop after this many records. */
  limit?: number | undefined
  /** Forget an interrupted load of the same source and table, and start over. */
  restart?: boolean | undefined
  /** Load files also where the table has got the same content already, by a load before. Default: false, they are skipped. */
  force?: boolean | undefined
  /**
   * A UUID for the job. A job that has it goes on, if source and settings are the same and it is neither complete nor cancelled;
   * else a new one gets it, also where another load of the same source and table is unfinished. Default: the unfinished job of this
   * source and table, else a new one.
   */
  jobId?: string | undefined
  /**
   * Changes or refuses a row before it is checked: returns the row, changed or not and with all its columns, or a message
   * that makes it a reject (`constraint-error`). It sees every record that can be taken apart, and works on strings and
   * synchronously, some ten times slower than the checks alone. Types are inferred from the source as it is before.
   * When it throws, returns a promise or anything else, or adds a column, the load fails with SLUICE_MAP and can be resumed.
   */
  map?: ((row: Row) => Row | string) | undefined
  /** Aborting drains: the batch in flight is committed, then `load` rejects with SLUICE_INTERRUPTED. */
  signal?: AbortSignal | undefined
  /** Told of what is committed, at most ten times a second. What it throws ends the load, which can be resumed, and is thrown by `load`. */
  onProgress?: ((progress: Progress) => void) | undefined
  /** Sentences about what was decided for the user: the sniffed dialect, inferred types, a created table, retries. */
  onNotice?: ((message: string) => void) | undefined
}
