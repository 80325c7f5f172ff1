import type { Dialect } from '@sluice/engine'

/** What flags and fields of a form say of how a source is written; what is undefined was not given. */
export interface GivenDialect {
  format?: 'csv' | 'tsv' | 'json' | 'ndjson' | undefined
  jsonPath?: string | undefined
  delimiter?: string | undefined
  /** These three: empty for none. */
  quote?: string | undefined
  escape?: string | undefined
  comment?: string | undefined
  trailingDelimiter?: boolean | undefined
  skipLines?: number | undefined
  header?: boolean | undefined
  null?: string[] | undefined
  encoding?: string | undefined
}

const FORMATS = { csv: 'delimited', tsv: 'delimited', json: 'json', ndjson: 'ndjson' } as const
const DELIMITERS = { csv: ',', tsv: '\t', json: undefined, ndjson: undefined }

export function dialectOf(given: GivenDialect): Partial<Dialect> {
  return definedOf({
    encoding: given.encoding,
    delimiter: given.delimiter ?? (given.format && DELIMITERS[given.format]),
    format: given.format && FORMATS[given.format],
    jsonPath: given.jsonPath,
    quote: given.quote === '' ? null : given.quote,
    escape: given.escape === '' ? null : given.escape,
    trailingDelimiter: given.trailingDelimiter,
    skipLines: given.skipLines,
    comment: given.comment === '' ? null : given.comment,
    header: given.header,
    nullWords: given.null,
  })
}

/** Without the keys of what was not given, which would else stand above what a profile says. */
export function definedOf<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T
}
