import type { Batch } from '../../parse/batch.ts'
import type { LoadPlan } from '../database.ts'
import { quoteName, quoteTable } from './identifier.ts'
import { BINARY_HEADER, BINARY_TRAILER, rowOffsets, textColumns } from './rows.ts'
import type { Session } from './session.ts'

/** Loads the rows of rank `from` up to `to` with one statement. Resolves with the number of them that went in. */
export type LoadRows = (session: Session, batch: Batch, from: number, to: number) => Promise<number>

/** Rows travel as COPY data, in the form in which the kernel wrote them. */
export function copyRows({ table, columns, encoding }: LoadPlan): LoadRows {
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const binary = encoding === 'pg-binary'
  const statement = `COPY ${quoteTable(table)} (${names}) FROM STDIN (FORMAT ${binary ? 'binary' : 'text'})`
  const slice = slicer(binary ? 'pg-binary' : 'pg-text')
  return async (session, batch, from, to) => {
    const rows = slice(batch, from, to)
    return session.copy(statement, binary ? [BINARY_HEADER, rows, BINARY_TRAILER] : [rows])
  }
}

/**
 * Rows travel as one array of text a column. The SELECT makes each value its column's base type without a length: a
 * cast to varchar(3) would cut the text, the INSERT's own conversion refuses it.
 *
 * @param baseTypes Of the columns, quoted and with their schema.
 */
export function unnestRows({ table, columns }: LoadPlan, baseTypes: string[]): LoadRows {
  const names = columns.map(({ name }) => quoteName(name)).join(', ')
  const values = baseTypes.map((type, i) => `c${i}::${type}`).join(', ')
  const arrays = baseTypes.map((_, i) => `$${i + 1}::text[]`).join(', ')
  const aliases = baseTypes.map((_, i) => `c${i}`).join(', ')
  const statement = `INSERT INTO ${quoteTable(table)} (${names}) SELECT ${values} FROM unnest(${arrays}) AS r (${aliases})`
  const slice = slicer('pg-text')
  return async (session, batch, from, to) => {
    return session.runArrays(statement, textColumns(slice(batch, from, to), columns.length))
  }
}

/**
 * For a table that others inherit from: rows that a trigger redirects to one of those are in the table as well. The server counts
 * what each transaction inserts where (https://www.postgresql.org/docs/current/monitoring-stats.html, pg_stat_xact_user_tables).
 */
export function countingHeirs(loadRows: LoadRows, oid: number): LoadRows {
  const count = async (session: Session): Promise<number> => {
    const [row] = await session.query<{ rows: number }>(
      `WITH RECURSIVE heirs AS (
         SELECT inhrelid AS oid FROM pg_catalog.pg_inherits WHERE inhparent = $1
         UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN heirs h ON i.inhparent = h.oid
       ) SELECT CAST(coalesce(sum(pg_catalog.pg_stat_get_xact_tuples_inserted(oid)), 0) AS bigint) AS rows FROM heirs`,
      [oid],
    )
    return row!.rows
  }
  return async (session, batch, from, to) => {
    const before = await count(session)
    const taken = await loadRows(session, batch, from, to)
    return taken + (await count(session)) - before
  }
}

/** The bytes of some rows of a batch. Where rows begin is found out once a batch, and only if not all are wanted. */
function slicer(encoding: 'pg-binary' | 'pg-text') {
  let known: { batch: Batch; offsets: Uint32Array } | undefined
  return (batch: Batch, from: number, to: number): Uint8Array => {
    if (from === 0 && to === batch.rows) {
      known = undefined
      return batch.output
    }
    if (known?.batch !== batch) known = { batch, offsets: rowOffsets(batch.output, batch.rows, encoding) }
    return batch.output.subarray(known.offsets[from], known.offsets[to])
  }
}
