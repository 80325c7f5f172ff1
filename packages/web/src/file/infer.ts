/** What the values of a column look like: the engine's own law, that no value may change, for the rows that are shown. */

export type ColumnType =
  | 'auto'
  | 'string'
  | 'integer'
  | 'number'
  | 'number-comma'
  | 'number-grouped'
  | 'boolean'
  | 'date'
  | 'datetime'
  | 'uuid'
  | 'email'
  | 'json'

export type Guess = 'string' | 'integer' | 'number' | 'boolean' | 'date' | 'datetime' | 'uuid'

export type Problem =
  | { kind: 'empty' | 'blank' | 'twice' | 'zeros' | 'ambiguous' }
  | { kind: 'mixed'; share: number; type: Guess; example: string }

const SHAPES: [Guess, (value: string) => boolean][] = [
  ['integer', (value) => /^-?(0|[1-9]\d{0,17})$/.test(value)],
  ['number', (value) => /^-?(0|[1-9]\d*)(\.\d+)?$/.test(value)],
  ['boolean', (value) => /^(true|false)$/.test(value)],
  ['date', (value) => /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value))],
  ['datetime', (value) => /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/.test(value)],
  ['uuid', (value) => /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/.test(value)],
]
/** From this share on the others are likely mistakes. */
const MOSTLY = 0.9

/** How dates are written that are not ISO 8601. */
const DATE_FORMATS = ['%d.%m.%Y', '%d/%m/%Y', '%m/%d/%Y', '%d-%m-%Y', '%Y/%m/%d', '%Y%m%d']
const TIME_FORMATS = ['%H:%M', '%H:%M:%S']

/** strptime patterns that can be chosen for a type: for times each way to write a date, and `%p` where the month stands first. */
export const FORMATS: Partial<Record<ColumnType, string[]>> = {
  date: DATE_FORMATS,
  datetime: DATE_FORMATS.flatMap((date) => [
    ...TIME_FORMATS.map((time) => `${date} ${time}`),
    ...(date.startsWith('%m') ? [`${date} %I:%M %p`, `${date} %I:%M:%S %p`] : []),
  ]),
}

export function inferColumn(values: readonly string[]): { guess: Guess; problem?: Problem } {
  const filled = values.filter((value) => value !== '')
  if (filled.length === 0) return { guess: 'string', problem: { kind: 'empty' } }
  for (const [guess, fits] of SHAPES) {
    const misfit = filled.find((value) => !fits(value))
    if (misfit === undefined) return { guess }
    const share = filled.filter(fits).length / filled.length
    if (share >= MOSTLY && filled.length >= 10 && !(guess === 'integer' && filled.every(SHAPES[1]![1])))
      return { guess: 'string', problem: { kind: 'mixed', share, type: guess, example: misfit.slice(0, 24) } }
  }
  if (filled.every((value) => /^0\d+$|^\d+$/.test(value)) && filled.some((value) => /^0\d/.test(value)))
    return { guess: 'string', problem: { kind: 'zeros' } }
  if (filled.every((value) => /^\d\d?[./-]\d\d?[./-]\d{4}( \d\d?:\d\d(:\d\d)?( ?[AP]M)?)?$/i.test(value)))
    return { guess: 'string', problem: { kind: 'ambiguous' } }
  return { guess: 'string' }
}
