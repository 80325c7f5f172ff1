import type { TargetColumn, TargetTable } from '../write/database.ts'
import type { Field } from './field.ts'
import { bindHeader, type FieldLookup, fieldLookup } from './header.ts'
import { nameIndex } from './name-index.ts'
import type { PlanRequest } from './plan.ts'
import type { ProgramColumn } from './program.ts'
import { show, showAll } from './read-json.ts'

/** A column of the table that this load fills. */
export interface Slot {
  column: string
  from: ProgramColumn['from']
  field: Field | undefined
  target: TargetColumn | undefined
  /** How messages name where the value comes from. */
  origin: string
}

/** What is filled, and what of the source has no place. */
export interface Slots {
  slots: Slot[]
  unknown: { name: string; cell: number }[]
}

/** What came up while planning: what forbids the load, and what was decided for the user. Sentences. */
export interface Findings {
  problems: string[]
  notices: string[]
}

/** The slots of a table that is there, in the order of its columns. */
export function slotsInTable(request: PlanRequest, target: TargetTable, given: FieldLookup, found: Findings): Slots {
  const { problems, notices } = found
  const find = nameIndex(target.columns.map((column) => [column.name, column]))
  const sample = fieldLookup(request.inferred?.fields ?? [])
  const slots: Slot[] = []
  const unknown: Slots['unknown'] = []
  for (const { header, cell, wanted, renamed, field } of bindHeader(request, given, problems)) {
    const name = wanted ?? header
    const columns = find(name)
    const column = columns[0]
    if (columns.length > 1) problems.push(ambiguous(name, columns))
    else if (column?.generated)
      notices.push(`the table itself fills ${show(column.name)}: the source's values are left out`)
    else if (column) {
      // Inference must not forbid what the table's own type allows.
      const guess = isWithoutAffinity(column) ? sample.ofHeader(header)[0] : undefined
      const origin = `column ${show(header)} of the source`
      slots.push({ column: column.name, from: { cell }, field: field ?? guess, target: column, origin })
    } else if (renamed) problems.push(`${show(header)} is mapped to ${show(name)}, which is no column of the table`)
    else unknown.push({ name: header, cell })
  }
  reportUnknown(unknown, 'the table', request, found)
  for (const { name, from, origin } of extras(request)) {
    const columns = find(name)
    const column = columns[0]
    if (columns.length > 1) problems.push(ambiguous(name, columns))
    else if (!column)
      problems.push(`${origin} needs a column ${show(name)}, which the table does not have; add it first`)
    else if (column.generated) problems.push(`${origin} has no place: the table itself fills ${show(column.name)}`)
    else slots.push({ column: column.name, from, field: given.named(column.name)[0], target: column, origin })
  }
  const order = new Map(target.columns.map((column, index) => [column.name, index]))
  return { slots: slots.sort((a, b) => order.get(a.column)! - order.get(b.column)!), unknown }
}

/** The slots of a table that is to be created, in the order of the schema; what the schema does not name comes last. */
export function slotsOfNewTable(request: PlanRequest, given: FieldLookup, found: Findings): Slots {
  const slots: Slot[] = []
  const unknown: Slots['unknown'] = []
  for (const { header, cell, wanted, renamed, field } of bindHeader(request, given, found.problems)) {
    const origin = `column ${show(header)} of the source`
    if (field) slots.push({ column: wanted ?? field.name, from: { cell }, field, target: undefined, origin })
    else if (renamed)
      found.problems.push(`${show(header)} is mapped to ${show(wanted)}, which is no field of the schema`)
    else unknown.push({ name: header, cell })
  }
  reportUnknown(unknown, 'the schema', request, found)
  for (const { name, from, type, origin } of extras(request)) {
    const field = given.named(name)[0] ?? { name, type }
    slots.push({ column: field.name, from, field, target: undefined, origin })
  }
  const order = new Map(given.fields.map((field, index) => [field, index]))
  const place = ({ field }: Slot) => order.get(field!) ?? given.fields.length
  return { slots: slots.sort((a, b) => place(a) - place(b)), unknown }
}

interface Extra {
  name: string
  from: ProgramColumn['from']
  type: 'string' | 'integer' | 'uuid'
  origin: string
}

/** Values that come from elsewhere than the source's cells. */
function extras({ set = {}, provenance }: PlanRequest): Extra[] {
  const constants = Object.entries(set).map<Extra>(([name, constant]) => ({
    name,
    from: { constant },
    type: 'string',
    origin: `the constant for ${show(name)}`,
  }))
  if (!provenance) return constants
  return [
    ...constants,
    { name: '_job', from: { constant: provenance.job }, type: 'uuid', origin: 'provenance' },
    { name: '_file', from: { constant: provenance.file }, type: 'string', origin: 'provenance' },
    { name: '_line', from: { line: true }, type: 'integer', origin: 'provenance' },
  ]
}

function reportUnknown(unknown: Slots['unknown'], place: string, request: PlanRequest, found: Findings): void {
  if (unknown.length === 0) return
  const headers = showAll(unknown.map(({ name }) => name))
  if (request.unknownColumns === 'metadata') found.notices.push(`not in ${place}, so kept in "metadata": ${headers}`)
  else if (request.unknownColumns === 'ignore') found.notices.push(`not in ${place}, so left out: ${headers}`)
  else {
    const advice = 'map them (--map), leave them out (--skip, --unknown-columns ignore|metadata), or add the columns'
    found.problems.push(`not in ${place}: ${headers}; ${advice}`)
  }
}

function ambiguous(name: string, found: readonly { name: string }[]): string {
  return `${show(name)} could be any of ${showAll(found.map((one) => one.name))}; say which with --map`
}

/** SQLite's rule for a column that takes every value as it comes (https://sqlite.org/datatype3.html, chapter 3.1). */
export function isWithoutAffinity({ declared, storage }: TargetColumn): boolean {
  return storage.startsWith('sqlite-') && /^\s*$|BLOB/i.test(declared) && !/INT|CHAR|CLOB|TEXT/i.test(declared)
}
