/** How the bytes of a delimited file are to be read; the grammar is in docs/reference/csv.md. */
export interface Dialect {
  /** How text is written as bytes, e.g. `utf-8`; the characters of all that follows are those of the decoded text. */
  encoding: string
  /** One byte, e.g. `,`. */
  delimiter: string
  /** One byte, or null where quotes have no meaning. */
  quote: string | null
  /** One byte that escapes the quote within a quoted field; null: a doubled quote does. */
  escape: string | null
  /** One byte; a line that begins with it is skipped and not counted as a record. Null: no comments. */
  comment: string | null
  /** Whether the first record holds the names of the columns. */
  header: boolean
  /** `lf`: LF and CRLF end a line, a lone CR is text. `cr`: CR ends it, a LF is text. `any`: CR, LF and CRLF end it. */
  lineEnd: 'lf' | 'cr' | 'any'
  /** Unquoted cells that mean NULL. An empty list: no cell is NULL. */
  nullWords: string[]
}

export const CSV: Dialect = {
  encoding: 'utf-8',
  delimiter: ',',
  quote: '"',
  escape: null,
  comment: null,
  header: true,
  lineEnd: 'lf',
  nullWords: [''],
}
