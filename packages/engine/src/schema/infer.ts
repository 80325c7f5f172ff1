import type { Field } from './field.ts'
import { fitsInteger, fitsNumeric, isDate, timestampKind } from './literal.ts'
import { show } from './read-json.ts'
import type { TableSchema } from './table-schema.ts'

/** A cell of the sample. Quotes carry no type, but a quoted cell is never NULL. */
export interface SampleCell {
  text: string
  quoted: boolean
}

/** Why a column got its type. */
export interface ColumnEvidence {
  name: string
  type: string
  /** Cells of the sample that are not NULL, and those that are. */
  values: number
  nulls: number
  /** The first different values, cut at 200 characters. */
  samples: string[]
  /** A sentence: the first value that forbade the type which the others would have had, or that all fit. */
  because: string
}

/** A type that a column could have, and the test that a cell keeps every character or at least its meaning in it. */
interface Candidate {
  name: string
  field: Omit<Field, 'name'>
  keeps: (text: string) => boolean
}

const words = (yes: string, no: string) => (text: string) => text === yes || text === no
/** Digits that print again as they stand: no sign but a minus, no leading zeros, no exponent, no negative zero. */
const DIGITS = /^(?:0|-?[1-9]\d*)$/
const DECIMAL = /^(?:-?[1-9]\d*|0|-?0(?=\.0*[1-9])|0(?=\.))(?:\.\d+)?$/
/** `t` and `z` in lower case, a date alone, or spaces would come back in another form. */
const TIMESTAMP = /^\S{10}[T ]\d\d:\S+$/
const zoned = (kind: 'wall' | 'instant') => (text: string) =>
  TIMESTAMP.test(text) && !text.endsWith('z') && timestampKind(text) === kind

/** From the narrowest; the first that every value of the sample allows is taken. */
const CANDIDATES: readonly Candidate[] = [
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
  { name: 'integer', field: { type: 'integer' }, keeps: (text) => DIGITS.test(text) && fitsInteger(text, 8) },
  { name: 'number', field: { type: 'number' }, keeps: (text) => DECIMAL.test(text) && fitsNumeric(text) },
  { name: 'date', field: { type: 'date' }, keeps: isDate },
  { name: 'instant', field: { type: 'datetime', timezone: true }, keeps: zoned('instant') },
  { name: 'datetime without a zone', field: { type: 'datetime', timezone: false }, keeps: zoned('wall') },
  {
    name: 'uuid',
    field: { type: 'uuid' },
    keeps: (text) => /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/.test(text),
  },
]

/** Values that are shown of a column, and their characters. */
const SAMPLES = 3
const SAMPLE_LENGTH = 200

/** What is known of a column so far. */
interface Column {
  name: string
  values: number
  nulls: number
  samples: string[]
  possible: readonly Candidate[]
  /** The value that ended the last candidates, and them. */
  end?: { text: string; record: number; candidates: readonly Candidate[] }
}

/**
 * Infers a schema from sample records. The law: no value of the sample changes. Numbers keep their digits, dates and
 * times their meaning, and whatever would come back in another form (`00123`, `+48`, `1e5`, `1,234`, `05/06/2024`, `yes`,
 * UUIDs in capitals, spaces around a number) makes its column text. A quoted empty cell is not NULL, so that it does, too.
 *
 * @param header names of the columns; blank and repeated ones get no field, as no table could take them
 * @param records without the header; cells too many or too few are ignored
 * @param nullWords unquoted cells that are NULL
 */
export function inferSchema(
  header: readonly string[],
  records: Iterable<readonly SampleCell[]>,
  nullWords: readonly string[] = [''],
): { schema: TableSchema; evidence: ColumnEvidence[] } {
  const columns = header.map<Column>((name) => ({
    name: name.trim(),
    values: 0,
    nulls: 0,
    samples: [],
    possible: CANDIDATES,
  }))
  let record = 0
  for (const cells of records) {
    record++
    for (const [index, column] of columns.entries()) {
      const cell = cells[index]
      if (!cell) continue
      if (!cell.quoted && nullWords.includes(cell.text)) column.nulls++
      else narrow(column, cell.text, record)
    }
  }
  const names = new Set<string>()
  const named = columns.filter(({ name }) => name !== '' && names.size < names.add(name).size)
  return {
    schema: {
      fields: named.map((column) => ({ name: column.name, ...(chosen(column)?.field ?? { type: 'string' }) })),
    },
    evidence: named.map(explain),
  }
}

function narrow(column: Column, text: string, record: number): void {
  column.values++
  const sample = text.slice(0, SAMPLE_LENGTH)
  if (column.samples.length < SAMPLES && !column.samples.includes(sample)) column.samples.push(sample)
  if (column.possible.length === 0) return
  const left = column.possible.filter(({ keeps }) => keeps(text))
  // Of the candidates that fall at the very first value none was likely, unless nothing is left.
  if (left.length < column.possible.length && (column.values > 1 || left.length === 0)) {
    const candidates = column.values > 1 ? column.possible.filter((one) => !left.includes(one)) : []
    column.end = { text, record, candidates }
  }
  column.possible = left
}

function chosen({ values, possible }: Column): Candidate | undefined {
  return values === 0 ? undefined : possible[0]
}

function explain(column: Column): ColumnEvidence {
  const { name, values, nulls, samples, end } = column
  const candidate = chosen(column)
  const evidence = { name, type: candidate?.name ?? 'string', values, nulls, samples }
  if (values === 0) return { ...evidence, because: 'no value in the sample' }
  if (end) {
    const what = [...new Set(end.candidates.map((one) => one.name))].join(' or ') || 'anything but text'
    return { ...evidence, because: `${show(end.text)} in record ${end.record} would change as ${what}` }
  }
  return { ...evidence, because: 'all values of the sample fit' }
}
