import { command } from '../../scripts/commands.ts'
import type { Sample } from '../sample.ts'
import type { Subject } from '../subject.ts'

const COLUMNS =
  'id int, customer_code uuid, first_name text, last_name text, email text, phone text, signup_date date, amount numeric(12,2), ' +
  'country text, note text, active boolean'
/** `customers` with what tells records apart by their content. */
export const CUSTOMERS_BY_CONTENT = `create table if not exists customers (content_hash text unique, ${COLUMNS})`

/** What is done in SQL to load each record once: everything into a temporary table, and from there what is new by its hash. */
export function psqlOnConflict(sample: Sample, url: string): Subject {
  const statements = [
    CUSTOMERS_BY_CONTENT,
    `create temp table staged (${COLUMNS})`,
    `\\copy staged from '${sample.path}' with (format csv, header true)`,
    `insert into customers select encode(sha256(convert_to(s::text, 'UTF8')), 'hex'), s.* from staged s on conflict (content_hash) do nothing`,
  ]
  return {
    name: 'psql \\copy + ON CONFLICT',
    command: [command('psql', 'postgresql-client'), url, '-X', '-q', ...statements.flatMap((text) => ['-c', text])],
  }
}

/** PostgreSQL's own client; it checks nothing beyond the columns' types and stops at the first bad row. */
export function psql(sample: Sample, url: string): Subject {
  const copy = `\\copy customers from '${sample.path}' with (format csv, header true)`
  return {
    name: 'psql \\copy',
    command: [command('psql', 'postgresql-client'), url, '-X', '-q', '-c', copy],
  }
}
