import { existsSync } from 'node:fs'
import type { Pool } from 'pg'
import { SluiceError } from '../errors.ts'
import type { Database } from './database.ts'
import type { Told } from './retry.ts'

/**
 * Opens the database of a URL: `sqlite:PATH`, `postgres://…` or `postgresql://…`; or of a pool of pg. Default: `$DATABASE_URL`,
 * else `sqlite:sluice.db`. Only the driver that is needed gets loaded.
 * @param told Of waiting for a database that is busy or starting up; `parallel`: connections to PostgreSQL that bring batches in at
 *   once, 2 by default.
 * @throws SluiceError SLUICE_CONFIG for a URL of no database, SLUICE_CONNECT
 */
export async function openDatabase(
  target: string | Pool = usualDatabase(),
  told: Told & { parallel?: number | undefined } = {},
): Promise<Database> {
  if (typeof target !== 'string' || /^postgres(ql)?:/i.test(target)) {
    const { openPostgres } = await import('./postgres/postgres.ts')
    return openPostgres(target, told)
  }
  const { path } = databaseOf(target)
  const { openSqlite } = await import('./sqlite/sqlite.ts')
  return openSqlite(path!, told)
}

/**
 * What a URL names, without opening it: `path` is SQLite's file. Default: as of {@link openDatabase}.
 * @throws SluiceError SLUICE_CONFIG for a URL of no database
 */
export function databaseOf(target: string | Pool = usualDatabase()): { kind: Database['kind']; path?: string } {
  if (typeof target !== 'string' || /^postgres(ql)?:/i.test(target)) return { kind: 'postgres' }
  const path = /^sqlite:(?:\/\/)?(.+)$/is.exec(target)?.[1]
  if (path === undefined) {
    const scheme = /^[a-z][a-z0-9+.-]*:/i.exec(target)?.[0] ?? 'no scheme at all'
    throw new SluiceError(
      'SLUICE_CONFIG',
      `A database is named by sqlite:PATH or postgres://user@host/name; this URL begins with ${scheme}`,
    )
  }
  return { kind: 'sqlite', path }
}

/**
 * For what only looks at jobs that are there: SQLite would make a new file.
 * @throws SluiceError SLUICE_CONFIG where there is none
 */
export function refuseMissingFile(target?: string | Pool): void {
  const { path } = databaseOf(target)
  if (path === undefined || existsSync(path)) return
  throw new SluiceError('SLUICE_CONFIG', `There is no database file ${path}; name the database of the load with --to`)
}

const usualDatabase = (): string => process.env.DATABASE_URL || 'sqlite:sluice.db'
