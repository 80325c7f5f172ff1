import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { SluiceError } from '@sluice/engine'
import { type ApiKey, parseApiKeys } from './api-key.ts'
import { type Config, databaseUrl, type S3Place } from './config.ts'
import { parseBytes, parseSeconds } from './quantity.ts'

/** Where uploads wait: a bucket where `S3_BUCKET` names one, else a folder. */
export type StoragePlace = { kind: 'local'; folder: string } | ({ kind: 's3'; bucket: string } & S3Place)

/** What `sluice serve` is told, checked, with every default in its place. */
export interface ServiceConfig {
  databaseUrl: string
  storage: StoragePlace
  /** `SLUICE_TMP_DIR`; null: where each part has its own. */
  tmpFolder: string | null
  /** Null: none is configured, and the queue is in this process. */
  redisUrl: string | null
  host: string
  port: number
  /** Empty: whoever reaches the server may use it. */
  apiKeys: ApiKey[]
  /** Names, beside those of the loopback, by which a server without keys may be called: `SLUICE_ALLOWED_HOSTS`. */
  allowedHosts: string[]
  /** Origins whose pages may call the server, as `https://app.example.com`: `SLUICE_CORS_ORIGINS`. */
  corsOrigins: string[]
  /** Longest body of an upload in bytes. */
  maxUploadBytes: number
  /** Requests a minute that a key, or without keys an address, may make. */
  rateLimit: number
  /** Seconds in which a client that is waited for must send something. */
  bodyTimeoutSeconds: number
  /** Seconds for which the status of an upload that is over answers. */
  statusTtlSeconds: number
  /** Seconds in which a resumable upload must be whole. */
  uploadTtlSeconds: number
  profilesFolder: string | null
  defaultProfile: string | null
  /** Secrets that sign webhooks, each of them. Empty: they are not signed. */
  webhookSecrets: string[]
  /** Hosts, `host:port` and networks that webhooks may go to although they are private. */
  webhookAllow: string[]
  /** Whether `sluice serve` loads what is staged, although workers could: `SLUICE_SERVE_LOADS`. */
  serveLoads: boolean
  /** Loads at once. */
  concurrency: number
  /** Where `sluice worker` listens for Prometheus: `SLUICE_METRICS_PORT`; null: nowhere. */
  metricsPort: number | null
  logLevel: string
  debug: boolean
}

/**
 * Three: one lane stays free of large loads, and two more keep the two sides of a load, this process and the database, busy.
 * Each takes some 15 MB.
 */
const CONCURRENCY = 3
const MAX_UPLOAD_BYTES = 100 * 2 ** 30
/** A page that looks every 100 ms at ten uploads. */
const RATE_LIMIT = 6_000
const BODY_TIMEOUT_SECONDS = 30
const STATUS_TTL_SECONDS = 7 * 86_400
/** Two nights for a line that is not there by day. */
const UPLOAD_TTL_SECONDS = 2 * 86_400
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/**
 * @param flags win over the environment
 * @throws SluiceError SLUICE_CONFIG for the first variable that cannot be used
 */
export function readServiceConfig(
  env: NodeJS.ProcessEnv,
  config: Config,
  flags: { to?: string | undefined; port?: number | undefined; host?: string | undefined } = {},
): ServiceConfig {
  const apiKeys = env['SLUICE_API_KEYS'] ? parseApiKeys(env['SLUICE_API_KEYS']) : []
  const port = flags.port ?? read(env, 'PORT', portOf, 'a port, 0 to 65535', 3002)
  const host = flags.host ?? (env['HOST'] || (apiKeys.length > 0 ? '0.0.0.0' : '127.0.0.1'))
  const anonymous = read(env, 'SLUICE_ALLOW_ANONYMOUS', switchOf, '1 or 0', false)
  if (apiKeys.length === 0 && !anonymous && !isLoopback(host)) {
    throw new SluiceError(
      'SLUICE_CONFIG',
      `Without keys everyone who reaches ${host} could load and read data: set SLUICE_API_KEYS, leave HOST at 127.0.0.1, ` +
        'or say that this is meant with SLUICE_ALLOW_ANONYMOUS=1',
    )
  }
  return {
    databaseUrl: databaseUrl(flags.to, config),
    storage: storageOf(env, config),
    tmpFolder: env['SLUICE_TMP_DIR'] || null,
    redisUrl: read(
      env,
      'REDIS_URL',
      urlOf(['redis:', 'rediss:']),
      'a URL that begins with redis:// or rediss://',
      null,
    ),
    host,
    port,
    apiKeys,
    allowedHosts: read(env, 'SLUICE_ALLOWED_HOSTS', hostNamesOf, 'names of hosts, separated by commas', []),
    corsOrigins: read(env, 'SLUICE_CORS_ORIGINS', originsOf, 'origins such as https://app.example.com', []),
    rateLimit: read(env, 'SLUICE_RATE_LIMIT', rateOf, 'a number of requests a minute', RATE_LIMIT),
    bodyTimeoutSeconds: read(env, 'SLUICE_BODY_TIMEOUT', parseSeconds, 'a time such as 30s', BODY_TIMEOUT_SECONDS),
    maxUploadBytes: read(env, 'SLUICE_MAX_UPLOAD_BYTES', parseBytes, 'a size such as 10GB', MAX_UPLOAD_BYTES),
    statusTtlSeconds: read(env, 'SLUICE_STATUS_TTL', parseSeconds, 'a time such as 7d or 12h', STATUS_TTL_SECONDS),
    uploadTtlSeconds: read(env, 'SLUICE_UPLOAD_TTL', parseSeconds, 'a time such as 2d or 12h', UPLOAD_TTL_SECONDS),
    profilesFolder: config.profilesFolder,
    defaultProfile: env['SLUICE_DEFAULT_PROFILE'] || null,
    webhookSecrets: read(
      env,
      'SLUICE_WEBHOOK_SECRET',
      secretsOf,
      'one or several secrets of Standard Webhooks (whsec_ and base64), separated by blanks',
      [],
    ),
    webhookAllow: read(
      env,
      'SLUICE_WEBHOOK_ALLOW',
      networksOf,
      'hosts, host:port and networks such as 10.0.0.0/8, separated by commas',
      [],
    ),
    serveLoads: read(env, 'SLUICE_SERVE_LOADS', switchOf, '1 or 0', false),
    concurrency: read(env, 'SLUICE_CONCURRENCY', concurrencyOf, 'a number of loads, 2 to 64', CONCURRENCY),
    metricsPort: read(env, 'SLUICE_METRICS_PORT', portOf, 'a port, 0 to 65535', null),
    logLevel: read(env, 'LOG_LEVEL', logLevelOf, LOG_LEVELS.join(', '), 'info'),
    debug: config.debug,
  }
}

/** @throws SluiceError SLUICE_CONFIG */
function storageOf(env: NodeJS.ProcessEnv, { s3 }: Config): StoragePlace {
  const bucket = read(env, 'S3_BUCKET', bucketOf, 'the name of a bucket: 3 to 63 of a-z, 0-9, "." and "-"', null)
  const endpoint = read(
    env,
    'S3_ENDPOINT',
    urlOf(['http:', 'https:']),
    'a URL that begins with http:// or https://',
    null,
  )
  if (bucket === null && endpoint !== null) {
    throw new SluiceError('SLUICE_CONFIG', 'S3_ENDPOINT is set, but S3_BUCKET names no bucket for the uploads')
  }
  if (bucket === null) return { kind: 'local', folder: resolve(env['SLUICE_DATA_DIR'] || 'sluice-data') }
  return { kind: 's3', bucket, endpoint, region: s3.region }
}

/** The value of a variable; what it says is never repeated, as it may be a secret in the wrong place. */
function read<T>(
  env: NodeJS.ProcessEnv,
  name: string,
  parse: (text: string) => T | undefined,
  takes: string,
  otherwise: T | NoInfer<T>,
): T {
  const text = env[name]?.trim()
  if (!text) return otherwise
  const value = parse(text)
  if (value === undefined) throw new SluiceError('SLUICE_CONFIG', `${name} cannot be understood: it takes ${takes}`)
  return value
}

export const isLoopback = (host: string) =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
const within = (text: string, least: number, most: number) =>
  /^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : undefined
const portOf = (text: string) => within(text, 0, 65_535)
const rateOf = (text: string) => within(text, 1, 999_999_999)
const concurrencyOf = (text: string) => within(text, 2, 64)
const switchOf = (text: string) =>
  /^(1|true|yes|on)$/i.test(text) ? true : /^(0|false|no|off)$/i.test(text) ? false : undefined
const logLevelOf = (text: string) => (LOG_LEVELS.includes(text.toLowerCase()) ? text.toLowerCase() : undefined)
const bucketOf = (text: string): string | undefined =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(text) ? text : undefined
const urlOf =
  (schemes: string[]) =>
  (text: string): string | undefined =>
    URL.canParse(text) && schemes.includes(new URL(text).protocol) ? text : undefined

function hostNamesOf(text: string): string[] | undefined {
  const names = text.split(',').map((name) => name.trim().toLowerCase())
  return names.every((name) => /^[a-z0-9._-]+$/.test(name)) ? names : undefined
}

function originsOf(text: string): string[] | undefined {
  const origins = text.split(',').map((origin) => origin.trim())
  return origins.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin) ? origins : undefined
}

function secretsOf(text: string): string[] | undefined {
  const secrets = text.split(/\s+/)
  const base64 = /^(?:whsec_)?(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/
  return secrets.every((secret) => base64.test(secret)) ? secrets : undefined
}

function networksOf(text: string): string[] | undefined {
  const entries = text.split(',').map((entry) => entry.trim())
  return entries.every((entry) => isNetwork(entry) || isHost(entry)) ? entries : undefined
}

function isNetwork(entry: string): boolean {
  const [, address = '', bits] = /^([0-9a-f.:]+)\/(\d{1,3})$/i.exec(entry) ?? []
  const version = isIP(address)
  return version !== 0 && Number(bits) <= (version === 4 ? 32 : 128)
}

function isHost(entry: string): boolean {
  if (isIP(entry)) return true
  const [, host, port] = /^(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::(\d+))?$/i.exec(entry) ?? []
  return host !== undefined && (port === undefined || portOf(port) !== undefined)
}
