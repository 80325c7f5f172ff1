import { rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { Postgres } from './postgres.ts'
import { CUSTOMERS_BY_CONTENT } from './subjects/psql.ts'

/** What is filled: emptied before each run, counted after it. */
export interface Target {
  url: string
  reset(): Promise<void>
  count(): Promise<number>
  /** CPU time of the server so far; null where there is none. */
  cpuSeconds: (() => number) | null
}

/** `customers` in a PostgreSQL server, with the types that a careful person would give it. `key`: of `id`, such as `primary key`, or a further constraint. */
export function postgresTarget(server: Postgres, key: string): Target {
  const columns =
    `id int ${key}, customer_code uuid, first_name text, last_name text, email text, phone text, signup_date date, ` +
    'amount numeric(12,2), country text, note text, active boolean'
  return {
    url: server.url,
    // The checkpoint writes out what the run before left, which would else be paid for by the next.
    async reset() {
      for (const statement of [
        'drop schema public cascade',
        'create schema public',
        `create table customers (${columns})`,
      ]) {
        await server.sql(statement)
      }
      await server.sql('checkpoint')
    },
    count: async () => Number((await server.sql('select count(*) from customers'))[0]?.count),
    cpuSeconds: server.cpuSeconds,
  }
}

/** Where `customers` is to be made by whoever loads, or, with `rows`, has so many of others, told apart by content. */
export function dedupeTarget(server: Postgres, rows: number): Target {
  return {
    url: server.url,
    async reset() {
      await server.sql('drop schema public cascade')
      await server.sql('create schema public')
      if (rows > 0) {
        await server.sql(CUSTOMERS_BY_CONTENT)
        await server.sql(
          `insert into customers (content_hash, note) select encode(sha256(i::text::bytea), 'hex'), 'a row of others' from generate_series(1, ${rows}) i`,
        )
        await server.sql('vacuum analyze customers')
      }
      await server.sql('checkpoint')
    },
    count: async () => Number((await server.sql('select count(id) from customers'))[0]?.count),
    cpuSeconds: server.cpuSeconds,
  }
}

/** A SQLite file that is made by whoever loads. */
export function newSqliteTarget(path: string): Target {
  return { ...sqliteTarget(path, ''), reset: async () => removeSqlite(path) }
}

/** `customers` in a new SQLite file with SQLite's own settings. `key`: such as `primary key`. */
export function sqliteTarget(path: string, key: string): Target {
  const columns =
    `id INTEGER ${key}, customer_code TEXT, first_name TEXT, last_name TEXT, email TEXT, phone TEXT, signup_date TEXT, ` +
    'amount REAL, country TEXT, note TEXT, active BOOLEAN'
  return {
    url: `sqlite:${path}`,
    async reset() {
      removeSqlite(path)
      using database = new DatabaseSync(path)
      database.exec(`create table customers (${columns})`)
    },
    async count() {
      using database = new DatabaseSync(path, { readOnly: true })
      return Number(database.prepare('select count(*) count from customers').get()?.count)
    },
    cpuSeconds: null,
  }
}

export function removeSqlite(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(path + suffix, { force: true })
}
