import { command } from '../../scripts/commands.ts'
import type { Sample } from '../sample.ts'
import type { Subject } from '../subject.ts'

/** PostgreSQL's own client; it checks nothing beyond the columns' types and stops at the first bad row. */
export function psql(sample: Sample, url: string): Subject {
  const copy = `\\copy customers from '${sample.path}' with (format csv, header true)`
  return {
    name: 'psql \\copy',
    command: [command('psql', 'postgresql-client'), url, '-X', '-q', '-c', copy],
  }
}
