import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, rmSync, writevSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { quoted } from '../../table-name.ts'
import type { Connection } from './connection.ts'
import { databaseImage } from './image.ts'

/** Pages of an image that SQLite keeps, 64 KiB each: it reads them once, one after the other. */
const KEPT_PAGES = 4

/** Rows of one batch, as a table `s` of a database that is attached under a name. */
export class Stage {
  readonly #connection: Connection
  readonly #name: string
  readonly #columns: number
  readonly #file: StageFile
  #changeCounter = 1

  constructor(connection: Connection, name: string, columns: number) {
    this.#connection = connection
    this.#name = name
    this.#columns = columns
    this.#file = new StageFile(connection.folder)
  }

  attach(): void {
    const { db } = this.#connection
    this.write(new Uint8Array(0))
    db.prepare(`ATTACH $1 AS ${quoted(this.#name)}`).run({ $1: this.#file.path })
    db.exec(`PRAGMA ${quoted(this.#name)}.cache_size = ${KEPT_PAGES}`)
    this.#file.hide()
  }

  /** The statement that moves the rows of two rowids and between, after `INSERT INTO …`. */
  insert(into: string): StatementSync {
    const values = Array.from({ length: this.#columns }, (_, i) => `c${i}`).join(', ')
    const from = `${quoted(this.#name)}.s WHERE rowid BETWEEN ? AND ? ORDER BY rowid`
    return this.#connection.db.prepare(`${into} SELECT ${values} FROM ${from}`)
  }

  /** Takes other rows: leaf pages as {@link databaseImage} has them. Outside of a transaction that has read those before. */
  write(leaves: Uint8Array): void {
    this.#file.write(databaseImage(leaves, this.#columns, ++this.#changeCounter))
  }

  close(): void {
    const { db } = this.#connection
    const attached = db.prepare('SELECT 1 FROM pragma_database_list WHERE name = ?').get(this.#name)
    if (attached) db.exec(`DETACH ${quoted(this.#name)}`)
    this.#file.close()
  }
}

const NAME = /^\.sluice-stage-(\d+)-[0-9a-f]+$/

/**
 * A private file that holds one database image after the other. Where the system allows it, it loses its name as soon as
 * SQLite has it open, so that nothing is left of it however this process ends.
 */
export class StageFile {
  readonly path: string
  readonly #fd: number
  #named = true

  /** @param folder Of the database; `$SLUICE_TMP_DIR` comes before it. Null: the system's folder for temporary files. */
  constructor(folder: string | null) {
    const place = process.env.SLUICE_TMP_DIR || folder || tmpdir()
    sweep(place)
    this.path = join(place, `.sluice-stage-${process.pid}-${randomBytes(6).toString('hex')}`)
    this.#fd = openSync(this.path, 'wx', 0o600)
  }

  /** Writes from the start of the file; what was longer before stays behind it. */
  write(pieces: Uint8Array[]): void {
    let position = 0
    // One call as a rule; a full disk or a signal cuts it short.
    for (const rest = [...pieces]; rest.length > 0; ) {
      let written = writevSync(this.#fd, rest, position)
      position += written
      while (rest.length > 0 && written >= rest[0]!.length) written -= rest.shift()!.length
      if (rest.length > 0) rest[0] = rest[0]!.subarray(written)
    }
  }

  /** Takes the name away. Windows cannot do that to an open file; there {@link close} does. */
  hide(): void {
    if (process.platform === 'win32') return
    rmSync(this.path)
    this.#named = false
  }

  close(): void {
    closeSync(this.#fd)
    if (this.#named) rmSync(this.path)
  }
}

/** Removes what processes left here that were killed before they could hide their file. */
function sweep(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = NAME.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) remove(join(folder, name))
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch (error) {
    // Another user's, in a folder that many write to: theirs to remove.
    if (!['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: alive, and another user's.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
