import { type Sample, SLUICE } from '../sample.ts'
import type { Subject } from '../subject.ts'

/** Every check of the schema on, 50,000 rows a commit with checkpoint and counters. */
export function sluice(sample: Sample, to: string): Subject {
  const settings = ['--table', 'customers', '--schema', sample.schema, '--batch-rows', '50000', '--quiet']
  return { name: 'sluice', command: [process.execPath, SLUICE, 'load', sample.path, '--to', to, ...settings] }
}
