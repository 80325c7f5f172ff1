import { join } from 'node:path'
import type { Postgres } from './postgres.ts'
import { gzipSample, hashedSample, ndjsonSample, type Sample, sample, twinSample, WORK } from './sample.ts'
import type { Subject } from './subject.ts'
import { nodeProgram, timedProgram } from './subjects/node-program.ts'
import { pgloader } from './subjects/pgloader.ts'
import { psql, psqlOnConflict } from './subjects/psql.ts'
import { sluice } from './subjects/sluice.ts'
import { sluiceByContent } from './subjects/sluice-by-content.ts'
import { sluiceBehindZcat, sluicePacked, sluiceSniffing, sluiceTold } from './subjects/sluice-reading.ts'
import { sqlite3, sqlite3Unique } from './subjects/sqlite3.ts'
import { dedupeTarget, newSqliteTarget, postgresTarget, sqliteTarget, type Target } from './targets.ts'

/** Subjects that do the same work, measured in turn; the first one is ours. */
export interface Comparison {
  title: string
  sample: Sample
  target: Target | null
  /** Makers, because a program that is missing must not stop the others. */
  subjects: (() => Subject)[]
  /** How many times as fast as these, by name, ours has to be at least. */
  floors: Record<string, number>
}

/** By the name that `--only` takes. `records`: of the sample file. */
export const COMPARISONS: Record<string, (records: number, server: Postgres) => Comparison | Promise<Comparison>> = {
  postgres(records, server) {
    const file = sample(records)
    return {
      title: 'PostgreSQL, no index',
      sample: file,
      target: postgresTarget(server, ''),
      subjects: [
        () => sluice(file, server.url),
        () => psql(file, server.url),
        () => nodeProgram('csv-parse | COPY', 'csv-parse-copy.ts', file.path, server.url),
        () => nodeProgram('csv-parse | unnest', 'csv-parse-unnest.ts', file.path, server.url),
        () => pgloader(file, server.url),
      ],
      floors: { 'psql \\copy': 1.7, 'csv-parse | COPY': 12 },
    }
  },
  'postgres-key'(records, server) {
    const file = sample(records)
    return {
      title: 'PostgreSQL, primary key',
      sample: file,
      target: postgresTarget(server, 'primary key'),
      subjects: [() => sluice(file, server.url), () => psql(file, server.url)],
      floors: { 'psql \\copy': 1.4 },
    }
  },
  'postgres-unique'(records, server) {
    const file = sample(records)
    return {
      title: 'PostgreSQL, a unique index on a random uuid: two connections and one',
      sample: file,
      target: postgresTarget(server, ', unique (customer_code)'),
      subjects: [() => sluice(file, server.url), ...[1].map((n) => () => sluice(file, server.url, n))],
      floors: { 'sluice --parallel 1': 1.2 },
    }
  },
  'postgres-segments'(records, server) {
    const file = sample(records)
    return {
      title: 'PostgreSQL, no index: segments by threads, two connections, one',
      sample: file,
      target: postgresTarget(server, ''),
      subjects: [4, 3, 2, 1].map((parallel) => () => sluice(file, server.url, parallel)),
      floors: {},
    }
  },
  'postgres-bad'(records, server) {
    const file = sample(records, 1)
    return {
      title: 'PostgreSQL, no index, 1 % of the records bad',
      sample: file,
      target: postgresTarget(server, ''),
      subjects: [
        () => sluice(file, server.url),
        // It lets a name through that is not UTF-8.
        () => ({ ...nodeProgram('csv-parse | COPY', 'csv-parse-copy.ts', file.path, server.url), inexact: true }),
      ],
      floors: { 'csv-parse | COPY': 12 },
    }
  },
  async ndjson(records, server) {
    const file = await ndjsonSample(records)
    return {
      title: 'NDJSON into PostgreSQL, no index',
      sample: file,
      target: postgresTarget(server, ''),
      subjects: [
        () => sluice(file, server.url),
        () => nodeProgram('readline | JSON.parse | COPY', 'json-parse-copy.ts', file.path, server.url),
      ],
      floors: { 'readline | JSON.parse | COPY': 3 },
    }
  },
  sniffing(records, server) {
    const file = sample(records)
    return {
      title: 'What it costs to find out dialect and types: PostgreSQL, a new table',
      sample: file,
      target: dedupeTarget(server, 0),
      subjects: [() => sluiceSniffing(file, server.url), () => sluiceTold(file, server.url)],
      floors: { 'sluice, all given': 0.95 },
    }
  },
  gzip(records, server) {
    const file = gzipSample(records)
    return {
      title: 'gzip into PostgreSQL, no index; MB are those of the unpacked file',
      sample: file,
      target: postgresTarget(server, ''),
      subjects: [() => sluicePacked(file, server.url), () => sluiceBehindZcat(file, server.url)],
      floors: { 'zcat | sluice load -': 0.87 },
    }
  },
  'gzip-sqlite'(records) {
    const file = gzipSample(records)
    const target = sqliteTarget(join(WORK, 'customers.db'), '')
    return {
      title: 'gzip into SQLite, no key; MB are those of the unpacked file',
      sample: file,
      target,
      subjects: [() => sluicePacked(file, target.url), () => sluiceBehindZcat(file, target.url)],
      floors: { 'zcat | sluice load -': 0.87 },
    }
  },
  dedupe(records, server) {
    const file = twinSample(records)
    return {
      title: 'Told apart by content, 1 % of it twice: PostgreSQL, a new table',
      sample: file,
      target: dedupeTarget(server, 0),
      subjects: [() => sluiceByContent(file, server.url), () => psqlOnConflict(file, server.url)],
      floors: { 'psql \\copy + ON CONFLICT': 3 },
    }
  },
  'dedupe-existing'(records, server) {
    const file = twinSample(records)
    return {
      title: 'Told apart by content, 1 % of it twice: PostgreSQL, a table with half as many rows',
      sample: file,
      target: dedupeTarget(server, Math.round(records / 2)),
      subjects: [() => sluiceByContent(file, server.url), () => psqlOnConflict(file, server.url)],
      floors: { 'psql \\copy + ON CONFLICT': 1.3 },
    }
  },
  async 'dedupe-sqlite'(records) {
    const file = twinSample(records)
    const hashed = await hashedSample(file)
    const path = join(WORK, 'customers.db')
    const target = newSqliteTarget(path)
    return {
      title: 'Told apart by content, 1 % of it twice: SQLite, a new table',
      sample: file,
      target,
      subjects: [() => sluiceByContent(file, target.url), () => sqlite3Unique(hashed, path)],
      floors: { 'sqlite3 .import, unique': 1.5 },
    }
  },
  'sqlite-key'(records) {
    const file = sample(records)
    const path = join(WORK, 'customers.db')
    const target = sqliteTarget(path, 'primary key')
    return {
      title: 'SQLite, primary key',
      sample: file,
      target,
      subjects: [() => sluice(file, target.url), () => sqlite3(file, path)],
      floors: { 'sqlite3 .import': 2 },
    }
  },
  sqlite(records) {
    const file = sample(records)
    const path = join(WORK, 'customers.db')
    const target = sqliteTarget(path, '')
    return {
      title: 'SQLite, no key',
      sample: file,
      target,
      subjects: [() => sluice(file, target.url), () => sqlite3(file, path)],
      floors: {},
    }
  },
  read(records) {
    const file = sample(records)
    return {
      title: 'Reading only: the kernel checks, converts and encodes for PostgreSQL; DuckDB reads text, in one thread',
      sample: file,
      target: null,
      subjects: [
        () => timedProgram('kernel', 'kernel-read.ts', file.path, file.schema),
        () => timedProgram('DuckDB read_csv', 'duckdb-read.ts', file.path),
      ],
      floors: { 'DuckDB read_csv': 1.4 },
    }
  },
}
