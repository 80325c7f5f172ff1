import type { Field } from './field.ts'
import type { Plan } from './plan.ts'
import type { ColumnType, ProgramColumn } from './program.ts'
import { defined } from './read-json.ts'
import type { TableSchema } from './table-schema.ts'

/** `any` where the table's own type has no equal in a schema: it then decides, as it does without one. */
const TYPES: Record<ColumnType['kind'], Field['type']> = {
  text: 'string',
  integer: 'integer',
  numeric: 'number',
  float8: 'any',
  boolean: 'boolean',
  date: 'date',
  time: 'time',
  timestamp: 'datetime',
  timestamptz: 'datetime',
  uuid: 'uuid',
  email: 'string',
  json: 'json',
  other: 'any',
}

/**
 * A schema by which a load judges each cell of the source as `plan` does, where none was given.
 * @param inferred Where it was followed: of the pattern that guards inferred groups of digits a program has the compiled test only.
 */
export function schemaOf(
  { program, key }: Pick<Plan, 'program' | 'key'>,
  nullWords: readonly string[],
  inferred?: TableSchema,
): TableSchema {
  const constraints = new Map(inferred?.fields.map((field) => [field.name, field.constraints]))
  const fields = program.columns.flatMap((column) => {
    if (!('cell' in column.from)) return []
    const header = program.sourceColumns[column.from.cell]!
    const field = fieldOf(column, header)
    // A column of the table that has the last word took nothing of the inferred field.
    return field.groupChar === undefined ? field : defined<Field>({ ...field, constraints: constraints.get(header) })
  })
  const names = new Set(fields.map(({ name }) => name))
  return defined<TableSchema>({
    fields,
    missingValues: nullWords.length === 1 && nullWords[0] === '' ? undefined : [...nullWords],
    primaryKey: key.length > 0 && key.every((name) => names.has(name)) ? [...key] : undefined,
  })
}

function fieldOf(column: ProgramColumn, header: string): Field {
  const { name, type, formats, trueWords, falseWords, decimalChar, groupChar } = column
  return defined<Field>({
    name,
    type: TYPES[type.kind],
    source: header === name ? undefined : header,
    format: formats.length > 0 ? formats : undefined,
    timezone: type.kind === 'timestamp' ? false : type.kind === 'timestamptz' ? true : undefined,
    trueValues: trueWords.length > 0 ? trueWords : undefined,
    falseValues: falseWords.length > 0 ? falseWords : undefined,
    decimalChar: decimalChar === '.' ? undefined : decimalChar,
    groupChar: groupChar ?? undefined,
  })
}
