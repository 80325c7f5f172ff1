import { type Database, openDatabase, refuseMissingFile } from '@sluice/engine'
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
