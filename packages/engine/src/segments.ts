import { areSameRecords, type Boundaries, boundariesOf, isDivisible } from './boundaries.ts'
import type { SourceHead } from './head.ts'
import type { LoadOptions } from './options.ts'
import { type Position, START } from './parse/position.ts'
import { MAX_RECORD_BYTES } from './parse/records.ts'
import type { Plan } from './schema/plan.ts'
import type { Source } from './source/source.ts'
import type { Database, TargetTable } from './write/database.ts'

/** A part of a source, between two boundaries. */
export interface Segment {
  start: Position
  /** Null: to the end of the source. */
  endByte: number | null
}

/** Connections of one process, beyond which a file is loaded in segments by threads. */
export const MOST_CONNECTIONS = 2

/**
 * The segments into which a load of one source is divided, so that several processes or threads can work on it; null where it is not, and
 * where it must not be, which is told. The result is the same: records are numbered through, and where a row's fate hangs on the rows before it there
 * is no choice but one record after the other.
 */
export async function segmentsOf(
  options: Omit<LoadOptions, 'source'>,
  source: Source,
  database: Pick<Database, 'kind'>,
  { head, plan, target }: { head: SourceHead; plan: Plan; target: TargetTable | undefined },
  notice: (message: string) => void,
): Promise<Segment[] | null> {
  const { boundaries: known = null } = source
  const isAsked = (options.parallel ?? 1) > MOST_CONNECTIONS
  if (known === null && !isAsked) return null
  const why = database.kind === 'sqlite' ? 'SQLite has one writer' : obstacle(options, source, { head, plan, target })
  if (why !== undefined) {
    notice(`${source.name} is loaded in one segment: ${why}`)
    return null
  }
  const found = known ? fitting(known, head, options) : await boundariesOf(source, head, options.maxRecordBytes)
  if (found === null) return null
  const starts = [START, ...found.at]
  return starts.map((start, i) => ({ start, endByte: starts[i + 1]?.byte ?? null }))
}

/** Why a load cannot be divided. */
function obstacle(
  { limit, dedupe = 'none', onConflict = 'reject', map }: Omit<LoadOptions, 'source'>,
  source: Source,
  { head, plan, target }: { head: SourceHead; plan: Plan; target: TargetTable | undefined },
): string | undefined {
  if (source.size === null || source.digest !== null || source.storedAt) {
    return 'a stream, or what is compressed, can only be read from its beginning'
  }
  if (!isDivisible(head.dialect))
    return 'an array of JSON, and text that is not UTF-8, can only be read from its beginning'
  if (limit !== undefined) return '--limit counts its records from the first one'
  if (map !== undefined) return 'a map function stays in its thread'
  if (dedupe !== 'none' || onConflict !== 'reject') return 'which record wins a key depends on the order of all of them'
  const isFree = target ? target.inAnyOrder : hasNoKey(plan)
  return isFree
    ? undefined
    : 'its table has a unique key, or triggers and the like, so that a row depends on those before it'
}

/** Of a table that is to be created. */
function hasNoKey({ create }: Plan): boolean {
  const { columns = [], primaryKey = [] } = create ?? {}
  return primaryKey.length === 0 && !columns.some(({ unique }) => unique)
}

/** Boundaries that were found before anybody knew how the source is to be read. */
function fitting(known: Boundaries, head: SourceHead, { maxRecordBytes }: Pick<LoadOptions, 'maxRecordBytes'>) {
  const isFitting =
    areSameRecords(known.dialect, head.dialect) &&
    known.start.byte === head.start.byte &&
    (maxRecordBytes ?? MAX_RECORD_BYTES) === MAX_RECORD_BYTES
  return isFitting ? known : null
}
