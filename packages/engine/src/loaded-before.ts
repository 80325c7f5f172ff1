import { hash } from 'node:crypto'
import type { Job } from './checkpoint/job.ts'
import type { JobStore } from './checkpoint/job-store.ts'
import type { LoadOptions } from './options.ts'
import type { Receipt } from './receipt.ts'
import type { Settings } from './settings.ts'
import type { Source } from './source/source.ts'
import { quotedTable } from './table-name.ts'
import type { Database, TableName } from './write/database.ts'

/** SHA-256 of the whole content of a job: of its one source, or of the list of those of several. Undefined for what can be read once only. */
export async function contentOf(sources: Source[]): Promise<string | undefined> {
  const each: string[] = []
  for (const source of sources) {
    if (!source.sha256) return undefined
    each.push(await source.sha256())
  }
  return each.length === 1 ? each[0] : hash('sha256', each.join())
}

/**
 * The job that has loaded the same files into the table, which still has rows. Size and samples only prove that files differ; that they
 * are the same takes the SHA-256 of all their bytes.
 * @param fingerprint of the sources
 */
export async function loadedBefore(
  { force, mode, jobId }: LoadOptions,
  sources: Source[],
  fingerprint: unknown,
  place: { database: Database; store: JobStore; table: TableName; names: { target: string } },
): Promise<Job | undefined> {
  const { database, store, table, names } = place
  // `replace` is asked for because of what the table holds, and not of what it ever held.
  if (force || mode === 'replace' || jobId !== undefined || !sources.every(({ sha256 }) => sha256)) return undefined
  const alike = (await store.findCompleted(names.target, { fingerprint })).filter(isWhole)
  if (alike.length === 0 || !(await database.describe(table))) return undefined
  const sha256 = await contentOf(sources)
  const same = alike.find((job) => job.sha256 === sha256)
  if (!same || same.inserted + same.updated === 0) return same
  const [row] = await database.query(`SELECT 1 AS one FROM ${quotedTable(table)} LIMIT 1`)
  return row && same
}

function isWhole({ settings, sha256 }: Job): boolean {
  return sha256 !== null && (settings as Settings).asked.limit === undefined
}

/** Of a load that found nothing to do. */
export function skippedReceipt({ jobId, source, targetTable }: Job, elapsedMs: number): Receipt {
  return {
    jobId,
    status: 'completed',
    skipped: true,
    source,
    table: targetTable,
    recordsRead: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    duplicates: 0,
    rejected: 0,
    bytes: 0,
    elapsedMs: Math.round(elapsedMs),
    rowsPerSecond: 0,
    rejectsByCode: {},
    resumedAtRecord: 0,
  }
}
