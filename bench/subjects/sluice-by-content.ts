import { type Sample, SLUICE } from '../sample.ts'
import type { Subject } from '../subject.ts'

/** Every check of the schema on, and each record once. */
export function sluiceByContent(sample: Sample, to: string): Subject {
  const settings = ['--table', 'customers', '--schema', sample.schema, '--dedupe', 'content', '--quiet']
  return { name: 'sluice', command: [process.execPath, SLUICE, 'load', sample.path, '--to', to, ...settings] }
}
