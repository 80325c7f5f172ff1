import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** What a line of the password file is compared with. */
interface Login {
  host: string
  port: number
  database: string
  user: string
}

/**
 * The password of the first line of `$PGPASSFILE`, else `~/.pgpass`, that fits the login; undefined where none does. As libpq
 * has it, a file that others may read is not used, and a local socket goes by the name `localhost`.
 * https://www.postgresql.org/docs/current/libpq-pgpass.html
 */
export async function passwordFromFile(login: Login): Promise<string | undefined> {
  const path = process.env.PGPASSFILE || join(homedir(), '.pgpass')
  const info = await stat(path).catch(() => undefined)
  if (!info?.isFile() || (process.platform !== 'win32' && (info.mode & 0o077) !== 0)) return undefined
  const host = login.host.startsWith('/') ? 'localhost' : login.host
  const wanted = [host, String(login.port), login.database, login.user]
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.startsWith('#')) continue
    const fields = (line.match(/(?:\\.|[^:\\])*(?::|$)/g) ?? []).map((field) =>
      field.replace(/:$/, '').replace(/\\(.)/g, '$1'),
    )
    if (fields.length >= 5 && wanted.every((text, i) => fields[i] === '*' || fields[i] === text)) return fields[4]
  }
  return undefined
}
