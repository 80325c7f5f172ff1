import { SluiceError } from '../errors.ts'
import type { TargetColumn } from '../write/database.ts'
import { allowedValues } from './allowed.ts'
import type { Field } from './field.ts'
import { booleanWords, type FieldCheck, fieldCheck, formatPatterns } from './field-check.ts'
import { limitText } from './literal.ts'
import { compilePattern } from './pattern.ts'
import type { ColumnType, ProgramColumn, Storage } from './program.ts'
import { show } from './read-json.ts'
import { patternParts } from './strptime.ts'

/** What a column of the table asks, whether it is there already or is to be created. */
export interface ColumnRules {
  name: string
  /** Undefined where the schema's type decides: a column that is created, or one of SQLite without affinity. */
  own: Pick<TargetColumn, 'type' | 'storage' | 'fractionDigits'> | undefined
  required: boolean
  maxLength: number | null
}

/** A type that may go into a column of another one, by the kinds of both. */
const WIDENED: Partial<Record<ColumnType['kind'], readonly ColumnType['kind'][]>> = {
  integer: ['numeric', 'float8'],
  numeric: ['float8'],
  date: ['timestamp', 'timestamptz'],
}

/**
 * The program of one column: what the schema's field and the table's column ask together, by "A schema type in a
 * column of another type" of docs/reference/values.md. What cannot be had is added to `problems`, as a sentence.
 */
export function columnProgram(
  from: ProgramColumn['from'],
  field: Field | undefined,
  rules: ColumnRules,
  storageFor: (type: ColumnType) => Storage,
  problems: string[],
): ProgramColumn {
  const asked = field && fieldCheck(field)
  const { type, storage, test } = typeIn(rules, asked, storageFor)
  const { constraints = {} } = field ?? {}
  const column: ProgramColumn = {
    name: rules.name,
    from,
    type,
    storage,
    transforms: [...(field?.transform ?? [])],
    required: rules.required || constraints.required === true,
    formats: field && isTemporal(type) ? formatPatterns(field) : [],
    ...(field && type.kind === 'boolean' ? booleanWords(field) : { trueWords: [], falseWords: [] }),
    decimalChar: field?.decimalChar ?? '.',
    groupChar: field?.groupChar ?? null,
  }
  const lost = lossOf(column)
  if (lost) problems.push(`column ${show(rules.name)} cannot hold the ${lost} that the format of its field names`)
  for (const side of ['minimum', 'maximum'] as const) {
    const limit = constraints[side]
    if (limit === undefined) continue
    const text = limitText(type, String(limit))
    if (text !== undefined) column[side] = text
    else
      problems.push(
        `${side} ${show(limit)} of field ${show(field?.name)} is no ${type.kind}, as column ${show(rules.name)} is`,
      )
  }
  if (asked) limitDigits(column, rules.own?.type)
  if (constraints.minLength !== undefined) column.minLength = constraints.minLength
  const maxLength = Math.min(
    constraints.maxLength ?? Number.POSITIVE_INFINITY,
    rules.maxLength ?? Number.POSITIVE_INFINITY,
  )
  if (maxLength < Number.POSITIVE_INFINITY) column.maxLength = maxLength
  const allowed = constraints.enum && allowedValues(constraints.enum, column)
  if (constraints.enum && !allowed) column.enum = constraints.enum.map(String)
  const tests = [allowed, test, patternTest(constraints.pattern), fractionTest(rules.own?.fractionDigits)].filter(
    (one) => one !== undefined,
  )
  if (tests.length > 0) column.test = (value) => firstMessage(tests, value)
  return column
}

/** The type that is checked, and how it is stored. */
function typeIn(
  { own }: ColumnRules,
  asked: FieldCheck | undefined,
  storageFor: (type: ColumnType) => Storage,
): FieldCheck & { storage: Storage } {
  if (!own) {
    const check = asked ?? { type: { kind: 'text' } as const }
    return { ...check, storage: storageFor(check.type) }
  }
  if (!asked || asked.type.kind === 'text') {
    // The shape of a text is asked only where text is stored.
    return {
      type: own.type,
      storage: own.storage,
      ...(own.type.kind === 'text' && asked?.test && { test: asked.test }),
    }
  }
  // SQLite has no booleans: who declares INTEGER, as a STRICT table must, keeps 0 and 1 as sluice does.
  const isFlag = asked.type.kind === 'boolean' && own.storage === 'sqlite-integer'
  if (own.type.kind === 'text' || isFlag || WIDENED[asked.type.kind]?.includes(own.type.kind))
    return { ...asked, storage: own.storage }
  const agreed = own.type.kind === asked.type.kind
  // The column knows the sizes of its numbers; what stands at the top of its JSON only the schema knows.
  if (agreed) return { ...asked, type: own.type.kind === 'json' ? asked.type : own.type, storage: own.storage }
  return { type: own.type, storage: own.storage }
}

function isTemporal({ kind }: ColumnType): boolean {
  return kind === 'date' || kind === 'time' || kind === 'timestamp' || kind === 'timestamptz'
}

/** What a pattern reads and the type would drop without a word. */
function lossOf({ type, formats }: ProgramColumn): string | undefined {
  for (const parts of formats.map(patternParts)) {
    if (typeof parts === 'string') continue
    if (type.kind === 'date' && parts.time) return 'time of day'
    if (type.kind === 'time' && parts.anyDate) return 'date'
    if (type.kind !== 'timestamptz' && parts.zone) return 'zone'
    if (type.kind !== 'time' && !parts.date) return 'time without a date'
  }
  return undefined
}

/** An integer in a numeric(p,s) has at most p − s digits; as limits, because the type integer has only bytes. */
function limitDigits(column: ProgramColumn, own: ColumnType | undefined): void {
  if (column.type.kind !== 'integer' || own?.kind !== 'numeric' || own.precision === null) return
  const digits = own.precision - (own.scale ?? 0)
  if (digits > 18) return
  const most = 10n ** BigInt(Math.max(digits, 0)) - 1n
  const value = (limit: string) => BigInt(limit.replace('+', ''))
  if (column.maximum === undefined || value(column.maximum) > most) column.maximum = String(most)
  if (column.minimum === undefined || value(column.minimum) < -most) column.minimum = String(-most)
}

function patternTest(source: string | undefined): ProgramColumn['test'] {
  if (source === undefined) return undefined
  const matches = compilePattern(source)
  // parseTableSchema refuses such a pattern.
  if (typeof matches === 'object')
    throw new SluiceError('SLUICE_INTERNAL', `pattern ${show(source)}: ${matches.reason}`)
  return (value) => (matches(value) ? undefined : `${show(value)} does not match the pattern ${show(source)}`)
}

/** PostgreSQL rounds in silence what does not fit a `timestamp(p)`. */
function fractionTest(digits: number | undefined): ProgramColumn['test'] {
  if (digits === undefined) return undefined
  return (value) => {
    const fraction = /[.](\d*?)0*(?!\d)/.exec(value)?.[1] ?? ''
    return fraction.length <= digits ? undefined : `${show(value)} has more than ${digits} digits after the second`
  }
}

function firstMessage(tests: NonNullable<ProgramColumn['test']>[], value: string): string | undefined {
  for (const test of tests) {
    const message = test(value)
    if (message !== undefined) return message
  }
  return undefined
}
