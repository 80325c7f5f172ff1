import { SluiceError } from '../errors.ts'
import type { Conflict, NewColumn, TargetTable } from '../write/database.ts'
import { columnProgram } from './column.ts'
import { conflictOf } from './conflict.ts'
import type { Field } from './field.ts'
import { fieldCheck } from './field-check.ts'
import { fieldLookup } from './header.ts'
import { canBeLate, layoutColumns, layoutSlots } from './layout.ts'
import { nameIndex } from './name-index.ts'
import {
  checkDestinations,
  checkFields,
  checkNewNames,
  checkUnfilled,
  checkWidth,
  primaryKeyFields,
  sameNames,
  unfilled,
  uniqueFields,
} from './plan-checks.ts'
import type { ColumnType, Program, Storage } from './program.ts'
import { show, showAll } from './read-json.ts'
import { type Findings, isWithoutAffinity, type Slot, slotsInTable, slotsOfNewTable } from './slots.ts'
import type { TableSchema } from './table-schema.ts'

/** Which records are the same, and loaded once only. */
export type Dedupe = 'none' | 'key' | 'content' | 'content:count'

/** What a load is planned from. Names come from files and users: none of them is trusted. */
export interface PlanRequest {
  /** The source's header, as it stands there. */
  header: readonly string[]
  /** The user's schema, parsed; undefined: none was given. */
  schema?: TableSchema | undefined
  /** The schema of a sample. It decides only where nothing else does: in a new table, and in columns without affinity. */
  inferred?: TableSchema | undefined
  /** The table as it is; undefined: it is to be created. */
  target?: TargetTable | undefined
  storageFor: (type: ColumnType) => Storage
  /** Header → column. */
  rename?: Readonly<Record<string, string>> | undefined
  /** Headers that are not loaded. */
  skip?: readonly string[] | undefined
  /** Column → the same text for every row; null is NULL. */
  set?: Readonly<Record<string, string | null>> | undefined
  /** Adds the columns `_job`, `_file` and `_line`, with these texts in the first two. */
  provenance?: { job: string; file: string } | undefined
  /** Columns of the source that have no place: refuse the load, or leave them out, or keep them in the column `metadata`. Default: `reject`. */
  unknownColumns?: 'reject' | 'ignore' | 'metadata' | undefined
  /** Id of the job, for tables that keep it. */
  job?: string | undefined
  /** Key columns. Default: the schema's `primaryKey`. */
  key?: readonly string[] | undefined
  /** Default: `reject`. */
  onConflict?: 'reject' | 'skip' | 'update' | undefined
  /** Default: `none`. */
  dedupe?: Dedupe | undefined
  /** Bytes of a name that the database keeps: 63 in PostgreSQL. Default: no limit. */
  nameBytes?: number | undefined
  /** Names that no column may have: PostgreSQL's system columns. Default: none. */
  systemNames?: readonly string[] | undefined
  /** Columns that a new table may have. Default: as many as there are. */
  maxColumns?: number | undefined
}

export interface Plan {
  program: Program
  /** Where the table is to be created: its columns, in the order of the schema, and its primary key. `lateKey`: the unique column whose index may be built last. */
  create?: { columns: NewColumn[]; primaryKey: string[]; lateKey?: string }
  /** Key columns, by their names in the table; empty: none. */
  key: string[]
  /** What becomes of a row whose key is taken; undefined: it is refused. */
  conflict?: Conflict | undefined
  /** Sentences about what was decided for the user. */
  notices: string[]
}

/**
 * Plans a load: which column of the source goes where, how each is checked and stored, and what table is created.
 *
 * @throws SluiceError SLUICE_COLUMNS that lists everything that does not fit, what was found, and what to do
 */
export function planLoad(request: PlanRequest): Plan {
  const { target } = request
  const found: Findings = { problems: [], notices: [] }
  const { problems, notices } = found
  const given = fieldLookup((target ? request.schema : (request.schema ?? request.inferred))?.fields ?? [])
  const { slots, unknown } = target
    ? slotsInTable(request, target, given, found)
    : slotsOfNewTable(request, given, found)
  if (slots.length === 0 && problems.length === 0) problems.push('no column is left to load')
  slots.push(...layoutSlots(request, slots, unknown, problems))
  // A field that was only inferred has no place without its column.
  const empty = unfilled(request.schema?.fields ?? [], slots)
  const key = keyColumns(request, slots, problems)
  const conflict = conflictOf(request, key, slots, problems)
  checkDestinations(slots, problems)
  checkFields(request, slots, empty, found)
  if (target) checkUnfilled(target, slots, problems)
  else checkNewNames([...slots.map(({ column }) => column), ...empty.map(({ name }) => name)], request, problems)
  const required = new Set(primaryKeyFields(request.schema))
  const columns = slots.map((slot) => {
    const { column: name, field, target: column } = slot
    const inKey = !target && key.includes(name)
    const place = {
      name,
      own: column && !isWithoutAffinity(column) ? column : undefined,
      // A NULL would be refused by the database too: the default of a column stands in for a column that is not loaded.
      required: inKey || (field !== undefined && required.has(field.name)) || column?.nullable === false,
      maxLength: column?.maxLength ?? null,
    }
    return columnProgram(slot.from, field, place, request.storageFor, problems)
  })
  if (problems.length > 0) throw refusal(request, problems)
  const program = { sourceColumns: [...request.header], columns }
  if (target) return { program, key, conflict, notices }
  const create = newTable(request.schema, slots, empty, key)
  checkWidth(create.columns.length, request, problems)
  if (problems.length > 0) throw refusal(request, problems)
  return { program, create, key, conflict, notices }
}

function keyColumns({ key, schema }: PlanRequest, slots: readonly Slot[], problems: string[]): string[] {
  if (!key) {
    return primaryKeyFields(schema).flatMap((name) => slots.find(({ field }) => field?.name === name)?.column ?? [])
  }
  const find = nameIndex(slots.map((slot) => [slot.column, slot.column]))
  const columns = key.flatMap((name) => {
    const found = find(name)
    if (found.length === 0) problems.push(`the key column ${show(name)} is not among the columns that are loaded`)
    if (found.length > 1) problems.push(`the key column ${show(name)} could be any of ${showAll(found)}`)
    return found
  })
  return [...new Set(columns)]
}

function newTable(
  schema: TableSchema | undefined,
  slots: readonly Slot[],
  empty: readonly Field[],
  key: string[],
): NonNullable<Plan['create']> {
  const hash = slots.find(({ from }) => 'hashOf' in from)?.column
  const unique = new Set(uniqueFields(schema).flatMap((names) => (names.length === 1 ? names : [])))
  const column = (name: string, field: Field): NewColumn => ({
    name,
    type: fieldCheck(field).type,
    required: key.includes(name) || field.constraints?.required === true,
    ...(name === hash && { bytewise: true }),
    unique: name === hash || (unique.has(field.name) && !sameNames(key, [name])),
  })
  const filled = slots.map((slot) => column(slot.column, slot.field!))
  const columns = [...filled, ...empty.map((field) => column(field.name, field))]
  if (hash === undefined) return { columns, primaryKey: key }
  const lateKey = canBeLate(slots, columns, key, hash) ? hash : undefined
  return { columns: layoutColumns(columns, key), primaryKey: key, ...(lateKey !== undefined && { lateKey }) }
}

/** A wrong delimiter makes hundreds; the first ones tell enough. */
const PROBLEMS_SHOWN = 20

function refusal({ header, target, schema }: PlanRequest, problems: readonly string[]): SluiceError {
  const name = target && [target.name.schema, target.name.table].filter((part) => part !== null).join('.')
  const found = [
    `The source has: ${showAll(header)}.`,
    target ? `The table has: ${showAll(target.columns.map((column) => column.name))}.` : '',
    schema ? `The schema has: ${showAll(schema.fields.map((field) => field.name))}.` : '',
  ].filter((sentence) => sentence !== '')
  const title = `The columns of the source do not fit ${name === undefined ? 'the table to be created' : `table ${show(name)}`}:`
  const more = problems.length > PROBLEMS_SHOWN ? [`  - and ${problems.length - PROBLEMS_SHOWN} more`] : []
  const shown = problems.slice(0, PROBLEMS_SHOWN).map((problem) => `  - ${problem}`)
  return new SluiceError('SLUICE_COLUMNS', [title, ...shown, ...more, ...found].join('\n'))
}
