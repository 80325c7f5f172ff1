import type { ProgramColumn } from '../schema/program.ts'
import { type RejectCode, VALUE_LIMIT } from './reject.ts'

/**
 * Every reason for which a record is refused before a database sees it, with its reject code. The order is fixed: the
 * kernel names a reason by its ordinal here, counted from 1 (`kernel/reasons.ts`).
 */
export const REASONS = [
  ['required', 'constraint-error'],
  ['encoding', 'encoding-error'],
  ['nul', 'encoding-error'],
  ['integer', 'type-error'],
  ['integer-range', 'type-error'],
  ['number', 'type-error'],
  ['numeric-range', 'type-error'],
  ['float-range', 'type-error'],
  ['digits-lost', 'type-error'],
  ['boolean', 'type-error'],
  ['date', 'type-error'],
  ['time', 'type-error'],
  ['timestamp', 'type-error'],
  ['zone', 'type-error'],
  ['instant-range', 'type-error'],
  ['uuid', 'type-error'],
  ['email', 'type-error'],
  ['json', 'type-error'],
  ['json-object', 'type-error'],
  ['json-array', 'type-error'],
  ['enum', 'constraint-error'],
  ['minimum', 'constraint-error'],
  ['maximum', 'constraint-error'],
  ['min-length', 'constraint-error'],
  ['max-length', 'constraint-error'],
  ['test', 'constraint-error'],
  ['missing-cell', 'missing-cell'],
  ['extra-cell', 'extra-cell'],
  ['quote', 'quote-error'],
  ['record-too-large', 'record-too-large'],
  ['unclosed-quote', 'quote-error'],
  ['json-syntax', 'json-error'],
  ['json-record', 'json-error'],
  ['json-key', 'json-error'],
  ['json-depth', 'json-error'],
] as const satisfies readonly (readonly [string, RejectCode])[]

export type Reason = (typeof REASONS)[number][0]

const CODES = Object.fromEntries(REASONS) as Record<Reason, RejectCode>

export const codeOf = (reason: Reason): RejectCode => CODES[reason]

/** What the sentence of some reasons needs beside the column and the value. */
export interface ReasonDetail {
  /** `test`: what the rule says. */
  message?: string
  /** `extra-cell`: ordinal of the cell in its record, from 0. */
  cell?: number
  /** `extra-cell`: cells that a sound record has. */
  expected?: number
  /** `extra-cell` in JSON: the key that no column has. */
  key?: string
  /** `record-too-large`: the limit in bytes. */
  limit?: number
}

/** The value as a reject keeps it: at most {@link VALUE_LIMIT} UTF-16 units, no character cut in half. */
export function cutValue(value: string): string {
  return cut(value, VALUE_LIMIT)
}

/**
 * The sentence of an error, for people. `column` is needed for every reason of a cell, `value` for every one that is about
 * what the cell says; it may be cut ({@link cutValue}).
 */
export function describeError(
  reason: Reason,
  column: ProgramColumn | null,
  value: string | null,
  detail: ReasonDetail = {},
): string {
  const cell = quoted(value ?? '')
  switch (reason) {
    case 'required':
      return 'the value is required'
    case 'encoding':
      return 'the value is not valid UTF-8'
    case 'nul':
      return 'the value contains a NUL character'
    case 'integer':
      return `${cell} is not an integer`
    case 'integer-range':
      return `${cell} is out of range for ${integerRange(column)}`
    case 'number':
      return `${cell} is not a number`
    case 'numeric-range':
      return `${cell} has more digits than ${numericRange(column)} can hold`
    case 'float-range':
      return `${cell} is out of range for a double-precision number`
    case 'digits-lost':
      return `${cell} cannot be stored in this column without losing digits`
    case 'boolean':
      return `${cell} is not a boolean${expectedWords(column)}`
    case 'date':
      return `${cell} is not a date (expected ${formats(column, 'YYYY-MM-DD')})`
    case 'time':
      return `${cell} is not a time (expected ${formats(column, 'HH:MM:SS')})`
    case 'timestamp':
      return `${cell} is not a timestamp (expected ${formats(column, 'YYYY-MM-DD HH:MM:SS')})`
    case 'zone':
      return `${cell} has a time zone, which this column cannot keep`
    case 'instant-range':
      return `${cell} is outside the years 0001 to 9999 in UTC`
    case 'uuid':
      return `${cell} is not a UUID`
    case 'email':
      return `${cell} is not an e-mail address`
    case 'json':
      return `${cell} is not JSON that can be stored`
    case 'json-object':
      return `${cell} is not a JSON object`
    case 'json-array':
      return `${cell} is not a JSON array`
    case 'enum':
      return `${cell} is not one of: ${cut((column?.enum ?? []).join(', '), SHOWN)}`
    case 'minimum':
      return `${cell} is less than the minimum ${column?.minimum}`
    case 'maximum':
      return `${cell} is greater than the maximum ${column?.maximum}`
    case 'min-length':
      return `${cell} is shorter than ${characters(column?.minLength)}`
    case 'max-length':
      return `${cell} is longer than ${characters(column?.maxLength)}`
    case 'test':
      return detail.message ?? 'the value breaks a rule'
    case 'missing-cell':
      return 'the record ends before this column'
    case 'extra-cell':
      if (detail.key !== undefined) return `${quoted(detail.key)} is a key that no column has`
      return `cell ${(detail.cell ?? 0) + 1} is one too many: a record has ${detail.expected} cells`
    case 'quote':
      return 'a character follows the closing quote'
    case 'unclosed-quote':
      return 'the source ends within quotes: the closing quote is missing'
    case 'json-syntax':
      return value ? `the record is not JSON: it breaks off at ${cell}` : 'the record is not JSON: it ends too early'
    case 'json-record':
      return `${cell} is not an object, as a record must be`
    case 'json-key':
      return 'the key stands in the record twice'
    case 'json-depth':
      return 'the value is nested more than 512 levels deep'
    case 'record-too-large':
      return `the record is longer than ${detail.limit} bytes`
  }
}

/** Characters of a value that a message shows. */
const SHOWN = 100

function quoted(value: string): string {
  return `"${cut(value, SHOWN)}${value.length > SHOWN ? '…' : ''}"`
}

function cut(text: string, limit: number): string {
  if (text.length <= limit) return text
  const last = text.charCodeAt(limit - 1)
  const splitsPair = last >= 0xd800 && last <= 0xdbff
  return text.slice(0, splitsPair ? limit - 1 : limit)
}

function characters(count: number | undefined): string {
  return count === 1 ? '1 character' : `${count} characters`
}

const INTEGER_RANGES = {
  2: 'a 2-byte integer (-32768 to 32767)',
  4: 'a 4-byte integer (-2147483648 to 2147483647)',
  8: 'an 8-byte integer (-9223372036854775808 to 9223372036854775807)',
}

function integerRange(column: ProgramColumn | null): string {
  return INTEGER_RANGES[column?.type.kind === 'integer' ? column.type.bytes : 8]
}

function numericRange(column: ProgramColumn | null): string {
  const type = column?.type
  return type?.kind === 'numeric' && type.precision !== null
    ? `numeric(${type.precision},${type.scale ?? 0})`
    : 'numeric (131072 before the point, 16383 after it)'
}

function expectedWords(column: ProgramColumn | null): string {
  const words = [...(column?.trueWords ?? []), ...(column?.falseWords ?? [])]
  return words.length > 0 ? ` (expected ${cut(words.join(', '), SHOWN)})` : ''
}

function formats(column: ProgramColumn | null, standard: string): string {
  return column && column.formats.length > 0 ? column.formats.join(' or ') : standard
}
