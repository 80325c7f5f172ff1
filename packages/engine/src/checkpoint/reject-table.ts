import { createHash } from 'node:crypto'
import { SluiceError } from '../errors.ts'
import { quotedTable, tableNamed } from '../table-name.ts'
import type { Database, Statement, TableName } from '../write/database.ts'
import { ADVISORY_LOCK } from './migrate.ts'
import { rejectColumnsFor } from './tables.ts'

/** The name of the table of a job's rejects in its row of `ingestion_jobs`, in SQL; NULL: the usual one. */
export const REJECT_TABLE_OF_JOB = `settings -> 'asked' ->> 'rejectTable'`

/** Where the rejects of a job are that names no table for them. */
export const REJECT_TABLE = 'failed_imports'

/**
 * A table of rejects in SQL.
 * @param name `T` or `schema.T` as the job has it; null or undefined: {@link REJECT_TABLE}
 */
export function rejectTableSql(name: string | null | undefined): string {
  if (name == null) return REJECT_TABLE
  return quotedTable(tableNamed(name))
}

/**
 * Makes a table of rejects where it is missing, in the shape of `failed_imports`, which must be there. It needs no right to create
 * anything once the table exists.
 *
 * @throws SluiceError SLUICE_CONFIG when a table of this name has another shape; SLUICE_DATABASE when it cannot be created
 */
export async function createRejectTable(database: Database, table: TableName): Promise<void> {
  if (await database.describe(table)) return refuseOtherShape(database, table)
  const name = quotedTable(table)
  // A name of one length: PostgreSQL cuts those of more than 63 bytes, and two cut ones may be the same.
  const index = `sluice_rejects_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
  const statements: Statement[] = [
    { text: `CREATE TABLE IF NOT EXISTS ${name} (${rejectColumnsFor(database.kind)})` },
    { text: `CREATE INDEX IF NOT EXISTS ${index} ON ${name} (job_id, record)` },
  ]
  // IF NOT EXISTS alone lets two sessions collide in PostgreSQL's catalog.
  if (database.kind === 'postgres') {
    statements.unshift({ text: 'SELECT pg_advisory_xact_lock($1)', params: [ADVISORY_LOCK] })
  }
  await database.transact(statements)
  await refuseOtherShape(database, table)
}

async function refuseOtherShape(database: Database, table: TableName): Promise<void> {
  const [wanted, found] = [
    await database.describe({ schema: null, table: REJECT_TABLE }),
    await database.describe(table),
  ]
  const types = new Map(found?.columns.map(({ name, declared }) => [name, declared.toLowerCase()]))
  const wrong = wanted?.columns.find(({ name, declared }) => types.get(name) !== declared.toLowerCase())
  if (!wrong) return
  throw new SluiceError(
    'SLUICE_CONFIG',
    `The table ${table.table} cannot hold rejects: it exists, and its column ${wrong.name} is missing or not of type ` +
      `${wrong.declared}. Name a table that does not exist yet, or one of rejects`,
  )
}
