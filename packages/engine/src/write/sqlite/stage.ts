import { randomBytes } from 'node:crypto'
import { closeSync, openSync, readdirSync, rmSync, writevSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

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
