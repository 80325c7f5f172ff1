import { createHash } from 'node:crypto'
import { SluiceError } from '@sluice/engine'

/** A key that opens the HTTP API. The key itself is not kept. */
export interface ApiKey {
  /** Names the key in the database and in logs; nobody can tell the key from it. */
  id: string
  /** SHA-256 of the key. */
  hash: Buffer
  /** What it may be used for; null: everything. */
  profiles: string[] | null
  tables: string[] | null
}

/**
 * Reads `SLUICE_API_KEYS`: keys separated by commas, each `KEY` or `sha256:HEX`, and behind it, where it is bound,
 * `;profiles=a|b` and `;tables=t|s.t`.
 * @throws SluiceError SLUICE_CONFIG that names the place and never the key
 */
export function parseApiKeys(text: string): ApiKey[] {
  const keys = text.split(',').map((entry, i) => parseApiKey(entry.trim(), i + 1))
  const twice = keys.findIndex(({ id }, i) => keys.findIndex((key) => key.id === id) !== i)
  if (twice !== -1) throw wrong(twice + 1, 'is given twice')
  return keys
}

function parseApiKey(entry: string, nth: number): ApiKey {
  const [key = '', ...bounds] = entry.split(';').map((part) => part.trim())
  const hash = hashOfKey(key, nth)
  const bound: Record<string, string[]> = {}
  for (const one of bounds) {
    const [, name, list] = /^(profiles|tables)=(.+)$/.exec(one) ?? []
    const names = list?.split('|').map((word) => word.trim())
    if (!name || names?.includes('') || name in bound) {
      throw wrong(nth, 'may be followed by ;profiles=a|b and ;tables=t|s.t, each once, and by nothing else')
    }
    bound[name] = names!
  }
  const id = createHash('sha256').update('sluice key ').update(hash).digest('hex').slice(0, 16)
  return { id, hash, profiles: bound['profiles'] ?? null, tables: bound['tables'] ?? null }
}

function hashOfKey(key: string, nth: number): Buffer {
  const hex = /^sha256:(.*)$/i.exec(key)?.[1]
  if (hex !== undefined) {
    if (!/^[0-9a-f]{64}$/i.test(hex))
      throw wrong(nth, 'begins with sha256: but has not 64 hexadecimal digits behind it')
    return Buffer.from(hex, 'hex')
  }
  if (key === '') throw wrong(nth, 'is empty')
  if (!/^[\x21-\x7e]+$/.test(key)) throw wrong(nth, 'has characters that no Authorization header can carry')
  return createHash('sha256').update(key).digest()
}

function wrong(nth: number, what: string): SluiceError {
  return new SluiceError('SLUICE_CONFIG', `SLUICE_API_KEYS: key number ${nth} ${what}`)
}
