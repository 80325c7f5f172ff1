import type { Dialect } from '../parse/dialect.ts'
import type { Dedupe } from './plan.ts'
import { defined, type JsonReader, jsonReader } from './read-json.ts'
import { parseTableSchema, type TableSchema } from './table-schema.ts'

/** Rejected records that a load may have: so many, or so many of a hundred. */
export type ErrorBudget = { rows: number } | { percent: number }

/** Everything about one kind of import; each part has the meaning and the default of the option of the same name. */
export interface Profile {
  table?: string
  /** The schema itself, or the path of its file, from the folder of the profile. */
  schema?: TableSchema | string
  dialect?: Partial<Dialect>
  key?: string[]
  onConflict?: 'reject' | 'skip' | 'update'
  dedupe?: Dedupe
  write?: 'copy' | 'unnest'
  batchRows?: number
  maxErrors?: ErrorBudget
  atomic?: boolean
  rejectTable?: string
  unknownColumns?: 'reject' | 'ignore' | 'metadata'
  set?: Record<string, string | null>
  provenance?: boolean
}

const KEYS: readonly (keyof Profile)[] = [
  'table',
  'schema',
  'dialect',
  'key',
  'onConflict',
  'dedupe',
  'write',
  'batchRows',
  'maxErrors',
  'atomic',
  'rejectTable',
  'unknownColumns',
  'set',
  'provenance',
]
const DIALECT_KEYS: readonly (keyof Dialect)[] = [
  'format',
  'jsonPath',
  'encoding',
  'delimiter',
  'trailingDelimiter',
  'skipLines',
  'quote',
  'escape',
  'comment',
  'header',
  'lineEnd',
  'nullWords',
]

/**
 * Checks a profile that came from a user. A key that is not a profile's is refused, so that a slip of the pen is not
 * an option that silently has its default.
 *
 * @param value a parsed JSON document
 * @param document how messages name it, e.g. its path; default `profile`
 * @throws SluiceError SLUICE_CONFIG with the path of what is wrong; SLUICE_SCHEMA where it is in the schema
 */
export function parseProfile(value: unknown, document = 'profile'): Profile {
  const read = jsonReader('SLUICE_CONFIG', document)
  const root = read.known('', value, KEYS)
  const get = (key: keyof Profile) => root.get(key)
  const schema = get('schema')
  const key = get('key')
  return defined<Profile>({
    table: text(read, 'table', get('table')),
    schema:
      schema === undefined || typeof schema === 'string'
        ? text(read, 'schema', schema)
        : parseTableSchema(schema, `${document}: schema`),
    dialect: get('dialect') === undefined ? undefined : parseDialect(read, get('dialect')),
    key: typeof key === 'string' ? key.split(',').map((name) => name.trim()) : read.strings('key', key),
    onConflict: read.oneOf('onConflict', get('onConflict'), ['reject', 'skip', 'update']),
    dedupe: read.oneOf('dedupe', get('dedupe'), ['none', 'key', 'content', 'content:count']),
    write: read.oneOf('write', get('write'), ['copy', 'unnest']),
    batchRows: read.count('batchRows', get('batchRows'), 1),
    maxErrors: get('maxErrors') === undefined ? undefined : parseErrorBudget(read, get('maxErrors')),
    atomic: read.boolean('atomic', get('atomic')),
    rejectTable: text(read, 'rejectTable', get('rejectTable')),
    unknownColumns: read.oneOf('unknownColumns', get('unknownColumns'), ['reject', 'ignore', 'metadata']),
    set: get('set') === undefined ? undefined : parseConstants(read, get('set')),
    provenance: read.boolean('provenance', get('provenance')),
  })
}

function text(read: JsonReader, path: string, value: unknown): string | undefined {
  const given = read.string(path, value)
  return given?.trim() === '' ? read.wrong(path, value, 'a string that is not blank') : given
}

/** Only the shape: whether the characters go together is seen where a dialect is sniffed. */
export function parseDialect(read: JsonReader, value: unknown): Partial<Dialect> {
  const given = read.known('dialect', value, DIALECT_KEYS)
  const at = (key: keyof Dialect) => [`dialect.${key}`, given.get(key)] as const
  const char = (key: keyof Dialect) => (given.get(key) === null ? null : read.string(...at(key)))
  return defined<Partial<Dialect>>({
    format: read.oneOf(...at('format'), ['delimited', 'json', 'ndjson']),
    jsonPath: read.string(...at('jsonPath')),
    encoding: read.string(...at('encoding')),
    delimiter: read.string(...at('delimiter')),
    trailingDelimiter: read.boolean(...at('trailingDelimiter')),
    skipLines: read.count(...at('skipLines'), 0),
    quote: char('quote'),
    escape: char('escape'),
    comment: char('comment'),
    header: read.boolean(...at('header')),
    lineEnd: read.oneOf(...at('lineEnd'), ['lf', 'cr', 'any']),
    nullWords: read.strings(...at('nullWords')),
  })
}

/** A number of rows, or a text such as `1000` or `0.5%`. */
function parseErrorBudget(read: JsonReader, value: unknown): ErrorBudget {
  const parts = /^(?:(\d{1,15})|(\d{1,3}(?:\.\d+)?)%)$/.exec(String(value))
  const [, rows, percent] = parts ?? []
  if (rows !== undefined) return { rows: Number(rows) }
  if (percent !== undefined && Number(percent) <= 100) return { percent: Number(percent) }
  return read.wrong('maxErrors', value, 'a number of rows, or a share such as "1%"')
}

/** Columns with the same value for every row. */
export function parseConstants(read: JsonReader, value: unknown): Record<string, string | null> {
  const entries = [...read.object('set', value)].map(([column, one]): [string, string | null] => {
    const isConstant = one === null || typeof one === 'string'
    return [column, isConstant ? one : read.wrong(`set.${column}`, one, 'a string or null')]
  })
  // Not an assignment: `__proto__` is a name like any other.
  return Object.fromEntries(entries)
}
