import type { Pool } from 'pg'
import { saveBatch } from '../../checkpoint/save-batch.ts'
import { saveReplay } from '../../checkpoint/save-replay.ts'
import { SluiceError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { Batch } from '../../parse/batch.ts'
import type { Position } from '../../parse/position.ts'
import type { ColumnType, Encoding, ProgramColumn, Storage } from '../../schema/program.ts'
import type {
  Cause,
  Database,
  LoadPlan,
  NewColumn,
  Outcome,
  Replay,
  SqlValue,
  Statement,
  TableName,
  TargetTable,
} from '../database.ts'
import { isolate, leftOut, type Refusal } from '../isolate.ts'
import { settle } from '../locate.ts'
import { retry, type Told } from '../retry.ts'
import { keysAmong, refusedForTarget } from '../taken.ts'
import { Blame } from './blame.ts'
import { created } from './column-types.ts'
import { type Backend, type Connector, connector } from './connect.ts'
import { createTableSql } from './create-table.ts'
import { baseTypes, describeTable, findRelation } from './describe.ts'
import { classify, explain, isDatabaseError, mayStillOpen } from './errors.ts'
import { copyRows, countingHeirs, type LoadRows, unnestRows } from './load-rows.ts'
import { Session } from './session.ts'
import { silenceLimit } from './silence.ts'
import { takenRows } from './staging.ts'

/**
 * Opens a PostgreSQL database (12 or newer) to load into. It holds one connection at a time, reconnects by itself when
 * the next call finds it broken, and repeats nothing: what to retry is the caller's choice (see `classify`).
 *
 * @param target `postgres://` URL with libpq's parameters, completed by the PG* variables; or a pool of pg, from which one
 *   client is taken and, as it has other settings then, removed at the end.
 * @param told Of waiting for a server that answers, and is not ready.
 * @throws SluiceError SLUICE_CONFIG for a URL that cannot be understood, SLUICE_CONNECT
 */
export async function openPostgres(target: string | Pool, told: Told = {}): Promise<Database> {
  const database = new Postgres(connector(target))
  await retry(() => database.query('SELECT'), {
    ...told,
    classify: (error) => (mayStillOpen(error) ? 'transient' : 'environment'),
  })
  return database
}

/**
 * Opens the transaction of a batch. READ COMMITTED, whatever the role's default is: the checkpoint's comparison sees what
 * others committed. Deferred constraints are checked at once, so that they name a row and not the whole batch. A
 * machine that vanishes amid the transaction loses its locks after a minute.
 */
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = '60s';
  SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT sluice`

class Postgres implements Database {
  readonly kind = 'postgres'
  readonly label: string
  readonly now = 'now()'
  readonly #connector: Connector
  readonly #silenceMs = silenceLimit()
  #session: Session | undefined
  /** What a lost connection was connected to. */
  #unsettled: Backend | undefined
  /** The call under way: a statement must not slip into the transaction of a batch. */
  #turn: Promise<unknown> = Promise.resolve()
  #load: { plan: LoadPlan; loadRows: LoadRows; blame: Blame } | undefined

  constructor(connector: Connector) {
    this.#connector = connector
    this.label = connector.label
  }

  query<Row = Record<string, SqlValue>>(text: string, params?: SqlValue[]): Promise<Row[]> {
    return this.#exclusively('running a statement', (session) => session.query<Row>(text, params))
  }

  transact(statements: Statement[]): Promise<void> {
    return this.#exclusively('running a transaction', async (session) => {
      try {
        await session.run(BEGIN)
        for (const { text, params, orElse } of statements) {
          const rows = await session.query(text, params)
          if (orElse && rows.length === 0) throw new SluiceError(orElse.code, orElse.message)
        }
        failpoint('before-transaction-commit')
        await this.#commit(session)
      } catch (error) {
        await rollback(session)
        throw error
      }
    })
  }

  describe(table: TableName): Promise<TargetTable | undefined> {
    return this.#exclusively(`looking at table ${table.table}`, (session) => describeTable(session, table))
  }

  storageFor(type: ColumnType): Storage {
    return created(type).storage
  }

  async createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void> {
    const statement = createTableSql(table, columns, primaryKey)
    await this.#exclusively(`creating table ${table.table}`, (session) => session.run(statement))
  }

  encodingFor(columns: ProgramColumn[], write: 'copy' | 'unnest'): Encoding {
    return write === 'copy' && columns.every(({ type }) => type.kind !== 'other') ? 'pg-binary' : 'pg-text'
  }

  async prepare(plan: LoadPlan): Promise<void> {
    const { table, columns, write } = plan
    await this.#exclusively(`preparing to load table ${table.table}`, async (session) => {
      const relation = await findRelation(session, table)
      if (relation === undefined)
        throw new SluiceError('SLUICE_DATABASE', `There is no table ${table.table} in ${this.label}`)
      if (write === 'copy' && relation.kind === 'v' && !relation.takesRows) {
        throw new SluiceError(
          'SLUICE_CONFIG',
          `${table.table} is a view without an INSTEAD OF INSERT trigger, which COPY cannot load. Use --write unnest, or load its table.`,
        )
      }
      const names = columns.map(({ name }) => name)
      const { oid, hasHeirs } = relation
      const loadRows = write === 'copy' ? copyRows(plan) : unnestRows(plan, await baseTypes(session, oid, names))
      this.#load = {
        plan,
        loadRows: hasHeirs ? countingHeirs(loadRows, oid) : loadRows,
        blame: new Blame(relation, table.table, names),
      }
    })
  }

  commit(batch: Batch, to: Position, replay?: Replay): Promise<Outcome> {
    if (this.#load === undefined) throw new SluiceError('SLUICE_INTERNAL', 'commit() came before prepare()')
    const { plan, loadRows, blame } = this.#load
    return this.#exclusively(`committing records ${batch.from.record + 1} to ${batch.to.record}`, async (session) => {
      try {
        failpoint('before-begin')
        await session.run(BEGIN)
        const names = plan.columns.map(({ name }) => name)
        const keys = keysAmong(plan.stagedFor, names)
        const taken = keys.length > 0 ? await takenRows(session, plan, keys) : undefined
        const guilty = await isolate(batch.rows, attempts(session, batch, loadRows, blame))
        const refused = refusedForTarget(guilty, (await taken?.remove(guilty)) ?? [], keys, plan)
        failpoint('after-rows')
        const settled = settle(batch, refused, { ...plan, names })
        if (replay) await saveReplay(session, this.now, this.kind, plan, settled, replay, batch.from)
        else await saveBatch(session, this.now, this.kind, plan, settled, batch.from, to)
        failpoint('before-commit')
        await this.#commit(session)
        failpoint('after-commit')
        return settled.outcome
      } catch (error) {
        await rollback(session)
        throw error
      }
    })
  }

  classify(error: unknown): Cause {
    return classify(error)
  }

  async close(): Promise<void> {
    await this.#turn
    const session = this.#session
    this.#session = undefined
    await session?.end()
  }

  async #commit(session: Session): Promise<void> {
    const tag = await session.run('COMMIT')
    if (tag === 'COMMIT') return
    throw new SluiceError('SLUICE_DATABASE', `${this.label} answered COMMIT with ${tag}: nothing was committed`)
  }

  /** Runs one call after the other, each on a connection that works. */
  #exclusively<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      const session = await this.#connected()
      try {
        return await work(session)
      } catch (error) {
        throw explain(error, this.label, doing)
      } finally {
        if (session.broken) await session.end()
      }
    })
    this.#turn = result.catch(() => undefined)
    return result
  }

  async #connected(): Promise<Session> {
    if (this.#session?.broken) {
      // A COMMIT whose answer was lost may not even have begun: nobody can tell what came of it before that process is gone.
      this.#unsettled = this.#session.backend ?? this.#unsettled
      this.#session = undefined
    }
    this.#session ??= new Session(await this.#connector.connect(), this.#connector, this.#silenceMs)
    const session = this.#session
    if (this.#unsettled) {
      try {
        await session.settle(this.#unsettled)
      } catch (error) {
        if (session.broken) await session.end()
        throw explain(error, this.label, 'ending what a lost connection left behind')
      }
      this.#unsettled = undefined
    }
    return session
  }
}

/** Each attempt ends with the savepoint behind everything that is in and nothing else. */
function attempts(session: Session, batch: Batch, loadRows: LoadRows, blame: Blame) {
  let loaded = false
  return async (from: number, to: number): Promise<Refusal | undefined> => {
    if (loaded) await session.run('RELEASE SAVEPOINT sluice; SAVEPOINT sluice')
    try {
      const left = leftOut(await loadRows(session, batch, from, to), to - from)
      if (left) await session.run('ROLLBACK TO SAVEPOINT sluice')
      loaded = left === undefined
      return left
    } catch (error) {
      if (!isDatabaseError(error) || classify(error) !== 'data') throw error
      await session.run('ROLLBACK TO SAVEPOINT sluice')
      loaded = false
      return blame.refusal(session, error, from)
    }
  }
}

/** Leaves no transaction open. A connection on which even that fails is not used again; the first error is the one to tell. */
async function rollback(session: Session): Promise<void> {
  if (session.broken) return
  await session.run('ROLLBACK').catch(() => {
    session.broken = true
  })
}
