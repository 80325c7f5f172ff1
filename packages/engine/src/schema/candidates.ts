import type { Field } from './field.ts'
import { fitsInteger, isDate, isPlainNumber, timestampKind } from './literal.ts'

/** A type that a column could have, and the test that a cell keeps every character or at least its meaning in it. */
export interface Candidate {
  name: string
  field: Omit<Field, 'name'>
  keeps: (text: string) => boolean
  /** A value that can mean nothing else: without one in the sample the type would be a guess, and is not taken. */
  proves?: (text: string) => boolean
}

const words = (yes: string, no: string) => (text: string) => text === yes || text === no
/** Digits that print again as they stand: no sign but a minus, no leading zeros, no exponent, no negative zero. */
const DIGITS = /^(?:0|-?[1-9]\d*)$/
/** `t` and `z` in lower case, a date alone, or spaces would come back in another form. */
const TIMESTAMP = /^\S{10}[T ]\d\d:\S+$/
const zoned = (kind: 'wall' | 'instant') => (text: string) =>
  TIMESTAMP.test(text) && !text.endsWith('z') && timestampKind(text) === kind

export const INTEGER: Candidate = {
  name: 'integer',
  field: { type: 'integer' },
  keeps: (text) => DIGITS.test(text) && fitsInteger(text, 8),
}
export const NUMBER: Candidate = { name: 'number', field: { type: 'number' }, keeps: isPlainNumber }

/** What separates groups of three digits in some country. `field` can have one byte, so that a no-break space makes text. */
const GROUPS = ['.', ',', ' ', "'"]

/** Numbers with a decimal comma: `1,5`. Three digits behind the only mark of every value could as well be a group of thousands. */
const DECIMAL_COMMA: Candidate = {
  name: 'number with a decimal comma',
  field: { type: 'number', decimalChar: ',' },
  keeps: (text) => !text.includes('.') && isPlainNumber(text.replace(',', '.')),
  proves: (text) => /^-?0,|,(?!\d{3}$)/.test(text),
}

/** Numbers with groups of three digits. Only a value with both marks, `1.234,56`, shows which is which. */
function grouped(group: string, decimal: string): Candidate {
  const [groupMark, decimalMark] = [`[${group}]`, `[${decimal}]`]
  // A group character between any two digits is passed over, so that a later 12.5 would be 125: the pattern refuses it.
  const pattern = `-?(?:\\d+|\\d{1,3}(?:${groupMark}\\d{3})+)(?:${decimalMark}\\d+)?`
  const shape = new RegExp(`^${pattern}$`)
  const proof = new RegExp(`\\d${groupMark}\\d{3}${decimalMark}`)
  return {
    name: `number with groups ${JSON.stringify(group)} and decimals ${JSON.stringify(decimal)}`,
    field: { type: 'number', decimalChar: decimal, groupChar: group, constraints: { pattern } },
    keeps: (text) => shape.test(text) && isPlainNumber(text.replaceAll(group, '').replace(decimal, '.')),
    proves: (text) => proof.test(text),
  }
}

/** Numbers as other countries write them, each with the proof that a column needs. */
const LOCAL_NUMBERS: readonly Candidate[] = [
  DECIMAL_COMMA,
  ...GROUPS.flatMap((group) =>
    [',', '.'].filter((decimal) => decimal !== group).map((decimal) => grouped(group, decimal)),
  ),
]

/** From the narrowest; the first that every value of the sample allows is taken. */
export const CANDIDATES: readonly Candidate[] = [
  { name: 'boolean', field: { type: 'boolean' }, keeps: words('true', 'false') },
  // Pairs of words, so that each value can be told from its boolean again.
  {
    name: 'boolean',
    field: { type: 'boolean', trueValues: ['True'], falseValues: ['False'] },
    keeps: words('True', 'False'),
  },
  {
    name: 'boolean',
    field: { type: 'boolean', trueValues: ['TRUE'], falseValues: ['FALSE'] },
    keeps: words('TRUE', 'FALSE'),
  },
  INTEGER,
  NUMBER,
  { name: 'date', field: { type: 'date' }, keeps: isDate },
  { name: 'instant', field: { type: 'datetime', timezone: true }, keeps: zoned('instant') },
  { name: 'datetime without a zone', field: { type: 'datetime', timezone: false }, keeps: zoned('wall') },
  {
    name: 'uuid',
    field: { type: 'uuid' },
    keeps: (text) => /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/.test(text),
  },
  ...LOCAL_NUMBERS,
]
