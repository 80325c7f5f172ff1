import { setTimeout as delay } from 'node:timers/promises'
import type { CustomTypesConfig, QueryConfig, QueryResult } from 'pg'
import type { Sql, SqlValue } from '../database.ts'
import type { Backend, Connection, Connector } from './connect.ts'
import { CopyIn } from './copy-in.ts'
import { isDatabaseError, isFull } from './errors.ts'
import { watchSilence } from './silence.ts'

/** A process that is told to end does so within some ms, unless the system is in its way; then locks and the checkpoint protect us. */
const SETTLE_LOOKS = 250
const SETTLE_WAIT_MS = 20

const PROBE_TIMEOUT_MS = 10_000

/** One connection. Its methods throw what the driver throws. */
export class Session implements Sql {
  /** The connection broke, or its state is unknown: it can only be ended. */
  broken = false
  readonly #connection: Connection
  readonly #connector: Connector
  readonly #silenceMs: number

  constructor(connection: Connection, connector: Connector, silenceMs: number) {
    this.#connection = connection
    this.#connector = connector
    this.#silenceMs = silenceMs
    const lost = () => {
      this.broken = true
    }
    connection.client.on('error', lost)
    connection.client.on('end', lost)
  }

  get backend(): Backend | null {
    return this.#connection.backend
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

  /** One statement with columns of text as its parameters: `$1`, `$2`, … are `text[]`. Returns the rows that it touched. */
  async runArrays(text: string, columns: (string | null)[][]): Promise<number> {
    return (await this.#watch(this.#connection.client.query({ text, values: columns }))).rowCount ?? 0
  }

  /** `COPY … FROM STDIN`; the chunks are sent one after the other and must not change before this settles. Returns the rows copied. */
  async copy(statement: string, chunks: Uint8Array[]): Promise<number> {
    return this.#watch(this.#connection.client.query(new CopyIn(statement, chunks)).done)
  }

  async end(): Promise<void> {
    await this.#connection.end(this.broken)
  }

  /** Makes sure that a process of the server, whose connection was lost, does nothing more, as far as we may tell it so. */
  async settle({ pid, began }: Backend): Promise<void> {
    for (let looked = 0; looked < SETTLE_LOOKS; looked++) {
      const found = await this.query(
        `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
           WHERE pid = $1 AND backend_start = $2::timestamptz`,
        [pid, began],
      )
      if (found.length === 0) return
      await delay(SETTLE_WAIT_MS)
    }
  }

  async #watch<T>(statement: Promise<T>): Promise<T> {
    const endWatch = watchSilence(this.#connection.socket, this.#silenceMs, () => this.#isWorking())
    try {
      return await statement
    } catch (error) {
      if (!isDatabaseError(error)) this.broken = true
      throw error
    } finally {
      endWatch()
    }
  }

  /** What the server is doing with our statement, seen from another connection. */
  async #isWorking(): Promise<boolean> {
    let beside: Connection | undefined
    try {
      beside = await this.#connector.connectBeside()
      // Behind a pooler that its server answers is all that can be known.
      if (this.backend === null) return true
      const { rows } = await beside.client.query({
        text: `SELECT state, wait_event_type AS waits FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND backend_start = $2::timestamptz`,
        values: [this.backend.pid, this.backend.began],
        query_timeout: PROBE_TIMEOUT_MS,
      } as QueryConfig)
      const [seen] = rows as { state: string | null; waits: string | null }[]
      // Waiting for us while we wait for it, or done with what we wait for. `disabled`: track_activities is off.
      return seen !== undefined && seen.waits !== 'Client' && (seen.state === 'active' || seen.state === 'disabled')
    } catch (error) {
      // A full server is alive. Whatever else keeps this connection from being made keeps the other one from being answered.
      return isFull(error)
    } finally {
      await beside?.end(true)
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

/** Leaves no transaction open. A connection on which even that fails is not used again; the first error is the one to tell. */
export async function rollback(session: Session): Promise<void> {
  if (session.broken) return
  await session.run('ROLLBACK').catch(() => {
    session.broken = true
  })
}
