import type { Reject } from '../../reject/reject.ts'
import type { Sql } from '../database.ts'

/** What a text must not hold where the server's encoding is not Unicode; SQL_ASCII takes any bytes. */
const FOREIGN: Record<string, RegExp | undefined> = { UTF8: undefined, SQL_ASCII: undefined, LATIN1: /[^\0-\xff]/gu }
const BEYOND_ASCII = /[^\0-\x7f]/gu

/** Makes a reject one that the tables of a database can hold. */
export type Storable = (reject: Reject) => Reject

/**
 * A record may be refused because the database's encoding has no such character, and its reject must be stored all the same: there such
 * characters stand as `\u{65e5}`. The record's own bytes are kept as they are.
 * https://www.postgresql.org/docs/current/multibyte.html
 */
export async function storableFor(sql: Sql): Promise<Storable> {
  const [found] = await sql.query<{ encoding: string }>(`SELECT current_setting('server_encoding') AS encoding`)
  const { encoding } = found!
  const foreign = encoding in FOREIGN ? FOREIGN[encoding] : BEYOND_ASCII
  if (foreign === undefined) return (reject) => reject
  const escaped = (text: string) =>
    text.toWellFormed().replaceAll(foreign, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
  const orNull = (text: string | null) => (text === null ? null : escaped(text))
  return (reject) => ({
    ...reject,
    errors: reject.errors.map(({ column, code, message, value }) => ({
      column: orNull(column),
      code,
      message: escaped(message),
      value: orNull(value),
    })),
  })
}
