import { SluiceError } from '../errors.ts'
import type { TargetTable } from '../write/database.ts'
import type { Field } from './field.ts'
import { type NameIndex, nameIndex } from './name-index.ts'
import { listOf, show, showAll } from './read-json.ts'
import type { TableSchema } from './table-schema.ts'

/** The fields of a schema, by their own names and by those that they may have in a source. */
export interface FieldLookup {
  fields: readonly Field[]
  named: NameIndex<Field>
  ofHeader: NameIndex<Field>
}

export function fieldLookup(fields: readonly Field[]): FieldLookup {
  const named = nameIndex(fields.map((field) => [field.name, field]))
  const ofSource = nameIndex(
    fields.flatMap((field) => listOf(field.source).map((name) => [name.trim(), field] as const)),
  )
  return {
    fields,
    named,
    ofHeader(header) {
      const fromSource = ofSource(header)
      return fromSource.length > 0 ? fromSource : named(header)
    },
  }
}

/** A column of the source that is to be loaded. */
export interface Bound {
  /** Trimmed. */
  header: string
  cell: number
  field: Field | undefined
  /** The column it is to go to, as its field or a rename has it; undefined: that of the same name. */
  wanted: string | undefined
  renamed: boolean
}

interface Choices {
  header: readonly string[]
  rename?: Readonly<Record<string, string>> | undefined
  skip?: readonly string[] | undefined
  unknownColumns?: 'reject' | 'ignore' | 'metadata' | undefined
}

/** Says of each column of the source that is not skipped what it is meant to be. What cannot be said goes to `problems`. */
export function bindHeader(choices: Choices, given: FieldLookup, problems: string[]): Bound[] {
  const names = choices.header.map((name) => name.trim())
  const find = nameIndex(names.map((name, cell) => [name, cell]))
  const locate = (name: string, option: string): readonly number[] => {
    const cells = find(name.trim())
    const spellings = new Set(cells.map((cell) => names[cell]!))
    if (cells.length === 0) problems.push(`${option} ${show(name)} names no column of the source`)
    if (spellings.size > 1) problems.push(`${option} ${show(name)} could be any of ${showAll([...spellings])}`)
    return spellings.size > 1 ? [] : cells
  }
  const skipped = new Set((choices.skip ?? []).flatMap((name) => locate(name, '--skip')))
  const renames = new Map<number, string>()
  for (const [name, column] of Object.entries(choices.rename ?? {})) {
    for (const cell of locate(name, '--map')) {
      if (column.trim() === '') problems.push(`--map ${show(name)} names no column to map it to`)
      else if (renames.has(cell)) problems.push(`--map names ${show(names[cell])} twice`)
      else renames.set(cell, column)
    }
  }
  const bound: Bound[] = []
  for (const [cell, header] of names.entries()) {
    if (skipped.has(cell)) continue
    const rename = renames.get(cell)
    if (header === '' && rename === undefined) {
      // Spreadsheets leave such columns behind: a delimiter at the end of every line.
      if (choices.unknownColumns !== 'ignore')
        problems.push(`column ${cell + 1} of the source has no name; name it, or leave it out (--skip '')`)
      continue
    }
    const byColumn = rename === undefined ? [] : given.named(rename)
    const found = byColumn.length > 0 ? byColumn : given.ofHeader(header)
    if (found.length > 1) {
      problems.push(
        `${show(header)} could be any of the fields ${showAll(found.map(({ name }) => name))}; say which with --map`,
      )
      continue
    }
    bound.push({ header, cell, field: found[0], wanted: rename ?? found[0]?.name, renamed: rename !== undefined })
  }
  return bound
}

/**
 * Names for the columns of a source without a header, by their order: the fields of the schema, else the columns of the
 * table that can be written, else `column1`, `column2`, …
 *
 * @param cells how many a record has; 0: nobody knows, so that there are as many as names
 * @throws SluiceError SLUICE_COLUMNS when a record has more cells than there are names
 */
export function headerByOrder(
  cells: number,
  schema: TableSchema | undefined,
  target: TargetTable | undefined,
): string[] {
  const names = schema
    ? schema.fields.map((field) => listOf(field.source)[0] ?? field.name)
    : target?.columns.filter((column) => !column.generated).map((column) => column.name)
  if (!names) return Array.from({ length: cells || 1 }, (_, index) => `column${index + 1}`)
  if (cells <= names.length) return names.slice(0, cells || names.length)
  throw new SluiceError(
    'SLUICE_COLUMNS',
    `The source has no header and ${cells} columns, but the ${schema ? 'schema' : 'table'} has ${names.length}: ${showAll(names)}. Give the source a header, or a schema with a field for each column.`,
  )
}
