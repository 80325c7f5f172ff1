/** Why a record was refused: Frictionless's error types, and five of our own. */
export const REJECT_CODES = [
  'type-error',
  'constraint-error',
  'missing-cell',
  'extra-cell',
  'unique-error',
  'encoding-error',
  'quote-error',
  'record-too-large',
  'json-error',
  'duplicate',
  'database-error',
] as const

export type RejectCode = (typeof REJECT_CODES)[number]

/** One thing that is wrong with a record. */
export interface RejectError {
  /** The source's header name of the column; null where the error is of the record as a whole. */
  column: string | null
  code: RejectCode
  /** A sentence for people, e.g. `"abc" is not an integer`. */
  message: string
  /** The cell as it stands in the source (unquoted, before transforms), cut at {@link VALUE_LIMIT} characters; null where there is none. */
  value: string | null
}

/** A record that was not loaded: where it is, what is wrong with it, and its bytes. */
export interface Reject {
  /** Ordinal of the record in the job, from 1; header, blank and comment lines not counted. */
  record: number
  /** Physical line on which the record starts, from 1, in its own file. */
  line: number
  /** Offset in bytes of the record's first byte in its own file, after decompression, before decoding. */
  byteOffset: number
  /** In the order of the columns in the source; never empty. */
  errors: RejectError[]
  /** The record's own bytes without its line end, cut at {@link RAW_LIMIT}. */
  raw: Uint8Array
  /** Length in bytes of the whole record. */
  rawLength: number
}

/** A reject, and where in the job it is from. */
export interface PlacedReject extends Reject {
  /** Ordinal of the source in the job, from 0. */
  segment: number
  /** Name of the source; null where it was not kept. */
  source: string | null
}

/** Bytes of a rejected record that are kept; 64 KB. */
export const RAW_LIMIT = 65_536
/** Characters of a rejected value that are kept beside its message. */
export const VALUE_LIMIT = 1_000
/** Errors kept of one record: a line of 5,000 extra cells must not make 5,000 messages. */
export const ERRORS_LIMIT = 64
