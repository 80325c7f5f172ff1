import type { ByteWriter } from './byte-writer.ts'
import type { Random } from './random.ts'

const pieces = (text: string, separator: string): Buffer[] => text.split(separator).map((piece) => Buffer.from(piece))

export const HEADER = 'id,customer_code,first_name,last_name,email,phone,signup_date,amount,country,note,active'

const FIRST_NAMES = pieces(
  'Anna,José,Zoë,Łukasz,Chloé,Müller,Søren,Nguyễn,Иван,明,Maria,John,Peter,Aisha,Björn,Renée,Siobhán,Jürgen,Emily,' +
    'Michael,Sarah,David,Laura,Kevin,Olga,Ngozi,Hiroshi,François,Ana,Tom',
  ',',
)
const LAST_NAMES = pieces(
  "Smith,García,Müller,Østergård,Dvořák,Nowak,Kowalczyk,Nguyễn,O'Brien,Петров,田中,Johnson,Brown,Silva,Fernández," +
    'Schröder,Lefèvre,Rossi,Jansen,Andersson,Kim,Lee,Wang,Ivanova,Okafor,Yılmaz,Papadopoulos,Cohen,Singh,Lopez',
  ',',
)
const DOMAINS = pieces('@example.com @Example.org @mail.example.net @gmail.com @Yahoo.com @corp.example.co.uk', ' ')
const COUNTRIES = pieces('US DE FR GB PL CZ BR IN JP NG ES IT NL SE KR', ' ')
const WORDS = pieces(
  'order delivery customer requested late window account verified payment pending review address updated called ' +
    'support ticket resolved needs follow up next week premium plan renewal discount applied returned item damaged box',
  ' ',
)
const BOOLEANS = pieces('true false t f yes no 1 0', ' ')

const USER = Buffer.from('User.')
const SPACES = Buffer.from('  ')
const QUOTED_WORD = Buffer.from(' ""quoted"" ')
const ETC = Buffer.from(', etc"')
const MORE = Buffer.from(', more"')
const COMMA_SPACE = Buffer.from(', ')
const [COMMA, DASH, DOT, SLASH, SPACE, QUOTE, PLUS, NEWLINE] = Buffer.from(',-./ "+\n') as unknown as number[] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
]

/**
 * Writes one sound record with its line end, and sets `starts[k]` to where its k-th cell begins; the last one of
 * `starts` is the place of the line end. Draws the same numbers from `random` whatever the id is, so that the records
 * of a file with bad ones are otherwise those of the file without.
 */
export function writeCustomer(out: ByteWriter, record: number, id: number, random: Random, starts: Uint32Array): void {
  starts[0] = out.at
  out.integer(id)
  out.byte(COMMA)

  starts[1] = out.at
  const code = random.next()
  writeUuid(out, code, random)
  out.byte(COMMA)

  starts[2] = out.at
  out.bytes(FIRST_NAMES[random.below(30)]!)
  out.byte(COMMA)

  starts[3] = out.at
  out.bytes(LAST_NAMES[random.below(30)]!)
  out.byte(COMMA)

  starts[4] = out.at
  writeEmail(out, code, record, random)
  out.byte(COMMA)

  starts[5] = out.at
  out.byte(PLUS)
  out.integer(1 + random.below(98))
  out.byte(DASH)
  out.padded(100 + random.below(900), 3)
  out.byte(DASH)
  out.padded(1_000_000 + random.below(9_000_000), 7)
  out.byte(COMMA)

  starts[6] = out.at
  writeDate(out, random)
  out.byte(COMMA)

  starts[7] = out.at
  if (random.below(20) === 0) out.byte(DASH)
  out.integer(random.below(100_000))
  out.byte(DOT)
  out.padded(random.below(100), 2)
  out.byte(COMMA)

  starts[8] = out.at
  out.bytes(COUNTRIES[random.below(15)]!)
  out.byte(COMMA)

  starts[9] = out.at
  writeNote(out, random)
  out.byte(COMMA)

  starts[10] = out.at
  out.bytes(BOOLEANS[random.below(8)]!)
  starts[11] = out.at
  out.byte(NEWLINE)
}

/** Version 4, variant 1 (RFC 9562). */
function writeUuid(out: ByteWriter, first: number, random: Random): void {
  const second = random.next()
  const third = random.next()
  out.hex(first, 8)
  out.byte(DASH)
  out.hex(second >>> 16, 4)
  out.byte(DASH)
  out.hex((second & 0xfff) | 0x4000, 4)
  out.byte(DASH)
  out.hex(((third >>> 16) & 0x3fff) | 0x8000, 4)
  out.byte(DASH)
  out.hex(third, 4)
  out.hex(random.next(), 8)
}

/** Mixed case; every tenth has a space before it, spaces after it, or is all upper case. */
function writeEmail(out: ByteWriter, code: number, record: number, random: Random): void {
  const start = out.at
  const variant = random.below(10)
  if (variant === 0) out.byte(SPACE)
  out.bytes(USER)
  out.hex(code >>> 16, 4)
  out.integer(record)
  out.bytes(DOMAINS[random.below(6)]!)
  if (variant === 1) out.bytes(SPACES)
  if (variant === 2) out.upperCase(start)
}

/** A third of them as month/day/year, the others ISO 8601. */
function writeDate(out: ByteWriter, random: Random): void {
  const year = 2005 + random.below(20)
  const month = 1 + random.below(12)
  const day = 1 + random.below(28)
  if (random.below(3) === 0) {
    out.padded(month, 2)
    out.byte(SLASH)
    out.padded(day, 2)
    out.byte(SLASH)
    out.padded(year, 4)
  } else {
    out.padded(year, 4)
    out.byte(DASH)
    out.padded(month, 2)
    out.byte(DASH)
    out.padded(day, 2)
  }
}

/** 4 to 15 words; of each hundred two have quoted commas, two quoted quotes, and one a newline in quotes. */
function writeNote(out: ByteWriter, random: Random): void {
  const style = random.below(100)
  if (style < 5) out.byte(QUOTE)
  const words = 4 + random.below(12)
  for (let k = 0; k < words; k++) {
    if (k === 1 && style < 2) out.bytes(COMMA_SPACE)
    else if (k === 1 && style < 4) out.bytes(QUOTED_WORD)
    else if (k === 1 && style < 5) out.byte(NEWLINE)
    else if (k > 0) out.byte(SPACE)
    out.bytes(WORDS[random.below(31)]!)
  }
  if (style < 2) out.byte(QUOTE)
  else if (style < 4) out.bytes(ETC)
  else if (style < 5) out.bytes(MORE)
}
