import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { temporaryFolder } from './temporary-folder.ts'

export interface SqlitePlace {
  folder: string
  /** Of the database, which is not there before something makes it. */
  path: string
  /** The same for `to`. */
  to: string
  /** The values of each row. */
  query(sql: string): unknown[][]
  count(table: string): number
  /** Writes a file into the folder and returns its path. */
  write(name: string, content: string | Uint8Array): string
}

/** A folder for files to load, and a database to load them into. */
export function sqlitePlace(): SqlitePlace {
  const folder = temporaryFolder()
  const path = join(folder, 'load.db')
  const query = (sql: string) => {
    using database = new DatabaseSync(path)
    const rows = database.prepare(sql).all()
    return rows.map((row) => Object.values(row))
  }
  return {
    folder,
    path,
    to: `sqlite:${path}`,
    query,
    count: (table) => Number(query(`SELECT count(*) FROM ${table}`)[0]![0]),
    write(name, content) {
      const file = join(folder, name)
      writeFileSync(file, content)
      return file
    },
  }
}
