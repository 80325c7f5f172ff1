import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { CheckOptions } from '../../src/check.ts'
import { charsetOf } from '../../src/decode/encodings.ts'
import type { Dialect } from '../../src/parse/dialect.ts'
import { hostileCase } from '../support/generate-hostile.ts'
import type { Random } from '../support/random.ts'

/** Bytes, and how a user says that they are to be read. */
export interface FuzzInput {
  bytes: Uint8Array
  options: Pick<CheckOptions, 'dialect' | 'maxRecordBytes' | 'limit' | 'maxDecodedBytes'>
  /** The file before it was encoded and compressed, for messages. */
  what: string
}

/** Files as they come: what is mutated. */
const SEEDS: readonly string[] = [
  'id,name,amount,day\n1,Ann,1.50,2024-01-01\n2,"Bob, Jr.",2.25,2024-02-29\n3,,,\n4,"say ""hi""\nthere",0,2024-12-31\n',
  'sep=;\r\na;b\r\n1;2\r\n3;4\r\n',
  '\ufeffid\tname\r\n1\tx\r\n2\ty\r\n',
  'Report of May\n\nid,name,x\n1,a,2\n2,b,3\n',
  'id,name,\n1,a,\n2,b,\n3,c,x\n',
  'a||b||c\n1||"x||y"||3\n4||5||6\n',
  'a, b\n"1, 2", "3"\n4, "5, 6"\n',
  "a,b\n'x,1','y'\n'p','q, r'\n",
  'a,b\n"x \\"q\\", y","z"\n"p","q"\n',
  '# note\na,b\n1,2\n# "more\n3,4\n',
  'a,b\r1,2\r3,4\r',
  'a,b\r\r\n1,2\r\r\n3,4\r\n5,6',
  'id,flag,at\n1,true,2024-01-01T10:00:00Z\n2,false,2024-01-02T11:30:00+02:00\n',
  'code,zip\n"=""0012""",00123\n+48,0\n',
  '{"a":1,"b":"x"}\n{"a":2,"b":null}\n{"b":"y","a":3.5}\n',
  '[{"a":1,"b":[1,{"c":2}]},{"a":2,"b":"\\u00e9\\ud83d\\ude00"}]',
  '{"data":{"rows":[{"id":"1"},{"id":"2"}]},"more":[1,2]}',
  'größe;straße\n1,5;Köln\n2,7;Łódź\n',
]

const TOKENS = [
  ...',;|\t "\'\\\n\r\0#{}[]:=-+.0',
  '\r\n',
  '\r\r\n',
  '""',
  '",',
  ',"',
  '"\n',
  'é',
  '😀',
  '\ufeff',
  'null',
  '1e999',
  '99999999999999999999',
  '2024-02-30',
  '__proto__',
  '\\u0000',
  'x'.repeat(300),
]
const BYTES = ['ff', 'c3', 'eda080', '80', '00', 'fe', '1f8b08', '28b52ffd']
const ENCODINGS = ['utf-16le', 'utf-16be', 'windows-1252', 'iso-8859-1', 'shift_jis', 'gb18030']

/** The input of a seed: always the same one. */
export function fuzzInput(random: Random): FuzzInput {
  const isHostile = random.chance(35)
  let text: Buffer
  let dialect: Partial<Dialect> = {}
  if (isHostile) {
    const { header: _, ...given } = hostileCase(random.below(2 ** 31), 'sqlite').dialect
    const hostile = hostileCase(random.below(2 ** 31), 'sqlite')
    text = Buffer.from(hostile.bytes)
    dialect = random.chance(50) ? hostile.dialect : random.chance(50) ? given : {}
  } else {
    text = Buffer.from(random.pick(SEEDS))
    if (random.chance(30)) text = repeated(text, random.between(2, 200))
    dialect = said(random, text)
  }
  if (random.chance(85)) text = mutated(random, text)
  let bytes: Uint8Array = text
  if (random.chance(15)) {
    const encoding = random.pick(ENCODINGS)
    bytes = charsetOf(encoding).encode(Buffer.from(text.toString()))
    if (random.chance(80)) dialect = { ...dialect, encoding }
  }
  if (random.chance(12)) {
    bytes = random.chance(60) ? gzipSync(bytes) : zstdCompressSync(bytes)
    if (random.chance(20)) bytes = Buffer.concat([bytes, gzipSync(Buffer.from('5,6\n'))])
    if (random.chance(40)) bytes = mutated(random, Buffer.from(bytes))
  }
  return {
    bytes,
    options: {
      dialect,
      ...(random.chance(15) && { maxRecordBytes: random.pick([1, 5, 16, 64, 300, 1000]) }),
      ...(random.chance(5) && { limit: random.between(1, 5) }),
      ...(random.chance(3) && { maxDecodedBytes: random.pick([10, 100, 1000]) }),
    },
    what: JSON.stringify(text.toString('latin1').slice(0, 600)),
  }
}

/** What a user may say of a file, right or wrong. */
function said(random: Random, text: Buffer): Partial<Dialect> {
  const dialect: Partial<Dialect> = {}
  if (random.chance(15)) dialect.header = random.chance(50)
  if (random.chance(8)) dialect.delimiter = random.pick([',', ';', '\t', '||', ', ', '§'])
  if (random.chance(5)) dialect.quote = random.pick(['"', "'", null])
  if (random.chance(5)) dialect.escape = random.pick(['\\', null])
  if (random.chance(5)) dialect.comment = random.pick(['#', null])
  if (random.chance(5)) dialect.lineEnd = random.pick(['lf', 'cr', 'any'] as const)
  if (random.chance(5)) dialect.skipLines = random.below(4)
  if (random.chance(5)) dialect.trailingDelimiter = random.chance(50)
  if (random.chance(5)) dialect.nullWords = random.pick([[], ['', 'null'], ['NA']])
  if (text[0] === 0x7b && random.chance(30)) dialect.jsonPath = 'data.rows'
  return dialect
}

/** A file with its lines behind the first one again and again. */
function repeated(text: Buffer, times: number): Buffer {
  const lines = text.toString('latin1').split(/(?<=\n)/)
  const body = Array.from({ length: times }, () => lines.slice(1).join('')).join('')
  return Buffer.from(`${lines[0]}${body}`, 'latin1')
}

function mutated(random: Random, original: Buffer): Buffer {
  let bytes = Buffer.from(original)
  for (let times = random.pick([1, 1, 1, 2, 3, 8, 30]); times > 0; times--) {
    const at = random.below(bytes.length + 1)
    const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
    switch (random.below(7)) {
      case 0:
        if (bytes.length > 0) bytes[random.below(bytes.length)]! ^= 1 << random.below(8)
        break
      case 1:
      case 2:
        bytes = Buffer.concat([before, Buffer.from(random.pick(TOKENS)), behind])
        break
      case 3:
        bytes = Buffer.concat([before, Buffer.from(random.pick(BYTES), 'hex'), behind])
        break
      case 4:
        bytes = Buffer.concat([before, behind.subarray(random.between(1, 9))])
        break
      case 5: {
        const from = random.below(bytes.length + 1)
        bytes = Buffer.concat([before, bytes.subarray(from, from + random.between(1, 60)), behind])
        break
      }
      default:
        if (random.chance(20)) bytes = Buffer.from(before)
    }
  }
  return bytes
}
