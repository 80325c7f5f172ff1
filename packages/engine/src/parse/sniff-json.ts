import { SluiceError } from '../errors.ts'
import type { Dialect, JsonDialect } from './dialect.ts'
import { CSV } from './dialect.ts'
import { isSpace } from './json-structure.ts'
import { JsonText } from './json-text.ts'
import type { Position } from './position.ts'
import { readRecords } from './records.ts'

const [LF, OPEN_ARRAY, OPEN_OBJECT] = [0x0a, 0x5b, 0x7b]
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf]
/** What JSON begins with, and delimited text hardly ever: `[id],[name]` and `[2024-01-31] GET /` are no JSON. */
const OPENING =
  /^[ \t\r\n]*(?:\{[ \t\r\n]*["}]|\[[ \t\r\n]*(?:[{["\]]|(?:-?\d[\d.eE+-]*|true|false|null)[ \t\r\n]*[,\]]))/
/** Arrays that a message names, and how deep they are looked for. */
const HINTS = 5
const HINT_DEPTH = 3
/** What a user says only of delimited text. */
const DELIMITED = ['delimiter', 'quote', 'escape', 'comment', 'header'] as const

/** What the first bytes of a source of JSON tell. */
export interface JsonHead {
  dialect: Dialect
  /** Where the first record may begin. */
  start: Position
  /** Keys of the sample's records, in the order in which they first come. */
  keys: string[]
  /** A sentence for the user. */
  evidence: string
}

/**
 * Tells whether a source is JSON, and where its records begin.
 *
 * @param bytes the first bytes of the source, decompressed, as UTF-8
 * @param complete whether they are all of it
 * @param given what the user said
 * @returns undefined: it is delimited text; `more`: the array does not begin in these bytes
 * @throws SluiceError SLUICE_DIALECT when the document has no such array, or is no JSON before it
 */
export function sniffJson(
  bytes: Uint8Array,
  complete: boolean,
  given: Partial<Dialect>,
): JsonHead | 'more' | undefined {
  const from = BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? BYTE_ORDER_MARK.length : 0
  const form = formOf(bytes, from, given)
  if (!form) return undefined
  const json: JsonDialect = { ...{ ignoresUnknown: false, kept: [] }, ...given.json, form, path: pathOf(given) }
  const { encoding, ...rest } = { ...CSV, ...given }
  const dialect: Dialect = { ...CSV, encoding, ...(rest.format && { format: rest.format }), json }
  const at = form === 'lines' ? from : arrayAt(bytes, from, json.path, complete)
  if (at === 'more') return at
  const line = 1 + bytes.subarray(0, at).filter((byte) => byte === LF).length
  const start = { byte: at, line, record: 0 }
  const { keys, records } = keysOf(bytes, dialect, start, complete)
  const what =
    form === 'lines'
      ? 'NDJSON, an object a line'
      : `JSON, an array${json.path.length > 0 ? ` at ${json.path.join('.')}` : ''}`
  return { dialect, start, keys, evidence: `${what}; ${records} sampled records have ${keys.length} keys` }
}

function pathOf({ json, jsonPath }: Partial<Dialect>): string[] {
  if (json) return json.path
  return jsonPath === undefined || jsonPath === '' ? [] : jsonPath.split('.')
}

function formOf(bytes: Uint8Array, from: number, given: Partial<Dialect>): JsonDialect['form'] | undefined {
  if (given.json) return given.json.form
  if (given.format === 'delimited') return undefined
  if (given.format === 'ndjson') return 'lines'
  if (given.format === 'json' || given.jsonPath) return 'array'
  if (DELIMITED.some((key) => given[key] !== undefined)) return undefined
  const opening = Buffer.from(bytes.subarray(from, from + 4096)).toString('latin1')
  if (!OPENING.test(opening)) return undefined
  const first = skipSpace(bytes, from)
  if (bytes[first] === OPEN_ARRAY) return 'array'
  const found = bytes.indexOf(LF, first)
  const end = found === -1 ? bytes.length : found
  const text = new JsonText(bytes)
  const value = text.value(first, end)
  // A line that the sample does not hold to its end is none of a document, whose lines are short.
  if (value === undefined) return found === -1 && text.failAt === end && end > 4096 ? 'lines' : 'array'
  return skipSpace(bytes, value) >= end || found === -1 ? 'lines' : 'array'
}

/** Where the first element of the array may begin. */
function arrayAt(bytes: Uint8Array, from: number, path: string[], complete: boolean): number | 'more' {
  const text = new JsonText(bytes)
  const refuse = (what: string): SluiceError =>
    new SluiceError('SLUICE_DIALECT', `The source is not the JSON that it is taken for: ${what}`)
  const wanting = (what: string): 'more' => {
    if (text.failAt < bytes.length || complete) throw refuse(what)
    return 'more'
  }
  let at = skipSpace(bytes, from)
  for (const [depth, key] of path.entries()) {
    const where = depth === 0 ? 'its top' : `"${path.slice(0, depth).join('.')}"`
    if (at === bytes.length && !complete) return 'more'
    if (bytes[at] !== OPEN_OBJECT) throw refuse(`${where} is no object, so "${key}" is not in it (--json-path)`)
    let found = -1
    for (let member = text.member(at + 1, bytes.length); ; ) {
      if (member === undefined) return wanting(`in ${where} it breaks off before the key "${key}"`)
      if (member === 'end') throw refuse(`${where} has no key "${key}" (--json-path)`)
      if (member.key === key) {
        found = member.value
        break
      }
      const end = text.value(member.value, bytes.length)
      if (end === undefined) return wanting(`in ${where} it breaks off at the value of "${member.key}"`)
      member = text.member(end, bytes.length)
    }
    at = found
  }
  if (at === bytes.length && !complete) return 'more'
  if (bytes[at] === OPEN_ARRAY) return at + 1
  const arrays = bytes[at] === OPEN_OBJECT ? arraysIn(bytes, at) : []
  const place = path.length === 0 ? 'the document' : `"${path.join('.')}"`
  const hint = arrays.map((key) => `--json-path ${[...path, key].join('.')}`).join(' or ')
  throw refuse(`${place} is no array${hint && `; there are arrays at ${hint}`}`)
}

/** Paths below the object at `at` to arrays, as far as the bytes go. */
function arraysIn(bytes: Uint8Array, at: number, depth = 1): string[] {
  const text = new JsonText(bytes)
  const paths: string[] = []
  let member = text.member(at + 1, bytes.length)
  while (member !== undefined && member !== 'end' && paths.length < HINTS) {
    const { key, value } = member
    if (bytes[value] === OPEN_ARRAY) paths.push(key)
    else if (bytes[value] === OPEN_OBJECT && depth < HINT_DEPTH)
      paths.push(...arraysIn(bytes, value, depth + 1).map((below) => `${key}.${below}`))
    const end = text.value(value, bytes.length)
    member = end === undefined ? undefined : text.member(end, bytes.length)
  }
  return paths.slice(0, HINTS)
}

function keysOf(bytes: Uint8Array, dialect: Dialect, start: Position, complete: boolean) {
  const keys = new Set<string>()
  let records = 0
  const text = new JsonText(bytes)
  for (const record of readRecords(bytes.subarray(start.byte), dialect, { final: complete, position: start })) {
    if (record.fault) continue
    records++
    const at = skipSpace(bytes, record.byteOffset)
    text.object(at, record.end, (key) => {
      keys.add(Buffer.from(key, 'latin1').toString())
      return -1
    })
  }
  return { keys: [...keys], records }
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  while (isSpace(bytes[at])) at++
  return at
}
