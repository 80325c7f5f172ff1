import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { ApiKey } from '../api-key.ts'
import { isLoopback, type ServiceConfig } from '../service-config.ts'
import { Problem } from './problem.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The key that the client showed; null where the server has none. */
    apiKey: ApiKey | null
  }
  interface FastifyContextConfig {
    /** Answers without a key. */
    open?: boolean
  }
}

type Guarded = Pick<ServiceConfig, 'apiKeys' | 'host' | 'allowedHosts' | 'corsOrigins'>

/**
 * Lets through who may: with keys, whoever shows one of them; without, whoever is not led here by a foreign page.
 */
export function guard(app: FastifyInstance, config: Guarded): void {
  app.decorateRequest('apiKey', null)
  app.addHook('onRequest', async (request) => {
    refuseForeignPages(request.raw, config)
    if (config.apiKeys.length === 0 || request.routeOptions.config.open) return
    request.apiKey = keyOf(request.headers.authorization, config.apiKeys)
  })
}

/** The key that an Authorization header shows. @throws Problem 401 */
export function keyOf(authorization: string | undefined, keys: ApiKey[]): ApiKey {
  const challenge = { headers: { 'www-authenticate': 'Bearer realm="sluice"' } }
  if (authorization === undefined) {
    throw new Problem(401, 'This call needs a key: send Authorization: Bearer KEY', challenge)
  }
  const token = /^Bearer +(\S+) *$/i.exec(authorization)?.[1]
  const key = token === undefined ? undefined : findKey(keys, token)
  if (!key) {
    throw new Problem(401, 'This key is not one of the server', {
      headers: { 'www-authenticate': 'Bearer realm="sluice", error="invalid_token"' },
    })
  }
  return key
}

/** The key of a token. All hashes are compared, each in constant time, so that the time of the answer tells nothing. */
function findKey(keys: ApiKey[], token: string): ApiKey | undefined {
  const hash = createHash('sha256').update(token).digest()
  let found: ApiKey | undefined
  for (const key of keys) if (timingSafeEqual(hash, key.hash)) found = key
  return found
}

/**
 * A browser sends what a foreign page asks for from wherever it stands, behind firewalls too. Without keys nothing else tells its
 * requests from the user's own, so the page is looked at: by `Origin` and `Sec-Fetch-Site` (CSRF), and by the name that the
 * server was called by, which a page can only make its own by DNS rebinding.
 * @throws Problem 400, 403
 */
export function refuseForeignPages(
  { headers, headersDistinct, method }: Pick<IncomingMessage, 'headers' | 'headersDistinct' | 'method'>,
  config: Guarded,
): void {
  const { host, origin } = headers
  // A proxy in front may have gone by the other one (RFC 9112, section 3.2).
  if (host === undefined || headersDistinct['host']!.length > 1)
    throw new Problem(400, 'The request has no Host header, or more than one')
  if (config.apiKeys.length === 0 && !isOwnHost(host, config)) {
    throw new Problem(
      403,
      'The Host header does not name this server; SLUICE_ALLOWED_HOSTS lists the names it may have',
    )
  }
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    if (!config.corsOrigins.includes(origin)) throw new Problem(403, 'Pages of other origins may not call this server')
  } else if (origin === undefined && method !== 'GET' && method !== 'HEAD') {
    const site = headers['sec-fetch-site']
    if (site === 'cross-site' || site === 'same-site') {
      throw new Problem(403, 'Pages of other origins may not call this server')
    }
  }
}

function isOwnHost(header: string | undefined, { host, allowedHosts }: Guarded): boolean {
  const name = /^(\[[\da-f:.]+\]|[^:]+)(?::\d+)?$/i
    .exec(header ?? '')?.[1]
    ?.toLowerCase()
    .replace(/\.$/, '')
  if (name === undefined) return false
  if (allowedHosts.includes(name) || name === host) return true
  const address = name.replace(/^\[(.*)\]$/, '$1')
  if (name.endsWith('.localhost') || isLoopback(address)) return true
  // Where others may come in, they call it by its address, or by a name of their own network; rebinding needs a public name.
  return !isLoopback(host) && (isIP(address) !== 0 || !name.includes('.'))
}
