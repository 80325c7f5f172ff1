/**
 * What the kernel does with each record: the columns to load, in the order in which the database takes them.
 * `plan.ts` makes it from a schema and the target's real columns; `parse/` compiles it for the kernel. What each type
 * accepts and how it is stored is written in docs/reference/values.md.
 */
export interface Program {
  /** Cells a sound record has. */
  sourceColumns: string[]
  columns: ProgramColumn[]
}

/** A type as sluice knows it; `other` is a type of the database that only its own text form can carry. */
export type ColumnType =
  | { kind: 'text' }
  | { kind: 'integer'; bytes: 2 | 4 | 8 }
  /** Exact. `precision` and `scale` null: of any size. */
  | { kind: 'numeric'; precision: number | null; scale: number | null }
  | { kind: 'float8' }
  | { kind: 'boolean' }
  | { kind: 'date' }
  | { kind: 'time' }
  /** A wall-clock time without a zone. */
  | { kind: 'timestamp' }
  /** An instant. */
  | { kind: 'timestamptz' }
  | { kind: 'uuid' }
  | { kind: 'email' }
  | { kind: 'json'; top: 'any' | 'object' | 'array' }
  | { kind: 'other' }

/** How the database stores a column: chooses the kernel's encoder. */
export type Storage =
  | 'pg-int2'
  | 'pg-int4'
  | 'pg-int8'
  | 'pg-numeric'
  | 'pg-float8'
  | 'pg-bool'
  | 'pg-date'
  | 'pg-time'
  | 'pg-timestamp'
  | 'pg-timestamptz'
  | 'pg-uuid'
  | 'pg-text'
  | 'pg-jsonb'
  /** INTEGER, booleans as 0 and 1. */
  | 'sqlite-integer'
  /** REAL, the nearest double. */
  | 'sqlite-real'
  /** REAL where every digit survives, else TEXT: a column without affinity. */
  | 'sqlite-number'
  /** REAL where every digit survives, else a type-error: a column whose affinity would take digits away. */
  | 'sqlite-exact'
  | 'sqlite-text'

/** Form in which the kernel writes rows. */
export type Encoding = 'pg-binary' | 'pg-text' | 'sqlite-page'

export type Transform = 'trim' | 'lowercase' | 'uppercase' | 'collapse' | 'nullIfEmpty'

export interface ProgramColumn {
  /** Name in the target table. */
  name: string
  /** Where the value comes from. */
  from:
    | { cell: number }
    /** The same text for every row (`--set`); null: SQL NULL. It goes through the same checks as a cell, once. */
    | { constant: string | null }
    /** The physical line on which the record starts (`--provenance`). */
    | { line: true }
    /** The SHA-256, in hex, of the record's content: the names and the texts of these columns. */
    | { hashOf: string[] }
    /** A JSON object of cells that have no column of their own. */
    | { members: { name: string; cell: number }[] }
  type: ColumnType
  storage: Storage
  transforms: Transform[]
  /** A NULL is a constraint-error. */
  required: boolean
  /** Text in the type's own grammar; inclusive. */
  minimum?: string
  maximum?: string
  /** Characters (Unicode code points). */
  minLength?: number
  maxLength?: number
  /** Allowed values, compared with the text after transforms. */
  enum?: string[]
  /** strptime patterns tried in order; empty: ISO 8601. */
  formats: string[]
  /** Words for true and false, compared exactly; empty: PostgreSQL's words without regard to case. */
  trueWords: string[]
  falseWords: string[]
  /** One byte each; `.` and none by default. */
  decimalChar: string
  groupChar: string | null
  /** Checks that need the text as a string (a pattern, a user's rule): the message of what is wrong, or undefined. */
  test?: (value: string) => string | undefined
}
