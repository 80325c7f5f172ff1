import { existsSync } from 'node:fs'
import { type Database, openDatabase, SluiceError } from '@sluice/engine'
import { type Config, databaseUrl } from '../config.ts'

/**
 * Opens the database that holds the jobs, for as long as `work` takes. Where SQLite would make a new file there is
 * nothing to see.
 * @param flag The value of --to.
 * @throws SluiceError SLUICE_CONFIG for a URL of no database, SLUICE_CONNECT.
 */
export async function withDatabase<Result>(
  flag: string | undefined,
  config: Config,
  work: (database: Database) => Promise<Result>,
): Promise<Result> {
  const url = databaseUrl(flag, config)
  refuseMissingFile(url)
  const database = await openDatabase(url)
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

/** @throws SluiceError SLUICE_CONFIG where SQLite would make a new file. */
export function refuseMissingFile(url: string): void {
  const path = /^sqlite:(?:\/\/)?([^?]*)/.exec(url)?.[1]
  if (path !== undefined && !existsSync(path)) {
    throw new SluiceError('SLUICE_CONFIG', `There is no database file ${path}; name the database of the load with --to`)
  }
}
