import { SluiceError } from '../../errors.ts'
import type { RejectCode } from '../../reject/reject.ts'
import type { Cause } from '../database.ts'

/** SQLite's primary result codes (https://sqlite.org/rescode.html): their cause, and what to do. All others are the environment's. */
const CODES: Record<number, { name: string; cause: Cause; advice?: string }> = {
  5: {
    name: 'BUSY',
    cause: 'transient',
    advice: 'Another process keeps the database locked; try again when it is done',
  },
  6: { name: 'LOCKED', cause: 'transient' },
  7: { name: 'NOMEM', cause: 'environment', advice: 'There is not enough memory' },
  8: { name: 'READONLY', cause: 'environment', advice: 'The file and its folder must be writable' },
  10: { name: 'IOERR', cause: 'environment', advice: 'The disk or the file system failed' },
  11: { name: 'CORRUPT', cause: 'environment', advice: 'The file is damaged; see https://sqlite.org/recovery.html' },
  13: {
    name: 'FULL',
    cause: 'environment',
    advice: 'Make room on the disk (or raise max_page_count), then run the same command again',
  },
  14: { name: 'CANTOPEN', cause: 'environment', advice: 'Check that the folder exists and that you may write to it' },
  15: { name: 'PROTOCOL', cause: 'transient' },
  17: { name: 'SCHEMA', cause: 'transient', advice: 'The tables were changed at the same time' },
  18: { name: 'TOOBIG', cause: 'data' },
  19: { name: 'CONSTRAINT', cause: 'data' },
  20: { name: 'MISMATCH', cause: 'data' },
  26: { name: 'NOTADB', cause: 'environment', advice: 'The file is not an SQLite database; choose another one' },
}

/** Extended result codes of SQLITE_CONSTRAINT that Frictionless has a word for. */
const CONSTRAINTS: Record<number, RejectCode> = {
  275: 'constraint-error', // CHECK
  787: 'constraint-error', // FOREIGNKEY
  1299: 'constraint-error', // NOTNULL
  1555: 'unique-error', // PRIMARYKEY
  2067: 'unique-error', // UNIQUE
  2579: 'unique-error', // ROWID
}

/** An error of node:sqlite; `errcode` is SQLite's extended result code. */
export type SqliteError = Error & { errcode: number; errstr: string }

export function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
}

/** Sorts an error by its cause; that of a {@link SluiceError} is its `cause`'s. */
export function classify(error: unknown): Cause {
  if (error instanceof SluiceError) return error.cause === undefined ? 'environment' : classify(error.cause)
  return (isSqliteError(error) && CODES[error.errcode & 0xff]?.cause) || 'environment'
}

export function rejectCode({ errcode }: SqliteError): RejectCode {
  return CONSTRAINTS[errcode] ?? 'database-error'
}

/** What a user is told of an error; one that says it all already is passed on. */
export function explain(error: unknown, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  if (isSqliteError(error)) {
    const { name, advice } = CODES[error.errcode & 0xff] ?? {}
    const code = name === undefined ? `code ${error.errcode}` : `SQLITE_${name}`
    const message = `SQLite failed ${doing}: ${error.message} (${code})${advice ? `. ${advice}` : ''}`
    return new SluiceError('SLUICE_DATABASE', message, { cause: error })
  }
  const system = error instanceof Error && 'syscall' in error
  const message = error instanceof Error ? error.message : String(error)
  return new SluiceError(system ? 'SLUICE_DATABASE' : 'SLUICE_INTERNAL', `Failed ${doing}: ${message}`, {
    cause: error,
  })
}

/** An error as it travels between threads, where errors lose the properties of their own. */
export interface SentError {
  code: SluiceError['code']
  message: string
  cause: { message: string; errcode?: number; errstr?: string; code?: string; stack?: string } | undefined
}

export function sendError({ code, message, cause }: SluiceError): SentError {
  if (!(cause instanceof Error)) return { code, message, cause: undefined }
  const { errcode, errstr, code: ownCode } = cause as Partial<SqliteError> & { code?: string }
  return { code, message, cause: { message: cause.message, errcode, errstr, code: ownCode, stack: cause.stack } }
}

export function receiveError({ code, message, cause }: SentError): SluiceError {
  return new SluiceError(code, message, cause && { cause: Object.assign(new Error(cause.message), cause) })
}
