/**
 * The one table of error codes. Everything sluice throws is a {@link SluiceError}; a bad row is never thrown, it is a
 * value (see `reject/`). `exit` is the process exit code of the command line, as in the reference.
 */
export const ERRORS = {
  SLUICE_USAGE: { exit: 2, what: 'A flag, an option or an environment variable is wrong or missing' },
  SLUICE_CONFIG: { exit: 2, what: 'The configuration cannot be used: a database URL, a profile, a settings file' },
  SLUICE_SCHEMA: { exit: 2, what: 'The schema is not valid, or asks for what sluice cannot do' },
  SLUICE_COLUMNS: { exit: 2, what: 'The columns of the source and of the table do not fit together' },
  SLUICE_DIALECT: { exit: 2, what: 'The dialect of the source cannot be determined, or was given wrong' },
  SLUICE_SOURCE_NOT_FOUND: { exit: 2, what: 'The source does not exist or cannot be opened' },
  SLUICE_SOURCE_EMPTY: { exit: 2, what: 'The source has no header and no record' },
  SLUICE_SOURCE_CHANGED: { exit: 2, what: 'The source or a setting of meaning differs from the interrupted load' },
  SLUICE_SOURCE_READ: { exit: 1, what: 'Reading the source failed, or it ended early' },
  SLUICE_CORRUPT: {
    exit: 1,
    what: 'A source is truncated or corrupt: compressed data, or a JSON document that does not close',
  },
  SLUICE_DECODED_SIZE: { exit: 1, what: 'A compressed source grows beyond the limit when it is decompressed' },
  SLUICE_CONNECT: { exit: 1, what: 'The database cannot be reached or refuses the login' },
  SLUICE_DATABASE: {
    exit: 1,
    what: 'The database failed for a reason that is not in the data: disk, permission, a missing table',
  },
  SLUICE_LEASE_LOST: { exit: 1, what: 'Another process has taken over this job' },
  SLUICE_JOB: { exit: 2, what: 'No such job, or it is not in a state that allows this' },
  SLUICE_STORAGE: { exit: 1, what: 'The storage of uploads cannot be reached, is full or refuses' },
  SLUICE_IDEMPOTENCY: { exit: 2, what: 'An Idempotency-Key was used for another request before' },
  SLUICE_ALL_REJECTED: { exit: 1, what: 'The first records were all rejected, so the load was stopped' },
  SLUICE_ERROR_BUDGET: { exit: 3, what: 'More records were rejected than --max-errors allows' },
  SLUICE_MAP: { exit: 1, what: 'The map function threw, or returned what is not a row' },
  SLUICE_INTERRUPTED: { exit: 130, what: 'The load was interrupted; it can be resumed' },
  SLUICE_INTERNAL: { exit: 1, what: 'A defect of sluice itself' },
} as const

export type ErrorCode = keyof typeof ERRORS

/** An error with a code of {@link ERRORS}, a message that says what happened, where and what to do, and its cause. */
export class SluiceError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SluiceError'
    this.code = code
  }
}
