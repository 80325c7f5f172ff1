import type { Field } from './field.ts'
import type { ColumnType } from './program.ts'
import { show } from './read-json.ts'
import { patternParts } from './strptime.ts'

/** What a field's type asks of a cell: sluice's own type, and what only the text as a whole can show. */
export interface FieldCheck {
  type: ColumnType
  /** The message of what is wrong with the text, or undefined. */
  test?: (value: string) => string | undefined
}

const TEXT: ColumnType = { kind: 'text' }
const NUMBER = '[+-]?(?:\\d+(?:\\.\\d*)?|\\.\\d+)'

/** Text that must look in a certain way. The expressions take linear time: no repetition within a repetition overlaps. */
function shaped(what: string, shape: RegExp, type: ColumnType = TEXT): FieldCheck {
  return { type, test: (value) => (shape.test(value) ? undefined : `${show(value)} is not ${what}`) }
}

const json = (top: 'any' | 'object' | 'array'): FieldCheck => ({ type: { kind: 'json', top } })

const STRING_FORMATS = new Map<string, FieldCheck>([
  ['email', { type: { kind: 'email' } }],
  ['uuid', { type: { kind: 'uuid' } }],
  // RFC 3986, and RFC 3987 beyond ASCII.
  ['uri', shaped('a URI', /^[a-z][a-z0-9+.-]*:(?:[\w.~:/?#[\]@!$&'()*+,;=-]|%[0-9a-f]{2}|[^\p{ASCII}\p{C}\p{Z}])+$/iu)],
  // RFC 4648, chapter 4.
  ['binary', shaped('base64', /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/)],
])

const GEOPOINT_FORMATS = new Map<string, FieldCheck>([
  ['array', json('array')],
  ['object', json('object')],
])

/** Duration of XML Schema (https://www.w3.org/TR/xmlschema-2/#duration). */
const DURATION = /^-?P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/

/**
 * The check of a field, by its type and format. A datetime is an instant, and without a zone in UTC, as Table Schema
 * lets values with and without a zone stand in one column; it is a wall clock's time with `timezone: false`, or where
 * its patterns name no zone.
 */
export function fieldCheck(field: Field): FieldCheck {
  const format = typeof field.format === 'string' ? field.format : 'default'
  switch (field.type) {
    case 'string':
      return STRING_FORMATS.get(format) ?? { type: TEXT }
    case 'integer':
      return { type: { kind: 'integer', bytes: 8 } }
    case 'year':
      return shaped('a year', /^[ \t]*-?\d{4,}[ \t]*$/, { kind: 'integer', bytes: 4 })
    case 'number':
      return { type: { kind: 'numeric', precision: null, scale: null } }
    case 'boolean':
    case 'date':
    case 'time':
    case 'uuid':
      return { type: { kind: field.type } }
    case 'datetime':
      return { type: { kind: isInstant(field) ? 'timestamptz' : 'timestamp' } }
    case 'object':
    case 'geojson':
      return json('object')
    case 'array':
      return json('array')
    case 'json':
      return json('any')
    case 'yearmonth':
      return shaped('a year and month such as 2024-01', /^-?\d{4,}-(?:0[1-9]|1[0-2])$/)
    case 'duration':
      return shaped('a duration such as P1DT2H', DURATION)
    case 'geopoint':
      return (
        GEOPOINT_FORMATS.get(format) ?? shaped('a point such as "90.50, 45.50"', new RegExp(`^${NUMBER}, ?${NUMBER}$`))
      )
    case 'list':
    case 'any':
    case undefined:
      return { type: TEXT }
  }
}

function isInstant(field: Field): boolean {
  if (field.timezone !== undefined) return field.timezone
  const patterns = formatPatterns(field).map(patternParts)
  return patterns.length === 0 || patterns.some((parts) => typeof parts === 'object' && parts.zone)
}

/** The strptime patterns of a field; none: ISO 8601. */
export function formatPatterns(field: Field): string[] {
  if (field.type !== 'date' && field.type !== 'datetime' && field.type !== 'time') return []
  if (Array.isArray(field.format)) return field.format
  return field.format === undefined || field.format === 'default' || field.format === 'any' ? [] : [field.format]
}

/** A boolean field's words; both lists are empty where it has none of its own. */
export function booleanWords(field: Field): { trueWords: string[]; falseWords: string[] } {
  const { type, trueValues, falseValues } = field
  if (type !== 'boolean' || !(trueValues || falseValues)) return { trueWords: [], falseWords: [] }
  // Where only one list is given, the other one is the standard's.
  return {
    trueWords: trueValues ?? ['true', 'True', 'TRUE', '1'],
    falseWords: falseValues ?? ['false', 'False', 'FALSE', '0'],
  }
}
