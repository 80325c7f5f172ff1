import type { TargetTable } from '../write/database.ts'
import type { Field } from './field.ts'
import { fold } from './name-index.ts'
import type { PlanRequest } from './plan.ts'
import { listOf, show, showAll } from './read-json.ts'
import type { Findings, Slot } from './slots.ts'
import type { TableSchema } from './table-schema.ts'

/** Two values for one column. */
export function checkDestinations(slots: readonly Slot[], problems: string[]): void {
  for (const [column, same] of Map.groupBy(slots, (slot) => slot.column)) {
    const [first, second, ...more] = same
    if (!second) continue
    const origins = [first!.origin, second.origin, ...(more.length > 0 ? [`${more.length} more`] : [])].join(' and ')
    problems.push(`${origins} go to ${show(column)}; leave one out (--skip) or map it to another column (--map)`)
  }
}

/** Always a refusal: every row would fail. */
export function checkUnfilled(target: TargetTable, slots: readonly Slot[], problems: string[]): void {
  const filled = new Set(slots.map(({ column }) => column))
  const missing = target.columns.filter(
    ({ name, nullable, hasDefault, generated }) => !(nullable || hasDefault || generated || filled.has(name)),
  )
  if (missing.length === 0) return
  const names = showAll(missing.map(({ name }) => name))
  const advice = 'map a header to it (--map) or set it (--set)'
  problems.push(`the table needs a value for ${names} (NOT NULL without a default), and the source has none; ${advice}`)
}

/** Names that PostgreSQL would cut, or that SQLite would take for equal: the result must not depend on the database. */
export function checkNewNames(
  names: readonly string[],
  { nameBytes = Number.POSITIVE_INFINITY, systemNames = [] }: PlanRequest,
  problems: string[],
): void {
  const seen = new Map<string, string>()
  for (const name of names) {
    if (name.trim() === '' || name.includes('\0')) problems.push(`${show(name)} cannot name a column; use --map`)
    const bytes = Buffer.byteLength(name)
    if (bytes > nameBytes) problems.push(`${show(name)} has ${bytes} bytes and may have ${nameBytes}; use --map`)
    if (systemNames.includes(name))
      problems.push(`${show(name)} is the name of a system column that every table has; use --map`)
    const other = seen.get(fold(name))
    if (other !== undefined && other !== name) {
      problems.push(`columns ${show(other)} and ${show(name)} differ in case only; use --map or --skip`)
    }
    seen.set(fold(name), name)
  }
}

/** More columns than the database takes. */
export function checkWidth(
  columns: number,
  { maxColumns = Number.POSITIVE_INFINITY }: PlanRequest,
  problems: string[],
): void {
  if (columns <= maxColumns) return
  const advice = 'leave some out (--skip), or name the others in a schema and say --unknown-columns ignore or metadata'
  problems.push(`it would have ${columns} columns and may have ${maxColumns}; ${advice}`)
}

/** Fields of the user's schema that get no value, and keys that nobody would watch over. */
export function checkFields(
  { schema, target }: PlanRequest,
  slots: readonly Slot[],
  empty: readonly Field[],
  { problems, notices }: Findings,
): void {
  const inKey = primaryKeyFields(schema)
  const isNeeded = ({ name, constraints }: Field) => constraints?.required === true || inKey.includes(name)
  const needed = empty.filter(isNeeded).map(({ name }) => name)
  const optional = empty.filter((field) => !isNeeded(field)).map(({ name }) => name)
  if (needed.length > 0) problems.push(`the schema requires ${showAll(needed)}, and the source has no such column`)
  if (optional.length > 0) notices.push(`the source has no column for ${showAll(optional)}`)
  const columnOf = new Map(slots.map(({ field, column }) => [field?.name, column]))
  for (const unique of uniqueFields(schema)) {
    const columns = unique.map((name) => columnOf.get(name) ?? name)
    const isWatched = target
      ? target.uniqueKeys.some((list) => list.every((name) => columns.includes(name)))
      : unique.length === 1 || sameNames(unique, inKey)
    const wish = `the schema wants ${showAll(columns)} to be unique`
    if (!isWatched && target) problems.push(`${wish}, and the table has no unique index for that; create one first`)
    else if (!isWatched)
      problems.push(`${wish} together; create the table with such an index first, or make them its key`)
  }
}

export function unfilled(fields: readonly Field[], slots: readonly Slot[]): Field[] {
  const filled = new Set(slots.map(({ field }) => field))
  return fields.filter((field) => !filled.has(field))
}

/** The lists of fields whose values the schema wants to be unique. */
export function uniqueFields(schema: TableSchema | undefined): string[][] {
  const { fields = [], uniqueKeys = [] } = schema ?? {}
  return [...fields.filter(({ constraints }) => constraints?.unique).map(({ name }) => [name]), ...uniqueKeys]
}

export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name))
}

export function primaryKeyFields(schema: TableSchema | undefined): string[] {
  return listOf(schema?.primaryKey)
}
