import { type Sample, SLUICE } from '../sample.ts'
import type { Subject } from '../subject.ts'

/**
 * Every check of the schema on, 50,000 rows a commit with checkpoint and counters.
 * @param parallel default: that of sluice
 */
export function sluice(sample: Sample, to: string, parallel?: number): Subject {
  const settings = ['--table', 'customers', '--schema', sample.schema, '--batch-rows', '50000', '--quiet']
  if (parallel !== undefined) settings.push('--parallel', String(parallel))
  const name = parallel === undefined ? 'sluice' : `sluice --parallel ${parallel}`
  return { name, command: [process.execPath, SLUICE, 'load', sample.path, '--to', to, ...settings] }
}
