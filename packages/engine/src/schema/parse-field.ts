import { type Constraints, FIELD_TYPES, type Field, TRANSFORMS } from './field.ts'
import { booleanWords, fieldCheck, formatPatterns } from './field-check.ts'
import { isLimit } from './literal.ts'
import { compilePattern } from './pattern.ts'
import type { ColumnType } from './program.ts'
import { defined, type JsonReader, show } from './read-json.ts'
import { patternParts } from './strptime.ts'

/** Keys of a field that would change its meaning if they were ignored, and what they must be instead. */
const UNSUPPORTED = new Map<string, (value: unknown) => string | undefined>([
  ['missingValues', () => "left out: sluice knows the missing values of a whole file, the schema's missingValues"],
  ['categories', () => 'left out: use constraints.enum'],
  ['bareNumber', (value) => (value === true ? undefined : 'true: sluice takes no other characters off a number')],
  [
    'itemType',
    (value) => (value === 'string' ? undefined : 'string: sluice keeps a list as text, its items unchecked'),
  ],
])

/** Constraints of the standard that would let values through if they were ignored, and what to say instead. */
const UNSUPPORTED_CONSTRAINTS = new Map([
  ['exclusiveMinimum', 'left out: limits are inclusive, say minimum'],
  ['exclusiveMaximum', 'left out: limits are inclusive, say maximum'],
  ['jsonSchema', 'left out: sluice checks no more of JSON than its grammar and its top level'],
])

const FORMATS = new Map<string, readonly string[]>([
  ['string', ['default', 'email', 'uri', 'binary', 'uuid']],
  ['geopoint', ['default', 'array', 'object']],
  ['geojson', ['default', 'topojson']],
])

/** What {@link patternParts} must find for a type of date or time, and how it is said. */
const PATTERNS = {
  date: { fits: (p: Parts) => p.date && !p.time && !p.zone, what: 'a pattern of a whole date without a time of day' },
  datetime: { fits: (p: Parts) => p.date, what: 'a pattern with a whole date' },
  time: { fits: (p: Parts) => p.time && !p.anyDate && !p.zone, what: 'a pattern of a time of day' },
}
type Parts = Exclude<ReturnType<typeof patternParts>, string>

/** Checks one field of a schema. */
export function parseField(read: JsonReader, path: string, value: unknown): Field {
  const given = read.object(path, value)
  const at = (key: string) => `${path}.${key}`
  for (const [key, allowed] of UNSUPPORTED) {
    const advice = given.has(key) ? allowed(given.get(key)) : undefined
    if (advice) read.wrong(at(key), given.get(key), advice)
  }
  const name = read.string(at('name'), given.get('name'))
  if (name === undefined || name.trim() === '') return read.wrong(at('name'), name, 'a name')
  const source = given.get('source')
  const field = defined<Field>({
    name,
    type: read.oneOf(at('type'), given.get('type'), FIELD_TYPES),
    trueValues: someStrings(read, at('trueValues'), given.get('trueValues')),
    falseValues: someStrings(read, at('falseValues'), given.get('falseValues')),
    decimalChar: numberChar(read, at('decimalChar'), given.get('decimalChar')),
    groupChar: numberChar(read, at('groupChar'), given.get('groupChar')),
    source: typeof source === 'string' ? source : someStrings(read, at('source'), source),
    transform: read.list(at('transform'), given.get('transform'), 'a list of transforms', (place, one) =>
      read.oneOf(place, one ?? null, TRANSFORMS),
    ) as Field['transform'],
    timezone: read.boolean(at('timezone'), given.get('timezone')),
  })
  const format = parseFormat(read, at('format'), field, given.get('format'))
  if (format !== undefined) field.format = format
  checkTogether(read, at, field)
  if (given.has('constraints'))
    field.constraints = parseConstraints(read, at('constraints'), field, given.get('constraints'))
  return field
}

function someStrings(read: JsonReader, path: string, value: unknown): string[] | undefined {
  const list = read.strings(path, value)
  return list?.length === 0 ? read.wrong(path, value, 'a list of one string or more') : list
}

function numberChar(read: JsonReader, path: string, value: unknown): string | undefined {
  const char = read.string(path, value)
  if (char === undefined || /^[ -*,./:-DF-df-~]$/.test(char)) return char
  return read.wrong(path, value, 'one ASCII character that is no digit, sign or E')
}

/** What no single key can show. */
function checkTogether(read: JsonReader, at: (key: string) => string, field: Field): void {
  const { transform, groupChar } = field
  if (transform && new Set(transform).size < transform.length) {
    read.wrong(at('transform'), transform, 'a list that names each transform once')
  }
  if (groupChar !== undefined && groupChar === (field.decimalChar ?? '.')) {
    read.wrong(at('groupChar'), groupChar, 'another character than decimalChar')
  }
  const { trueWords, falseWords } = booleanWords(field)
  const both = trueWords.find((word) => falseWords.includes(word))
  if (both !== undefined)
    read.wrong(at('trueValues'), trueWords, `different from the falseValues, which have ${show(both)} too`)
  const zoned = formatPatterns(field).find((pattern) => (patternParts(pattern) as Parts).zone)
  if (field.timezone === false && zoned)
    read.wrong(at('timezone'), false, `true, as the format ${show(zoned)} names a zone`)
}

function parseFormat(read: JsonReader, path: string, field: Field, value: unknown): Field['format'] {
  if (value === undefined) return undefined
  const type = field.type ?? 'any'
  if (type !== 'date' && type !== 'datetime' && type !== 'time') {
    return read.oneOf(path, value, FORMATS.get(type) ?? ['default'])
  }
  const { fits, what } = PATTERNS[type]
  const pattern = (place: string, one: unknown): string => {
    // A prefix of version 0 of the standard, which readers must take off.
    const text = read.string(place, one)?.replace(/^fmt:/, '')
    const parts = text === undefined ? what : patternParts(text)
    if (typeof parts === 'string') return read.wrong(place, one, parts)
    return fits(parts) ? (text as string) : read.wrong(place, one, what)
  }
  if (value === 'default' || value === 'any') return value
  if (!Array.isArray(value)) return pattern(path, value)
  if (value.length === 0) return read.wrong(path, value, 'a list of one strptime pattern or more')
  return read.list(path, value, 'a list of strptime patterns', pattern)
}

/** A type whose values have an order, so that they can have limits. */
const ORDERED: readonly ColumnType['kind'][] = ['integer', 'numeric', 'date', 'time', 'timestamp', 'timestamptz']
/** Types whose length, says the standard, is a count of items, which sluice does not count. */
const COUNTED: readonly Field['type'][] = ['object', 'array', 'list', 'geojson']

function parseConstraints(read: JsonReader, path: string, field: Field, value: unknown): Constraints {
  const given = read.object(path, value)
  const at = (key: string) => `${path}.${key}`
  for (const [key, advice] of UNSUPPORTED_CONSTRAINTS) if (given.has(key)) read.wrong(at(key), given.get(key), advice)
  const { type } = fieldCheck(field)
  const limit = (key: string) => {
    const one = given.get(key)
    if (one === undefined) return undefined
    const text = exactText(read, at(key), one)
    if (!ORDERED.includes(type.kind))
      return read.wrong(at(key), one, `left out: type ${field.type ?? 'any'} has no order`)
    if (!isLimit(type, text)) return read.wrong(at(key), one, `a plain number or ISO 8601 text of type ${field.type}`)
    return one as string | number
  }
  const length = (key: string) => {
    if (given.has(key) && COUNTED.includes(field.type)) {
      read.wrong(at(key), given.get(key), `left out: sluice does not count the items of type ${field.type}`)
    }
    return read.count(at(key), given.get(key), 0)
  }
  const constraints = defined<Constraints>({
    required: read.boolean(at('required'), given.get('required')),
    unique: read.boolean(at('unique'), given.get('unique')),
    minimum: limit('minimum'),
    maximum: limit('maximum'),
    minLength: length('minLength'),
    maxLength: length('maxLength'),
    pattern: read.string(at('pattern'), given.get('pattern')),
    enum: read.list(at('enum'), given.get('enum'), 'a list of values', (place, one) => {
      exactText(read, place, one)
      return one as string | number | boolean
    }),
  })
  if (constraints.enum?.length === 0) read.wrong(at('enum'), [], 'a list of one value or more')
  const { minLength = 0, maxLength = minLength } = constraints
  if (minLength > maxLength) read.wrong(at('minLength'), minLength, `at most maxLength, ${maxLength}`)
  const fault = constraints.pattern === undefined ? undefined : compilePattern(constraints.pattern)
  if (typeof fault === 'object') {
    read.wrong(at('pattern'), constraints.pattern, `a pattern in RE2 syntax; at character ${fault.at}: ${fault.reason}`)
  }
  return constraints
}

/** The text of a value in a schema. JSON's numbers lose digits beyond a double's, so those must be written as strings. */
function exactText(read: JsonReader, path: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value)
  if (typeof value !== 'number') return read.wrong(path, value, 'a string or a number')
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return read.wrong(path, value, 'a string of all its digits: a JSON number beyond ±2^53 has lost some')
  }
  return String(value)
}
