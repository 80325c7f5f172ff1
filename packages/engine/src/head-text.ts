import type { Charset } from './decode/charset.ts'
import { charsetOf, decodeWhole } from './decode/encodings.ts'
import { otherFormat } from './decode/other-formats.ts'
import { type SniffedEncoding, sniffEncoding } from './decode/sniff-encoding.ts'
import { SluiceError } from './errors.ts'
import type { Head } from './source/source.ts'

/** The first bytes of a source as text, and what they were before. */
export interface HeadText {
  charset: Charset
  text: Uint8Array
}

/**
 * Decodes the first bytes of a source.
 * @param given the encoding, where it is known; `utf-16`: whichever of the two it is
 * @param notice told when the encoding is not given and the bytes are not all UTF-8
 * @throws SluiceError SLUICE_DIALECT for what is no text, such as .xlsx, and an encoding that there is not, or that the byte order mark contradicts
 */
export function headText(
  { bytes, complete }: Head,
  given: string | undefined,
  name: string,
  notice?: (message: string) => void,
): HeadText {
  const other = otherFormat(bytes)
  if (other) throw new SluiceError('SLUICE_DIALECT', `${name} is ${other.what}, no text: ${other.advice}`)
  const sniffed = sniffEncoding(bytes, complete)
  const charset = charsetOf(chosen(given, sniffed))
  if (sniffed.marked && sniffed.name !== charset.name) {
    throw new SluiceError(
      'SLUICE_DIALECT',
      `${name} begins with the byte order mark of ${sniffed.name}, and is to be read as ${charset.name}; ` +
        `give the encoding that it has (--encoding ${sniffed.name}), and load files of another one by themselves`,
    )
  }
  if (given === undefined && sniffed.oddByte !== undefined) {
    const byte = bytes[sniffed.oddByte]!.toString(16).toUpperCase().padStart(2, '0')
    notice?.(
      `${name} is not UTF-8 throughout: byte 0x${byte} at offset ${sniffed.oddByte}. Records with such bytes are rejected; ` +
        'if it is in another encoding, say in which, for instance --encoding windows-1252',
    )
  }
  return { charset, text: decodeWhole(bytes, charset, complete) }
}

function chosen(given: string | undefined, { name }: SniffedEncoding): string {
  if (given === undefined) return name
  return /^utf-?16$/i.test(given) && name.startsWith('utf-16') ? name : given
}
