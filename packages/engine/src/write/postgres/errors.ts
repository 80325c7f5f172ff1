import type { DatabaseError } from 'pg'
import { SluiceError } from '../../errors.ts'
import type { RejectCode } from '../../reject/reject.ts'
import type { Cause } from '../database.ts'

/**
 * SQLSTATEs, and their classes of two characters, that are not the environment's; the longer entry wins.
 * PostgreSQL, appendix A: https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const CAUSES: Record<string, Exclude<Cause, 'environment'>> = {
  '22': 'data', // data exception
  '23': 'data', // integrity constraint violation
  '44000': 'data', // WITH CHECK OPTION violation of a view
  '54000': 'data', // program limit: a value too long for an index
  '54001': 'data', // statement too complex: JSON nested deeper than the server's stack
  P0: 'data', // raised by PL/pgSQL: RAISE, ASSERT, STRICT
  '08': 'transient', // connection exception
  '40': 'transient', // transaction rollback: serialization, deadlock
  '25P03': 'transient', // idle_in_transaction_session_timeout
  '25P04': 'transient', // transaction_timeout
  '42710': 'transient', // somebody creates the same table at this moment: it will be found
  '42P07': 'transient',
  '53300': 'transient', // too many connections
  '55P03': 'transient', // lock_timeout
  '57014': 'transient', // statement_timeout, or cancelled by an administrator
  '57P01': 'transient', // administrator's shutdown, pg_terminate_backend
  '57P02': 'transient', // crash of another backend
  '57P03': 'transient', // starting up or shutting down
  '57P05': 'transient', // idle_session_timeout
}

/** In class 22, but no row's fault: malformed COPY data, which is a defect of sluice. */
const MALFORMED_COPY = '22P04'

/**
 * Functions of the server whose errors are a row's, whatever their code: RAISE ... USING ERRCODE may give any, and a row-level security policy
 * that a row violates is told like a missing right.
 */
const RAISE = 'exec_stmt_raise'
const CHECK_OPTIONS = 'ExecWithCheckOptions'

/** What to do about a missing right. */
const RIGHTS =
  " The role needs INSERT on the table; and SELECT, INSERT, UPDATE and DELETE on sluice's own tables with USAGE of their sequences, or CREATE on the schema to make them."

/** Codes of Node for a connection that broke or did not come about. ENOTFOUND is a wrong name, not a moment's trouble. */
const BROKEN_CONNECTION = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

/** What pg says, without a code, when the connection ends under it. */
const ENDED =
  /^(Connection terminated|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed)/

/** Sorts an error of the driver or of the server by cause; that of a {@link SluiceError} is its `cause`'s. */
export function classify(error: unknown): Cause {
  if (error instanceof SluiceError) return error.cause === undefined ? 'environment' : classify(error.cause)
  if (isDatabaseError(error)) {
    const code = error.code ?? ''
    const known = CAUSES[code] ?? CAUSES[code.slice(0, 2)]
    if (known === 'transient' || code === MALFORMED_COPY) return known === 'transient' ? known : 'environment'
    return known ?? (error.routine === RAISE || error.routine === CHECK_OPTIONS ? 'data' : 'environment')
  }
  return isConnectionLoss(error) ? 'transient' : 'environment'
}

/**
 * Whether waiting may help to open a database at all: the server is starting up or full, or the connection broke while
 * it was made. Nobody there, or no answer in time, is most likely a wrong address, and told at once.
 */
export function mayStillOpen(error: unknown): boolean {
  const cause = error instanceof SluiceError ? error.cause : error
  if (isDatabaseError(cause)) return classify(cause) === 'transient'
  return nodeCode(cause) === 'ECONNRESET' || /^Connection terminated unexpectedly/.test(reason(cause))
}

/** Whether the server itself said it. By its shape, because a caller's pool may come from another copy of pg. */
export function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof Error && 'severity' in error && 'code' in error
}

/** Whether the bytes of a COPY are not what the server takes them for; poolers say 08P01 of anything, too. */
export function isMalformed(error: unknown): boolean {
  const state = sqlState(error)
  return state === MALFORMED_COPY || state === '08P01'
}

/** Whether the server has no room for one more connection. */
export function isFull(error: unknown): boolean {
  return sqlState(error instanceof SluiceError ? error.cause : error) === '53300'
}

/** Whether the connection is gone, or was never made. */
function isConnectionLoss(error: unknown): boolean {
  if (isDatabaseError(error) || !(error instanceof Error)) return false
  return BROKEN_CONNECTION.has(nodeCode(error)) || ENDED.test(error.message)
}

/** The reject code of a data error. */
export function rejectCode({ code = '', routine }: Pick<DatabaseError, 'code' | 'routine'>): RejectCode {
  // As the checks before the database have it: too long for varchar(n) is a constraint, no number is a type.
  if (code === '23505') return 'unique-error'
  if (code === '22021' || code === '22P05') return 'encoding-error'
  if (code === '22001' || code.startsWith('23') || routine === CHECK_OPTIONS) return 'constraint-error'
  return code.startsWith('22') ? 'type-error' : 'database-error'
}

/**
 * An error of a statement as a {@link SluiceError}: SLUICE_CONNECT where the connection is gone, else SLUICE_DATABASE;
 * `cause` keeps the original. `doing` completes "… while".
 */
export function explain(error: unknown, label: string, doing: string): SluiceError {
  if (error instanceof SluiceError) return error
  if (isConnectionLoss(error) || sqlState(error)?.startsWith('57P0')) {
    return new SluiceError('SLUICE_CONNECT', `The connection to ${label} broke while ${doing}: ${reason(error)}`, {
      cause: error,
    })
  }
  const code = sqlState(error)
  const hint = isDatabaseError(error) && error.hint ? ` Hint: ${error.hint}` : code === '42501' ? RIGHTS : ''
  return new SluiceError(
    'SLUICE_DATABASE',
    `${label} failed while ${doing}: ${reason(error)}${code ? ` (SQLSTATE ${code})` : ''}.${hint}`,
    { cause: error },
  )
}

/** An error of connecting as a SLUICE_CONNECT that says what to do about it. */
export function explainConnect(
  error: unknown,
  server: { label: string; host: string; port: number; user: string; database: string },
): SluiceError {
  const { label, host, port, user, database } = server
  const place = host.startsWith('/') ? `the socket in ${host} (port ${port})` : `${host}:${port}`
  const state = sqlState(error)
  const why = reason(error)
  let message = `Cannot connect to ${label}: ${why}.`
  if (state === '28P01' || state === '28000' || why.startsWith('SASL')) {
    message =
      `${label} refused the login of user "${user}": ${why}. ` +
      'Set the password in the URL, in PGPASSWORD or in ~/.pgpass; sslmode and pg_hba.conf decide as well who may enter.'
  } else if (state === '3D000') {
    message = `There is no database "${database}" at ${place}: ${why}. Create it with createdb, or name another one.`
  } else if (nodeCode(error) === 'ECONNREFUSED' || nodeCode(error) === 'ENOENT') {
    message = `No PostgreSQL server answers at ${place}: ${why}. Is it running, and are host and port right?`
  } else if (nodeCode(error) === 'ENOTFOUND') {
    message = `There is no host named "${host}": ${why}. Check the URL, or PGHOST.`
  } else if (nodeCode(error) === 'ETIMEDOUT' || /timeout/.test(why)) {
    message = `${place} did not answer in time: ${why}. Is a firewall in between? connect_timeout in the URL sets the limit in seconds.`
  }
  return new SluiceError('SLUICE_CONNECT', message, { cause: error })
}

/** Message and detail as the server wrote them, without a full stop at the end. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // Node tries every address of a name and reports all failures in an AggregateError whose own message is empty.
  const message = error.message || (error instanceof AggregateError ? error.errors.map(reason).join('; ') : error.name)
  const detail = isDatabaseError(error) && error.detail ? `: ${error.detail}` : ''
  return `${message}${detail}`.replace(/\.$/, '')
}

function sqlState(error: unknown): string | undefined {
  return isDatabaseError(error) ? error.code : undefined
}

function nodeCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}
