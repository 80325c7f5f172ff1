import type { Database } from '../write/database.ts'

// Every comparison of times is made by the database: the clocks of two machines differ by more than a lease lasts.

/** SQL: `time` plus the seconds in the parameter or expression `seconds`; `time` is in the form of our own tables. */
export function later(kind: Database['kind'], time: string, seconds: string): string {
  return kind === 'postgres'
    ? `(${time} + CAST(${seconds} AS double precision) * interval '1 second')`
    : `strftime('%Y-%m-%dT%H:%M:%fZ', ${time}, ${seconds} || ' seconds')`
}

/** SQL: when a lease that is renewed now expires. It keeps the length it was claimed with; null stays null. */
export function renewed(kind: Database['kind'], now: string): string {
  return kind === 'postgres'
    ? `${now} + (lease_expires - updated_at)`
    : `strftime('%Y-%m-%dT%H:%M:%fZ', julianday(${now}) + julianday(lease_expires) - julianday(updated_at))`
}
