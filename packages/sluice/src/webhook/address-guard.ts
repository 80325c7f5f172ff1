import { type LookupAddress, lookup } from 'node:dns'
import { isIP } from 'node:net'
import { SluiceError } from '@sluice/engine'
import ipaddr from 'ipaddr.js'

/** Finds every address of a name. */
export type Resolve = (hostname: string) => Promise<LookupAddress[]>

/** As the system resolves names, its hosts file included. */
const systemResolve: Resolve = (hostname) =>
  new Promise((resolve, reject) => {
    lookup(hostname, { all: true }, (error, addresses) => (error ? reject(error) : resolve(addresses)))
  })

/** Of Azure's virtual machines: metadata and secrets, at an address that looks public. */
const METADATA = new Set(['168.63.129.16'])
/** IPv6 addresses that are given out as public ones (RFC 4291, section 2.4; IANA). All others are refused, known or not. */
const GLOBAL_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/**
 * Judges where a webhook may go: to public addresses, and to what `SLUICE_WEBHOOK_ALLOW` names. Otherwise whoever may upload could
 * have this server call what only it can reach (SSRF).
 */
export class AddressGuard {
  readonly #allow: string[]
  readonly #resolve: Resolve

  /** @param allow hosts, `host:port`, addresses and networks, as `SLUICE_WEBHOOK_ALLOW` has them */
  constructor(allow: string[], resolve: Resolve = systemResolve) {
    this.#allow = allow.map((entry) => entry.toLowerCase())
    this.#resolve = resolve
  }

  /**
   * Every address of the URL's host, each of them checked: who connects takes one of these, and does not ask again.
   * @throws SluiceError SLUICE_USAGE when one of them is refused; what the resolver throws
   */
  async addresses(url: URL): Promise<LookupAddress[]> {
    // URL has made one form of decimal, octal and hexadecimal addresses already.
    const host = hostOf(url)
    const family = isIP(host)
    const addresses = family === 0 ? await this.#resolve(host) : [{ address: host, family }]
    if (addresses.length === 0) throw new SluiceError('SLUICE_USAGE', `${host} has no address`)
    if (!addresses.every(({ address }) => isPublic(address) || this.#isAllowed(url, address))) {
      throw new SluiceError(
        'SLUICE_USAGE',
        `${host} is, or has, an address that is not public; the operator may allow it with SLUICE_WEBHOOK_ALLOW`,
      )
    }
    return addresses
  }

  #isAllowed(url: URL, address: string): boolean {
    const port = url.port || (url.protocol === 'https:' ? '443' : '80')
    const names = [hostOf(url), url.hostname.toLowerCase(), address, `[${address}]`]
    return this.#allow.some((entry) =>
      entry.includes('/')
        ? isWithin(address, entry)
        : names.some((name) => entry === name || entry === `${name}:${port}`),
    )
  }
}

/** Whether an address is one of the internet. What cannot be read is not. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address) || METADATA.has(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed instanceof ipaddr.IPv6 && !parsed.match(GLOBAL_IPV6)) return false
  // Mapped, translated and tunnelled IPv4 addresses have ranges of their own.
  return parsed.range() === 'unicast'
}

function isWithin(address: string, network: string): boolean {
  const parsed = ipaddr.process(address)
  const [base, bits] = ipaddr.parseCIDR(network)
  return parsed.kind() === base.kind() && parsed.match([base, bits])
}

function hostOf({ hostname }: URL): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}
