import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { userInfo } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { ConnectionOptions } from 'node:tls'
import pg from 'pg'
import { SluiceError } from '../../errors.ts'
import { explainConnect, reason } from './errors.ts'
import { passwordFromFile } from './passfile.ts'

/** A server, and how to get a connection to it. */
export interface Connector {
  /** `postgres://user@host:port/database`, without the password. */
  label: string
  /**
   * @param signal ends the try to connect
   * @throws SluiceError SLUICE_CONNECT
   */
  connect(signal?: AbortSignal): Promise<Connection>
  /** A connection beside the one in use; of a pool, not one of its own. */
  connectBeside(): Promise<Connection>
}

/** A server process, by its id and by when it began, because an id may come again. */
export interface Backend {
  pid: number
  began: string
}

export interface Connection {
  client: pg.ClientBase
  socket: Socket
  /** The process at the other end; null behind a pooler such as pgbouncer, where it changes. */
  backend: Backend | null
  /** Ends the connection. With `now` nothing is waited for: for one that is broken, or amid a statement. */
  end(now: boolean): Promise<void>
}

const CONNECT_TIMEOUT_MS = 10_000
/** Silence after which TCP asks whether the other end is still there. Node then gives up after ten more seconds. */
const KEEPALIVE_MS = 10_000

/** How long an orderly end waits for the server to close, in ms. */
const END_TIMEOUT_MS = 2_000

/** What every statement of ours relies on. Plain SETs, because pgbouncer keeps these and refuses startup options. */
const SETTINGS = "SET client_encoding TO 'UTF8'; SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO'"

/**
 * Takes `postgres://` URLs with libpq's parameters (`host port dbname user password sslmode sslrootcert sslcert sslkey
 * connect_timeout application_name options`), the matching PG* variables and the password file, or a pool of pg.
 * https://www.postgresql.org/docs/current/libpq-connect.html
 *
 * @throws SluiceError SLUICE_CONFIG when the URL cannot be understood
 */
export function connector(target: string | pg.Pool): Connector {
  return typeof target === 'string' ? urlConnector(target) : poolConnector(target)
}

function urlConnector(text: string): Connector {
  const { config, sslMode, label, ...files } = parseUrl(text)
  const open = async (ssl: ConnectionOptions | false, signal?: AbortSignal): Promise<Connection> => {
    const client = new pg.Client({ ...config, ssl, password: config.password ?? (() => passwordFor(config, label)) })
    ignoreLateErrors(client)
    const giveUp = () => socketOf(client).destroy()
    signal?.addEventListener('abort', giveUp)
    try {
      signal?.throwIfAborted()
      await client.connect()
      return {
        client,
        socket: socketOf(client),
        backend: await introduce(client),
        end: (now) => endClient(client, now),
      }
    } catch (error) {
      void endClient(client, true)
      throw error
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }
  const connect = async (signal?: AbortSignal): Promise<Connection> => {
    try {
      if (sslMode === 'disable' || config.host.startsWith('/')) return await open(false, signal)
      if (sslMode === 'allow') return await open(false, signal).catch(() => open({ rejectUnauthorized: false }, signal))
      const encrypted = open(await tlsOptions(sslMode, files), signal)
      if (sslMode !== 'prefer') return await encrypted
      return await encrypted.catch((error: unknown) => {
        if (/does not support SSL/.test(reason(error))) return open(false, signal)
        throw error
      })
    } catch (error) {
      throw error instanceof SluiceError ? error : explainConnect(error, { ...config, label })
    }
  }
  return { label, connect, connectBeside: connect }
}

function poolConnector(pool: pg.Pool): Connector {
  // Not connected; it only tells what the pool's options and the environment come to.
  const { host, port, user = '', database = '' } = new pg.Client(pool.options)
  const label = labelOf({ user, host, port, database })
  return {
    label,
    async connect(signal) {
      let client: pg.PoolClient | undefined
      try {
        client = await clientOf(pool, signal)
        ignoreLateErrors(client)
        const backend = await introduce(client)
        const { release } = client
        const socket = socketOf(client)
        return {
          client,
          socket,
          backend,
          // Never given back: the settings above are ours, not the pool's.
          async end(now) {
            release(true)
            if (now) socket.destroy()
          },
        }
      } catch (error) {
        client?.release(true)
        throw explainConnect(error, { label, host, port, user, database })
      }
    },
    async connectBeside() {
      const client = new pg.Client({ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, ...pool.options })
      ignoreLateErrors(client)
      try {
        await client.connect()
        return {
          client,
          socket: socketOf(client),
          backend: await introduce(client),
          end: (now) => endClient(client, now),
        }
      } catch (error) {
        void endClient(client, true)
        throw explainConnect(error, { label, host, port, user, database })
      }
    },
  }
}

/** A pool whose clients all are taken may give none for hours; one that comes when nobody waits for it any more goes back. */
function clientOf(pool: pg.Pool, signal: AbortSignal | undefined): Promise<pg.PoolClient> {
  return new Promise((resolve, reject) => {
    const giveUp = () => reject(new Error('the wait for a client of the pool was given up'))
    if (signal?.aborted) return giveUp()
    signal?.addEventListener('abort', giveUp, { once: true })
    pool.connect().then((client) => {
      signal?.removeEventListener('abort', giveUp)
      if (signal?.aborted) client.release()
      else resolve(client)
    }, reject)
  })
}

/** Says how values are to be written, and learns which process is at the other end. Both in the time that connecting has. */
async function introduce(client: pg.ClientBase): Promise<Backend | null> {
  const text = `${SETTINGS}; SELECT pid, backend_start::text AS began FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()`
  const results = (await client.query({
    text,
    query_timeout: CONNECT_TIMEOUT_MS,
  } as pg.QueryConfig)) as unknown as pg.QueryResult<Backend>[]
  const [backend] = results.at(-1)!.rows
  // What a pooler says at the start is its own invention.
  return backend && backend.pid === (client as unknown as { processID: number | null }).processID ? backend : null
}

function socketOf(client: pg.ClientBase): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}

async function endClient(client: pg.Client, now: boolean): Promise<void> {
  const ended = client.end()
  // A server that does not answer would not close either.
  if (!now) await Promise.race([ended, delay(END_TIMEOUT_MS, undefined, { ref: false })])
  socketOf(client).destroy()
}

/** An `error` event without a listener would end the process. */
function ignoreLateErrors(client: pg.ClientBase): void {
  client.on('error', () => {
    // The statement under way fails with the same error, or the next one does.
  })
}

/** Asked for only when the server wants a password and neither the URL nor PGPASSWORD gave one. */
async function passwordFor(login: Parameters<typeof passwordFromFile>[0], label: string): Promise<string> {
  const password = await passwordFromFile(login)
  if (password !== undefined) return password
  throw new SluiceError(
    'SLUICE_CONNECT',
    `${label} asks for a password, and there is none. Set it in the URL, in PGPASSWORD or in ~/.pgpass.`,
  )
}

type SslFiles = Pick<ReturnType<typeof parseUrl>, 'sslRootCert' | 'sslCert' | 'sslKey'>

/** libpq's sslmode: `require` encrypts, `verify-ca` also asks who signed, `verify-full` also whose certificate it is. */
async function tlsOptions(sslMode: string, { sslRootCert, sslCert, sslKey }: SslFiles): Promise<ConnectionOptions> {
  const read = async (path: string | undefined) => {
    if (path === undefined) return undefined
    // biome-ignore lint/plugin: a certificate or a key, some kilobytes
    return readFile(path).catch((cause: unknown) => {
      throw new SluiceError('SLUICE_CONFIG', `Cannot read the TLS file ${path}: ${reason(cause)}`, { cause })
    })
  }
  // `system` means the authorities that Node knows, as does no file at all.
  const ca = await read(sslRootCert === 'system' ? undefined : sslRootCert)
  const options: ConnectionOptions = { ca, cert: await read(sslCert), key: await read(sslKey) }
  // As in libpq, a root certificate makes `require` a `verify-ca`.
  options.rejectUnauthorized = sslMode.startsWith('verify') || (sslMode === 'require' && sslRootCert !== undefined)
  if (sslMode !== 'verify-full') options.checkServerIdentity = () => undefined
  return options
}

const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full']

function parseUrl(text: string) {
  // libpq allows credentials without a host, WHATWG URLs do not: `~` stands for it here.
  const url = URL.parse(text.replace(/@(?=[/?]|$)/, '@~'))
  if (url === null || !/^postgres(ql)?:$/.test(url.protocol)) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      'The database URL cannot be understood. It looks like postgres://user:password@host:5432/database; ' +
        'special characters in it must be percent-encoded, and there can be only one host.',
    )
  }
  const decode = (part: string) => {
    try {
      return decodeURIComponent(part)
    } catch {
      return part
    }
  }
  /** The parameter, else the part of the URL, else the environment variable. */
  const setting = (name: string, variable: string, part = ''): string | undefined =>
    url.searchParams.get(name) || decode(part) || process.env[variable] || undefined

  const host = setting('host', 'PGHOST', url.hostname.replace(/^~$|[[\]]/g, '')) ?? 'localhost'
  const port = numberOf('port', setting('port', 'PGPORT', url.port) ?? '5432')
  const user = setting('user', 'PGUSER', url.username) ?? userInfo().username
  const database = setting('dbname', 'PGDATABASE', url.pathname.slice(1)) ?? user
  const timeout = setting('connect_timeout', 'PGCONNECT_TIMEOUT')
  const sslMode = setting('sslmode', 'PGSSLMODE') ?? 'prefer'
  if (!SSL_MODES.includes(sslMode)) {
    throw new SluiceError('SLUICE_CONFIG', `sslmode=${sslMode} is unknown; it is one of ${SSL_MODES.join(', ')}`)
  }
  const config = {
    host,
    port,
    user,
    database,
    password: setting('password', 'PGPASSWORD', url.password),
    application_name: setting('application_name', 'PGAPPNAME') ?? 'sluice',
    options: setting('options', 'PGOPTIONS'),
    connectionTimeoutMillis: timeout === undefined ? CONNECT_TIMEOUT_MS : numberOf('connect_timeout', timeout) * 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEPALIVE_MS,
  }
  return {
    config,
    label: labelOf(config),
    sslMode,
    sslRootCert: setting('sslrootcert', 'PGSSLROOTCERT'),
    sslCert: setting('sslcert', 'PGSSLCERT'),
    sslKey: setting('sslkey', 'PGSSLKEY'),
  }
}

function labelOf({
  user,
  host,
  port,
  database,
}: {
  user: string
  host: string
  port: number
  database: string
}): string {
  return `postgres://${user}@${host.includes(':') ? `[${host}]` : host}:${port}/${database}`
}

function numberOf(name: string, text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new SluiceError('SLUICE_CONFIG', `${name}=${text} in the database URL is not a number`)
}
