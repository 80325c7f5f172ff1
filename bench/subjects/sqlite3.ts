import { command } from '../../scripts/commands.ts'
import type { Sample } from '../sample.ts'
import type { Subject } from '../subject.ts'

/** SQLite's own client; it checks nothing. */
export function sqlite3(sample: Sample, database: string): Subject {
  const load = `.import --csv --skip 1 ${sample.path} customers`
  return { name: 'sqlite3 .import', command: [command('sqlite3', 'sqlite3'), '-bail', database, load] }
}
