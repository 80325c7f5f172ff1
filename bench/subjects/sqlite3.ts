import { command } from '../../scripts/commands.ts'
import type { Sample } from '../sample.ts'
import type { Subject } from '../subject.ts'

/** SQLite's own client, of a sample with hashes, into a table that leaves out rows whose hash it has. */
export function sqlite3Unique(sample: Sample, database: string): Subject {
  const columns =
    'content_hash TEXT UNIQUE ON CONFLICT IGNORE, id INTEGER, customer_code TEXT, first_name TEXT, last_name TEXT, email TEXT, ' +
    'phone TEXT, signup_date TEXT, amount REAL, country TEXT, note TEXT, active BOOLEAN'
  const statements = [`create table customers (${columns})`, `.import --csv --skip 1 ${sample.path} customers`]
  return { name: 'sqlite3 .import, unique', command: [command('sqlite3', 'sqlite3'), '-bail', database, ...statements] }
}

/** SQLite's own client; it checks nothing. */
export function sqlite3(sample: Sample, database: string): Subject {
  const load = `.import --csv --skip 1 ${sample.path} customers`
  return { name: 'sqlite3 .import', command: [command('sqlite3', 'sqlite3'), '-bail', database, load] }
}
