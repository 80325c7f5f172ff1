import type { Transform } from './program.ts'

/** The types of the standard, and sluice's `uuid` and `json`. */
export const FIELD_TYPES = [
  'string',
  'integer',
  'number',
  'boolean',
  'date',
  'datetime',
  'time',
  'year',
  'yearmonth',
  'duration',
  'object',
  'array',
  'list',
  'geopoint',
  'geojson',
  'any',
  'uuid',
  'json',
] as const

type FieldType = (typeof FIELD_TYPES)[number]

export const TRANSFORMS: readonly Transform[] = ['trim', 'lowercase', 'uppercase', 'collapse', 'nullIfEmpty']

export interface Constraints {
  /** NULL is refused. Default: false. */
  required?: boolean
  /** No value twice in the table. Default: false. */
  unique?: boolean
  /** Inclusive; a plain number or ISO 8601, whatever `format` and `decimalChar` say of the cells. */
  minimum?: string | number
  maximum?: string | number
  /** In characters (Unicode code points) of the text after transforms. */
  minLength?: number
  maxLength?: number
  /** RE2 syntax; must match the whole text after transforms. */
  pattern?: string
  /** The allowed values, of the field's type and written as in the source, or plainly (`1.5`, ISO 8601). */
  enum?: (string | number | boolean)[]
}

/** A column: what the source holds, and how it is checked. */
export interface Field {
  /** The column in the table. */
  name: string
  /** Default: `any`, text that is not checked. */
  type?: FieldType
  /** `email`, `uuid`, `uri`, `binary` of strings; strptime patterns, tried in order, of dates and times. Default: `default`. */
  format?: string | string[]
  constraints?: Constraints
  /** Words for true and false, compared exactly. Default: PostgreSQL's words without regard to case. */
  trueValues?: string[]
  falseValues?: string[]
  /** One byte. Defaults: `.` and none. */
  decimalChar?: string
  groupChar?: string
  /** sluice's own: the name of the column in the source, or a list of names that it may have. Default: `name`. */
  source?: string | string[]
  /** sluice's own: what is done to the text before it is checked, in this order. */
  transform?: Transform[]
  /**
   * sluice's own, of datetimes: true for instants (a value without a zone is in UTC), false for a wall clock's times (a
   * zone is a type-error). Default: true, unless `format` has patterns and none names a zone.
   */
  timezone?: boolean
}
