import type { ColumnType, Storage } from '../../schema/program.ts'

/** A column's type as the catalog has it; of a domain, its base type. */
export interface CatalogType {
  /** Name of the type if it is PostgreSQL's own (in `pg_catalog`), else null. */
  builtin: string | null
  /** Type modifier, -1 where there is none: a length, a precision. */
  modifier: number
}

interface Carried {
  type: ColumnType
  storage: Storage
  /** Of varchar(n) and char(n). */
  maxLength: number | null
  /** Of timestamp(p) and time(p). */
  fractionDigits?: number
}

const SIMPLE: Record<string, { type: ColumnType; storage: Storage }> = {
  int2: { type: { kind: 'integer', bytes: 2 }, storage: 'pg-int2' },
  int4: { type: { kind: 'integer', bytes: 4 }, storage: 'pg-int4' },
  int8: { type: { kind: 'integer', bytes: 8 }, storage: 'pg-int8' },
  float8: { type: { kind: 'float8' }, storage: 'pg-float8' },
  bool: { type: { kind: 'boolean' }, storage: 'pg-bool' },
  date: { type: { kind: 'date' }, storage: 'pg-date' },
  time: { type: { kind: 'time' }, storage: 'pg-time' },
  timestamp: { type: { kind: 'timestamp' }, storage: 'pg-timestamp' },
  timestamptz: { type: { kind: 'timestamptz' }, storage: 'pg-timestamptz' },
  uuid: { type: { kind: 'uuid' }, storage: 'pg-uuid' },
  text: { type: { kind: 'text' }, storage: 'pg-text' },
  varchar: { type: { kind: 'text' }, storage: 'pg-text' },
  bpchar: { type: { kind: 'text' }, storage: 'pg-text' },
  json: { type: { kind: 'json', top: 'any' }, storage: 'pg-text' },
  jsonb: { type: { kind: 'json', top: 'any' }, storage: 'pg-jsonb' },
}

/** In a type modifier, lengths and precisions come after the four bytes of a varlena header (VARHDRSZ). */
const HEADER = 4

/**
 * How values of a column travel. What has no encoder (enums, arrays, bytea, intervals, float4, citext …) is `other`:
 * its text goes to the database as it is, and the database judges it.
 */
export function carried({ builtin, modifier }: CatalogType): Carried {
  const other: Carried = { type: { kind: 'other' }, storage: 'pg-text', maxLength: null }
  if (builtin === 'numeric') {
    if (modifier < HEADER)
      return { type: { kind: 'numeric', precision: null, scale: null }, storage: 'pg-numeric', maxLength: null }
    const precision = ((modifier - HEADER) >> 16) & 0xffff
    // Eleven bits with a sign, since PostgreSQL 15: numeric(3,-2) and numeric(2,5) are legal, and left to the database.
    const scale = (((modifier - HEADER) & 0x7ff) ^ 0x400) - 0x400
    if (scale < 0 || scale > precision) return other
    return { type: { kind: 'numeric', precision, scale }, storage: 'pg-numeric', maxLength: null }
  }
  const simple = builtin === null ? undefined : SIMPLE[builtin]
  if (simple === undefined) return other
  if (modifier < 0) return { ...simple, maxLength: null }
  // The modifier of a time is its number of digits as it is; six, all that there are, is no limit.
  if (builtin?.startsWith('time'))
    return { ...simple, maxLength: null, ...(modifier < 6 && { fractionDigits: modifier }) }
  return { ...simple, maxLength: modifier - HEADER }
}

/** Type of a column that sluice creates, and how it is stored. */
export function created(type: ColumnType): { sql: string; storage: Storage } {
  switch (type.kind) {
    case 'integer':
      return type.bytes === 2
        ? { sql: 'smallint', storage: 'pg-int2' }
        : type.bytes === 4
          ? { sql: 'integer', storage: 'pg-int4' }
          : { sql: 'bigint', storage: 'pg-int8' }
    case 'numeric': {
      const { precision, scale } = type
      return { sql: precision === null ? 'numeric' : `numeric(${precision},${scale ?? 0})`, storage: 'pg-numeric' }
    }
    case 'float8':
      return { sql: 'double precision', storage: 'pg-float8' }
    case 'boolean':
      return { sql: 'boolean', storage: 'pg-bool' }
    case 'date':
      return { sql: 'date', storage: 'pg-date' }
    case 'time':
      return { sql: 'time', storage: 'pg-time' }
    case 'timestamp':
      return { sql: 'timestamp', storage: 'pg-timestamp' }
    case 'timestamptz':
      return { sql: 'timestamptz', storage: 'pg-timestamptz' }
    case 'uuid':
      return { sql: 'uuid', storage: 'pg-uuid' }
    case 'json':
      return { sql: 'jsonb', storage: 'pg-jsonb' }
    case 'text':
    case 'email':
    case 'other':
      return { sql: 'text', storage: 'pg-text' }
  }
}
