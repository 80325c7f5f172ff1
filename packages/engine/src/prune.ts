import { removeJobs } from './checkpoint/remove-jobs.ts'
import type { Database } from './write/database.ts'
import { dropOrphans } from './write/staging.ts'

/**
 * Removes the jobs that are not running and that nothing has happened to for `seconds`, with their checkpoints, their rejects,
 * and rows that were never published. Loaded rows stay.
 *
 * @returns How many jobs were removed
 */
export async function pruneJobs(database: Database, seconds: number): Promise<number> {
  let removed = 0
  await dropOrphans(database, async () => {
    removed = await removeJobs(database, seconds)
  })
  return removed
}
