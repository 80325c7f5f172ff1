/** How the bytes of a delimited file are to be read; the grammar is in docs/reference/csv.md. */
export interface Dialect {
  /** How text is written as bytes, e.g. `utf-8`; the characters of all that follows are those of the decoded text. */
  encoding: string
  /** What separates cells, e.g. `,`: 1 to 8 bytes of UTF-8, none of them a line end. */
  delimiter: string
  /** Whether records end with delimiters that separate nothing: empty unquoted cells behind the last column are none. Default: false. */
  trailingDelimiter?: boolean
  /** Physical lines before the header, or the first record, that are passed over. Default: 0. */
  skipLines?: number
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
  /** Not given: told from the first bytes. `json`: an array of objects; `ndjson`: an object on each line. */
  format?: 'delimited' | 'json' | 'ndjson'
  /** Keys that lead to the array, joined by points: `data.rows`. Default: the document is the array. */
  jsonPath?: string
  /** What became of both; set where the source is JSON: all of the above but `nullWords`, which is `['']`, then means nothing. */
  json?: JsonDialect
}

/** How JSON is to be read; the grammar is in docs/reference/json.md. */
export interface JsonDialect {
  /** `lines`: an object on each line. `array`: the elements of one array. */
  form: 'lines' | 'array'
  /** The keys that lead from the top to the array; none: the array is the top. */
  path: string[]
  /** Whether keys that no column has are passed over; else they make their record a reject. */
  ignoresUnknown: boolean
  /** Names of the source's columns that become JSON: a string in one keeps its quotes. */
  kept: string[]
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
