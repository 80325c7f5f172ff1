import type { SqlRow } from './job.ts'

/** Numbers of rejects by the first code of each. */
export type RejectCounts = Record<string, number>

/**
 * What `rejects_by_code` of a job becomes, as an assignment of SQL: so that they need not be counted, however many they are. It is
 * begun with the first batch; a job that an earlier version began has NULL for good.
 *
 * @param changes place of the parameter: {@link RejectCounts} as JSON, negative where rejects were closed
 */
export function addRejectCounts(kind: 'postgres' | 'sqlite', changes: string): string {
  const [each, object, added] =
    kind === 'postgres'
      ? ['jsonb_each_text', 'jsonb_object_agg', `CAST(${changes} AS jsonb)`]
      : ['json_each', 'json_group_object', changes]
  const entries = ["coalesce(rejects_by_code, '{}')", added].map((json) => `SELECT key, value FROM ${each}(${json})`)
  return `rejects_by_code = CASE WHEN rejects_by_code IS NOT NULL OR records_read = 0 THEN (
    SELECT coalesce(${object}(key, n), '{}') FROM (SELECT key, sum(CAST(value AS bigint)) AS n
      FROM (${entries.join(' UNION ALL ')}) entries GROUP BY key HAVING sum(CAST(value AS bigint)) <> 0) sums) END`
}

/** Adds `n` for each of the codes. */
export function countCodes(counts: RejectCounts, codes: Iterable<string>, n: 1 | -1): RejectCounts {
  for (const code of codes) counts[code] = (counts[code] ?? 0) + n
  return counts
}

/**
 * The open rejects by code in a row of `ingestion_jobs`; null where they were not counted, or not all of them, because a process of an
 * earlier version has worked on the job: then its counter says another number.
 */
export function toRejectCounts({ rejects_by_code: json, rejected }: SqlRow): RejectCounts | null {
  if (json == null) return null
  const counts = JSON.parse(String(json)) as RejectCounts
  const codes = Object.keys(counts).sort()
  const sum = codes.reduce((total, code) => total + (code === 'duplicate' ? 0 : counts[code]!), 0)
  return sum === Number(rejected) ? Object.fromEntries(codes.map((code) => [code, counts[code]!])) : null
}
