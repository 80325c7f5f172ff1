import { createRequire } from 'node:module'
import { SluiceError } from '../errors.ts'
import type { Charset } from './charset.ts'
import { MultiByte } from './multi-byte.ts'
import { SingleByte } from './single-byte.ts'
import { Utf16 } from './utf-16.ts'

const require = createRequire(import.meta.url)

/** Loaded for the source that needs it: it takes some MB, in the thread of SQLite as well. */
const tables = (): typeof import('iconv-lite') => require('iconv-lite')

/** What the kernel reads by itself: text goes through as it is, and what is not UTF-8 is found there. */
export const UTF_8: Charset = {
  name: 'utf-8',
  decoder: () => ({ held: 0, decode: (bytes) => bytes }),
  sourceLength: (text) => text.length,
  encode: (text) => Buffer.from(text),
}

/** Without separators and in lower case, to the names of iconv-lite where it does not know them. */
const ALIASES: Record<string, string> = { utf16: 'utf16le', ucs2: 'utf16le', unicode: 'utf16le', shiftjisx0213: '' }
/** Names of iconv-lite that are ways to write bytes, or no encodings of files. */
const NO_ENCODINGS = /^(?:utf(?:7|7imap|32|32le|32be|8mac)|ucs4.*|cesu8|base64|hex|binary|internal.*|_.*)$/

const known = new Map<string, Charset>([['utf-8', UTF_8]])

/**
 * The encoding of a name: `utf-8`, `utf-16le`, `utf-16be`, `windows-1252`, `iso-8859-1`, `shift_jis`, `gb18030`, `cp437`, …; all names of
 * iconv-lite but those of UTF-7 and UTF-32. The letters' case and separators do not matter.
 * @throws SluiceError SLUICE_DIALECT for a name that is none of them
 */
export function charsetOf(name: string): Charset {
  let charset = known.get(name)
  if (!charset) {
    charset = charsetFor(name)
    known.set(charset.name, charset)
  }
  return charset
}

function charsetFor(name: string): Charset {
  const plain = name.toLowerCase().replace(/[^0-9a-z]/g, '')
  const key = ALIASES[plain] ?? plain
  if (['utf8', 'ascii', 'usascii'].includes(key)) return UTF_8
  if (key === 'utf16le' || key === 'utf16be') return new Utf16(`utf-16${key === 'utf16le' ? 'le' : 'be'}`)
  const isName = key !== '' && !NO_ENCODINGS.test(key) && tables().encodingExists(key)
  const charset = isName ? fromTable(name.toLowerCase(), key) : undefined
  if (charset) return charset
  throw new SluiceError(
    'SLUICE_DIALECT',
    `There is no encoding ${JSON.stringify(name)}; known are utf-8, utf-16le, utf-16be, windows-1252, iso-8859-1, ` +
      'iso-8859-15, cp437, cp850, koi8-r, macintosh, shift_jis, euc-jp, gb18030, big5, euc-kr and others of iconv-lite',
  )
}

/** Undefined where delimiters, quotes and line ends are not those of ASCII. */
function fromTable(name: string, key: string): Charset | undefined {
  const codes = Array.from({ length: 256 }, (_, byte) => {
    const text = tables().decode(Buffer.from([byte]), key, { stripBOM: false })
    return text.length === 1 && text !== '\ufffd' ? text.charCodeAt(0) : undefined
  })
  if (codes.slice(0, 128).some((code, byte) => code !== byte)) return undefined
  const table = {
    decode: (bytes: Buffer) => tables().decode(bytes, key, { stripBOM: false }),
    encode: (text: string) => tables().encode(text, key),
  }
  return isSingleByte(table) ? new SingleByte(name, codes) : new MultiByte(name, table)
}

/** Whether no two bytes are one character, of which some begin with every one of these. */
function isSingleByte({ decode }: { decode(bytes: Buffer): string }): boolean {
  const pairs = Array.from({ length: 0x7e }, (_, i) => Buffer.from([0x81 + i, 0xa1]))
  return pairs.every((pair) => decode(pair).length === 2)
}

/**
 * Decodes bytes that are there as a whole.
 * @param final whether a character that their end cuts in half is an error; else it is left out
 */
export function decodeWhole(bytes: Uint8Array, charset: Charset, final = true): Buffer {
  // A decoder uses its memory again.
  return Buffer.from(charset.decoder().decode(bytes, final))
}
