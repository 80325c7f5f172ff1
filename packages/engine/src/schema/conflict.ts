import { quoted } from '../table-name.ts'
import type { Conflict } from '../write/database.ts'
import { isByContent, renewedColumn } from './layout.ts'
import type { PlanRequest } from './plan.ts'
import { sameNames } from './plan-checks.ts'
import { showAll } from './read-json.ts'
import type { Slot } from './slots.ts'

/** Characters of a content hash with what tells its row from its twins: where it waits 32 before it, later a colon and a number behind it. */
const NUMBERED_LENGTH = 96

/**
 * What becomes of a row whose key is taken. What keeps keys from being compared goes to `problems`, as a sentence.
 * @param key the columns that were named as the key; where there are none, it is the table's own
 */
export function conflictOf(
  request: PlanRequest,
  key: readonly string[],
  slots: readonly Slot[],
  problems: string[],
): Conflict | undefined {
  const { target, onConflict = 'reject', dedupe = 'none' } = request
  if (onConflict === 'reject' && dedupe === 'none') return undefined
  const hash = slots.find(({ from }) => 'hashOf' in from)?.column
  // That it is missing was told.
  if (isByContent(dedupe) && hash === undefined) return undefined
  const columns = hash !== undefined ? [hash] : key.length > 0 ? [...key] : (target?.primaryKey ?? [])
  const filled = new Set(slots.map(({ column }) => column))
  const isLate = sameNames(target?.lateKey ?? [], columns)
  const missing = columns.filter((name) => !filled.has(name))
  if (columns.length === 0) problems.push('rows are told apart by a key, and there is none; name its columns (--key)')
  else if (missing.length > 0)
    problems.push(`rows are told apart by the key ${showAll(columns)}, and the source has no ${showAll(missing)}`)
  else if (target && !isLate && !target.uniqueKeys.some((names) => sameNames(names, columns))) {
    const list = columns.map(quoted).join(', ')
    const advice = `create one first: CREATE UNIQUE INDEX ON … (${list})`
    problems.push(
      `rows are told apart by ${showAll(columns)}, and the table has no unique index on exactly that; ${advice}`,
    )
  }
  const counted = dedupe === 'content:count'
  const room = counted ? slots.find(({ column }) => column === hash)?.target?.maxLength : undefined
  if (typeof room === 'number' && room < NUMBERED_LENGTH)
    problems.push(
      `with content:count ${showAll(columns)} must have room for ${NUMBERED_LENGTH} characters, and has it for ${room}`,
    )
  const renews = hash === undefined ? undefined : renewedColumn(request, slots)
  return {
    key: columns,
    action: onConflict === 'update' ? 'update' : 'skip',
    told: dedupe === 'key',
    renews,
    ...(counted && { counted }),
    ...(isLate && { late: true }),
  }
}
