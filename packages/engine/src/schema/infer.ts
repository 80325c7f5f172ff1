import { CANDIDATES, type Candidate, INTEGER, NUMBER } from './candidates.ts'
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
  /** What the first of them keeps, the others keep too. */
  nested: boolean
  /** Those of them that some value proves. */
  proven: Set<Candidate>
  /** The value that ended the last candidates, and them. */
  end?: { text: string; record: number; candidates: readonly Candidate[] }
}

/**
 * Infers a schema from sample records. The law: no value of the sample changes. Numbers keep their digits, dates and
 * times their meaning, and whatever would come back in another form (`00123`, `+48`, `1e5`, `1,234`, `05/06/2024`, `yes`,
 * UUIDs in capitals, spaces around a number) makes its column text. A quoted empty cell is not NULL, so that it does, too. Numbers in the
 * way of another country are numbers where a value shows which way: `1.234,56`, and `1,5` unless the comma separates the cells.
 *
 * @param header names of the columns; blank and repeated ones get no field, as no table could take them
 * @param records without the header; cells too many or too few are ignored
 * @param nullWords unquoted cells that are NULL
 * @param delimiter of the source. Two numbers with a comma between them may be a list where cells are separated by commas
 */
export function inferSchema(
  header: readonly string[],
  records: Iterable<readonly SampleCell[]>,
  nullWords: readonly string[] = [''],
  delimiter = ',',
): { schema: TableSchema; evidence: ColumnEvidence[] } {
  const columns = header.map<Column>((name) => ({
    name: name.trim(),
    values: 0,
    nulls: 0,
    samples: [],
    possible: CANDIDATES.filter((one) => isOpen(one, name, header.length > 1 ? delimiter : ',')),
    nested: false,
    proven: new Set(),
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
  if (column.possible.length === 0 || (column.nested && column.possible[0]!.keeps(text))) return
  const left = column.possible.filter(({ keeps }) => keeps(text))
  for (const candidate of left) if (candidate.proves?.(text)) column.proven.add(candidate)
  const fallen = column.possible.filter((one) => !left.includes(one) && isLikely(column, one))
  // Of the candidates that fall at the very first value none was likely, unless nothing is left.
  if (left.length === 0 || (fallen.length > 0 && column.values > 1)) {
    column.end = { text, record, candidates: column.values > 1 ? fallen : [] }
  }
  column.possible = left
  const [first, ...others] = left
  column.nested = first !== undefined && (first === INTEGER || others.every((one) => isWider(one, first)))
}

const isWider = ({ field }: Candidate, than: Candidate) => than === NUMBER && field.decimalChar === '.'

/** A comma that separates the cells, or might do so where there is but one or where a name has it too, is no decimal comma. */
function isOpen({ field: { decimalChar, groupChar } }: Candidate, name: string, delimiter: string): boolean {
  return decimalChar !== ',' || groupChar !== undefined || (delimiter !== ',' && !name.includes(','))
}

const isLikely = ({ proven }: Column, candidate: Candidate) => !candidate.proves || proven.has(candidate)

function chosen(column: Column): Candidate | undefined {
  return column.values === 0 ? undefined : column.possible.find((one) => isLikely(column, one))
}

function explain(column: Column): ColumnEvidence {
  const { name, values, nulls, samples, end } = column
  const candidate = chosen(column)
  const evidence = { name, type: candidate?.name ?? 'string', values, nulls, samples }
  if (values === 0) return { ...evidence, because: 'no value in the sample' }
  if (!candidate && column.possible.length > 0) {
    return {
      ...evidence,
      because: `no value shows what the mark in ${show(samples[0])} is: a decimal point or groups of digits`,
    }
  }
  if (end) {
    const what = [...new Set(end.candidates.map((one) => one.name))].join(' or ') || 'anything but text'
    return { ...evidence, because: `${show(end.text)} in record ${end.record} would change as ${what}` }
  }
  return { ...evidence, because: 'all values of the sample fit' }
}
