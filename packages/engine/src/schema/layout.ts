import type { NewColumn, TargetTable } from '../write/database.ts'
import type { Field } from './field.ts'
import { fold, nameIndex } from './name-index.ts'
import type { PlanRequest } from './plan.ts'
import type { ProgramColumn } from './program.ts'
import { show } from './read-json.ts'
import type { Slot } from './slots.ts'

/** Holds what tells records with the same content: no source may fill it. */
const CONTENT_HASH = 'content_hash'
const METADATA = 'metadata'
const RENEWED = 'updated_at'

/** Whether records are told apart by their content. */
export function isByContent(dedupe: PlanRequest['dedupe']): boolean {
  return dedupe === 'content' || dedupe === 'content:count'
}

/** Columns that tables for `dedupe: 'content'` have around those of the source, in their order. */
const BEFORE = ['id', 'job_id', CONTENT_HASH]
/** Names by which SQLite tells a row's place, unless a column has them. */
const PLACES = ['rowid', 'oid', '_rowid_']
/** Where the values of `job_id` come from. */
const JOB = 'the job'
const BEHIND = [METADATA, 'created_at', RENEWED]

/** The table without those columns: what a source without a header may name. */
export function withoutLayout(target: TargetTable | undefined, dedupe: PlanRequest['dedupe']): TargetTable | undefined {
  if (!(target && isByContent(dedupe))) return target
  const layout = [...BEFORE, ...BEHIND]
  return { ...target, columns: target.columns.filter(({ name }) => !layout.includes(name) || name === 'id') }
}

/** Slots for the cells that have no column, and for what `dedupe: 'content'` needs. What is wrong goes to `problems`. */
export function layoutSlots(
  { target, dedupe, job, unknownColumns }: PlanRequest,
  slots: readonly Slot[],
  members: readonly { name: string; cell: number }[],
  problems: string[],
): Slot[] {
  const find = nameIndex((target?.columns ?? []).map((column) => [column.name, column]))
  const filled = new Set(slots.map(({ column }) => fold(column)))
  const added: Slot[] = []
  const add = (name: string, type: Field['type'], from: ProgramColumn['from'], origin: string): Slot | undefined => {
    const column = find(name)[0]
    if (filled.has(fold(name)) || (target && (!column || column.generated))) return undefined
    const slot: Slot = { column: column?.name ?? name, from, field: { name, type }, target: column, origin }
    added.push(slot)
    return slot
  }
  if (unknownColumns === 'metadata' && members.length === 0 && !target) {
    add(METADATA, 'object', { constant: null }, 'what has no column of its own')
  }
  if (unknownColumns === 'metadata' && members.length > 0) {
    const slot = add(METADATA, 'object', { members: [...members] }, 'what has no column of its own')
    const kind = slot?.target?.type.kind
    if (!slot || (kind !== undefined && kind !== 'json' && kind !== 'text'))
      problems.push(
        `unknown columns go to a column "${METADATA}" of JSON or text, and the table has no such column free`,
      )
  }
  if (!isByContent(dedupe)) return added
  // Wherever a row comes from, it is the same one.
  const content = [...slots, ...added].filter(({ origin }) => origin !== 'provenance')
  const hashed = content.map(({ column }) => column)
  if (job !== undefined) {
    const column = find('job_id')[0]
    if (!target || column?.type.kind === 'uuid' || column?.type.kind === 'text')
      add('job_id', 'uuid', { constant: job }, JOB)
  }
  if (filled.has(CONTENT_HASH)) problems.push(`${show(CONTENT_HASH)} is made by sluice; leave that column out (--skip)`)
  else if (!add(CONTENT_HASH, 'string', { hashOf: hashed }, 'the content'))
    problems.push(
      `records are told apart by their content, and the table has no column "${CONTENT_HASH}"; add one of text, with a unique index`,
    )
  return added
}

/** The column that tells when a row came last, where the load does not fill it itself. */
export function renewedColumn({ target }: PlanRequest, slots: readonly Slot[]): string | undefined {
  if (slots.some(({ column }) => fold(column) === RENEWED)) return undefined
  if (!target) return RENEWED
  const column = target.columns.find(({ name }) => name === RENEWED)
  if (!column || column.generated) return undefined
  const isTime = ['timestamp', 'timestamptz'].includes(column.type.kind) || column.storage === 'sqlite-text'
  return isTime ? RENEWED : undefined
}

/**
 * Whether the unique index on the content may come when all rows are in. Rows with the same content are then the same in all else, and only
 * their places tell them apart; it is known whose they are; and nothing else refuses one of them.
 */
export function canBeLate(
  slots: readonly Slot[],
  columns: readonly NewColumn[],
  key: readonly string[],
  hash: string,
): boolean {
  return (
    key.length === 0 &&
    slots.some(({ column, origin }) => column === 'job_id' && origin === JOB) &&
    !slots.some(({ column, origin }) => origin === 'provenance' || PLACES.includes(fold(column))) &&
    columns.every(({ name, unique }) => !unique || name === hash)
  )
}

/** Puts the columns of a table for `dedupe: 'content'` in order, and adds those that the database fills. */
export function layoutColumns(columns: readonly NewColumn[], key: readonly string[]): NewColumn[] {
  const taken = new Set(columns.map(({ name }) => fold(name)))
  const own = (
    name: string,
    column: Omit<NewColumn, 'name' | 'required' | 'unique'>,
    required: boolean,
  ): NewColumn[] => (taken.has(name) ? [] : [{ name, required, unique: false, ...column }])
  const named = (names: readonly string[]) => columns.filter(({ name }) => names.includes(name))
  const others = columns.filter(({ name }) => name !== 'job_id' && name !== CONTENT_HASH && name !== METADATA)
  return [
    ...(key.length > 0 ? [] : own('id', { type: { kind: 'integer', bytes: 8 }, filledWith: 'number' }, true)),
    ...named(['job_id']),
    ...named([CONTENT_HASH]),
    ...others,
    ...named([METADATA]),
    ...own(METADATA, { type: { kind: 'json', top: 'object' } }, false),
    ...own('created_at', { type: { kind: 'timestamptz' }, filledWith: 'now' }, true),
    ...own(RENEWED, { type: { kind: 'timestamptz' }, filledWith: 'now' }, true),
  ]
}
