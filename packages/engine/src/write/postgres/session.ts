import type { CustomTypesConfig, QueryResult } from 'pg'
import type { Sql, SqlValue } from '../database.ts'
import type { Connection } from './connect.ts'
import { CopyIn } from './copy-in.ts'
import { isDatabaseError } from './errors.ts'

/** One connection. Its methods throw what the driver throws. */
export class Session implements Sql {
  /** The connection broke, or its state is unknown: it can only be ended. */
  broken = false
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
    const lost = () => {
      this.broken = true
    }
    connection.client.on('error', lost)
    connection.client.on('end', lost)
  }

  async query<Row = Record<string, SqlValue>>(text: string, params: SqlValue[] = []): Promise<Row[]> {
    const values = params.map((value) => (typeof value === 'bigint' ? String(value) : value))
    const { rows } = await this.#watch(this.#connection.client.query({ text, values, types: TYPES }))
    return rows as Row[]
  }

  /** Statements without parameters and results, in one message. Returns the tag of the last one, such as `COMMIT`. */
  async run(statements: string): Promise<string> {
    const result: QueryResult | QueryResult[] = await this.#watch(this.#connection.client.query(statements))
    return (Array.isArray(result) ? result.at(-1)! : result).command
  }

  /** One statement with columns of text as its parameters: `$1`, `$2`, … are `text[]`. */
  async runArrays(text: string, columns: (string | null)[][]): Promise<void> {
    await this.#watch(this.#connection.client.query({ text, values: columns }))
  }

  /** `COPY … FROM STDIN`; the chunks are sent one after the other and must not change before this settles. */
  async copy(statement: string, chunks: Uint8Array[]): Promise<void> {
    await this.#watch(this.#connection.client.query(new CopyIn(statement, chunks)).done)
  }

  async end(): Promise<void> {
    await this.#connection.end(this.broken)
  }

  async #watch<T>(statement: Promise<T>): Promise<T> {
    try {
      return await statement
    } catch (error) {
      if (!isDatabaseError(error)) this.broken = true
      throw error
    }
  }
}

/** Values as {@link SqlValue}s. What is not named here stays the text that PostgreSQL prints. */
const PARSERS: Record<number, (text: string) => SqlValue> = {
  16: (text) => text === 't', // bool
  17: (text) => Buffer.from(text.slice(2), 'hex'), // bytea, as \x…
  20: safeInteger, // int8
  21: Number, // int2
  23: Number, // int4
  26: Number, // oid
  700: Number, // float4
  701: Number, // float8
  1114: (text) => iso(text, ''), // timestamp
  1184: (text) => iso(text, 'Z'), // timestamptz; the session's time zone is UTC
}

const TYPES: CustomTypesConfig = {
  getTypeParser: ((oid: number) => PARSERS[oid] ?? ((text: string) => text)) as CustomTypesConfig['getTypeParser'],
}

function safeInteger(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

/** `2024-01-02 03:04:05.6+00` → `2024-01-02T03:04:05.600Z`; `infinity` and years BC stay as they are. */
function iso(text: string, zone: string): string {
  const parts = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00)?$/.exec(text)
  if (parts === null) return text
  const [, date, time, fraction = ''] = parts
  return `${date}T${time}.${fraction.padEnd(3, '0').slice(0, 3)}${zone}`
}
