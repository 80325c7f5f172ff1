import type { Pool } from 'pg'
import type { Mark } from '../../checkpoint/job.ts'
import { saveBatch } from '../../checkpoint/save-batch.ts'
import { saveReplay } from '../../checkpoint/save-replay.ts'
import { SluiceError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { Batch } from '../../parse/batch.ts'
import type { ColumnType, Encoding, ProgramColumn, Storage } from '../../schema/program.ts'
import type {
  Cause,
  Circumstances,
  Database,
  JobCounts,
  LoadPlan,
  NewColumn,
  Outcome,
  SqlValue,
  Statement,
  TableName,
  TargetTable,
} from '../database.ts'
import { type GuiltyRow, isolate } from '../isolate.ts'
import { settle } from '../locate.ts'
import { Merged } from '../merged.ts'
import { retry, type Told } from '../retry.ts'
import { keysAmong, refusedForTarget } from '../taken.ts'
import { attempts, bringInStraight, type Load, lacksKey, mergeBatch } from './attempts.ts'
import { Blame } from './blame.ts'
import { created } from './column-types.ts'
import { type Connector, connector } from './connect.ts'
import { createTableSql } from './create-table.ts'
import { baseTypes, describeTable, findRelation } from './describe.ts'
import { awaitTurn, bringInEagerly, Eagerness } from './eager.ts'
import { classify, mayStillOpen } from './errors.ts'
import { Lines } from './lines.ts'
import { copyRows, countingHeirs, unnestRows } from './load-rows.ts'
import { columnDefinitions, Merge } from './merge.ts'
import { Order } from './order.ts'
import { storableFor } from './server-encoding.ts'
import { rollback, type Session } from './session.ts'
import { Shape } from './shape.ts'
import { silenceLimit } from './silence.ts'
import { takenRows } from './staging.ts'

/**
 * With one connection the server waits for the disk at every commit and for the batch behind it: with two a table with a primary key took
 * 0.7 of the time on two cores.
 */
const PARALLEL = 2

/**
 * Opens a PostgreSQL database (12 or newer) to load into. It reconnects by itself when the next call finds a connection broken,
 * and repeats nothing: what to retry is the caller's choice (see `classify`).
 *
 * @param target `postgres://` URL with libpq's parameters, completed by the PG* variables; or a pool of pg, from which one
 *   client is taken and, as it has other settings then, removed at the end.
 * @param told Of waiting for a server that answers, and is not ready. `parallel`: connections that bring batches in; a pool may have no
 *   second client to spare, so there it is always one.
 * @throws SluiceError SLUICE_CONFIG for a URL that cannot be understood, SLUICE_CONNECT
 */
export async function openPostgres(
  target: string | Pool,
  { parallel = PARALLEL, ...told }: Told & { parallel?: number | undefined } = {},
): Promise<Database> {
  const database = new Postgres(connector(target), typeof target === 'string' ? parallel : 1, told.notice)
  const { signal } = told
  const giveUp = () => void database.close()
  signal?.addEventListener('abort', giveUp)
  try {
    await retry(() => database.query('SELECT'), {
      ...told,
      classify: (error) => (mayStillOpen(error) ? 'transient' : 'environment'),
    })
    return database
  } catch (error) {
    if (!signal?.aborted) throw error
    throw new SluiceError('SLUICE_INTERRUPTED', `Interrupted while connecting to ${database.label}`)
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
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
  readonly parallel: number
  readonly #lines: Lines
  #order = new Order()
  #load: Load | undefined

  constructor(connector: Connector, parallel: number, notice: (message: string) => void = () => undefined) {
    this.#lines = new Lines(connector, parallel, silenceLimit(), notice)
    this.parallel = parallel
    this.label = connector.label
  }

  query<Row = Record<string, SqlValue>>(text: string, params?: SqlValue[]): Promise<Row[]> {
    return this.#lines.any().take('running a statement', (session) => session.query<Row>(text, params))
  }

  transact(statements: Statement[]): Promise<void> {
    return this.#lines.any().take('running a transaction', async (session) => {
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
    return this.#lines.any().take(`looking at table ${table.table}`, (session) => describeTable(session, table))
  }

  storageFor(type: ColumnType): Storage {
    return created(type).storage
  }

  async createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void> {
    const statement = createTableSql(table, columns, primaryKey)
    await this.#lines.any().take(`creating table ${table.table}`, (session) => session.run(statement))
  }

  encodingFor(columns: ProgramColumn[], write: 'copy' | 'unnest'): Encoding {
    return write === 'copy' && columns.every(({ type }) => type.kind !== 'other') ? 'pg-binary' : 'pg-text'
  }

  async prepare(plan: LoadPlan): Promise<void> {
    const { table, columns, write } = plan
    await this.#lines.any().take(`preparing to load table ${table.table}`, async (session) => {
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
      const { oid, hasHeirs, isIndependent } = relation
      const types = write === 'copy' ? undefined : await baseTypes(session, oid, names)
      const loadRows = types ? unnestRows(plan, types) : copyRows(plan)
      const keys = keysAmong(plan.stagedFor, names, plan.conflict)
      const definitions = plan.conflict ? await columnDefinitions(session, oid, names) : []
      // Of rows that differ in one unique key, another one can make one wait for the other.
      const isLoose = isIndependent && relation.uniqueIndexes <= 1
      // The next source of a job counts its bytes from the beginning.
      this.#order = new Order()
      this.#load = {
        plan,
        names,
        loadRows: hasHeirs ? countingHeirs(loadRows, oid) : loadRows,
        blame: new Blame(relation, table.table, names),
        shape: await Shape.of(session, plan),
        storable: await storableFor(session),
        isIndependent: isIndependent && keys.length === 0,
        eagerness: new Eagerness(),
        keys,
        isLate: plan.conflict?.late ?? false,
        merge:
          plan.conflict && new Merge(plan, plan.conflict, { definitions, baseTypes: types, isIndependent: isLoose }),
      }
    })
  }

  async commit(batch: Batch, to: Mark, { replay, after }: Circumstances = {}): Promise<Outcome> {
    const load = this.#load
    if (load === undefined) throw new SluiceError('SLUICE_INTERNAL', 'commit() came before prepare()')
    // It may fail before anybody waits for it.
    after?.catch(() => undefined)
    const doing = `committing records ${batch.from.record + 1} to ${batch.to.record}`
    const save = async (session: Session, guilty: GuiltyRow[], merged = new Merged(load.plan.conflict)) => {
      failpoint('after-rows')
      await load.shape.verify(session)
      const settled = settle(batch, merged.guilty(guilty), merged, { ...load.plan, names: load.names })
      const stored = { ...settled, rejects: settled.rejects.map(load.storable) }
      const { now, kind } = this
      let job: JobCounts | undefined
      if (replay) await saveReplay(session, now, kind, load.plan, stored, replay, batch.from)
      else job = await saveBatch(session, now, kind, load.plan, stored, batch.from, to)
      failpoint('before-commit')
      await this.#commit(session)
      failpoint('after-commit')
      return { ...settled.outcome, ...(job && { job }) }
    }
    if (after !== undefined) {
      const outcome = await this.#commitEarly(load, batch, after, doing, save)
      if (outcome) return outcome
      await after
    }
    const outcome = await this.#lines.hold((line) =>
      line.take(doing, (session) =>
        this.#transaction(session, batch, async () => {
          const { plan, keys, merge, isIndependent } = load
          if (load.isLate) load.isLate = await lacksKey(session, plan)
          if (merge && !load.isLate) {
            const isStraight = after === undefined && isIndependent && (await bringInStraight(session, batch, load))
            if (isStraight) return save(session, [])
            const merged = new Merged(plan.conflict)
            const refused = await mergeBatch(session, batch, load, merge, merged, async () => true)
            return refused && save(session, refused, merged)
          }
          const taken = keys.length > 0 ? await takenRows(session, plan, keys) : undefined
          const guilty = await isolate(batch.rows, attempts(session, batch, load))
          return save(session, refusedForTarget(guilty, (await taken?.remove(guilty)) ?? [], keys, plan))
        }),
      ),
    )
    // Nothing makes a batch step back that waits for none.
    return outcome!
  }

  /**
   * Commits a batch that is brought in while the one before it is on its way. Undefined where that is not to be, or did not work: then
   * nothing of it is left, and it is to begin behind the other.
   */
  async #commitEarly(
    load: Load,
    batch: Batch,
    after: Promise<unknown>,
    doing: string,
    save: (session: Session, guilty: GuiltyRow[], merged?: Merged) => Promise<Outcome>,
  ): Promise<Outcome | undefined> {
    const { isIndependent, eagerness, loadRows, merge } = load
    const isAhead = () => this.#order.has(batch.from.byte)
    if (isIndependent && eagerness.mayBegin()) {
      const outcome = await this.#early(batch, after, doing, async (session, goesOn) => {
        const isIn = await bringInEagerly(session, batch, loadRows, after, isAhead)
        eagerness.learn(isIn)
        if (!isIn) return undefined
        goesOn()
        return save(session, [])
      })
      if (outcome) return outcome
    }
    if (merge === undefined || load.isLate) return undefined
    return this.#early(batch, after, doing, async (session, goesOn) => {
      const merged = new Merged(load.plan.conflict)
      const refused = await mergeBatch(session, batch, load, merge, merged, async () => {
        const isBehind = await awaitTurn(session, after, isAhead)
        if (isBehind) goesOn()
        return isBehind
      })
      return refused && save(session, refused, merged)
    })
  }

  /**
   * Does what is done early to a batch, once the one before it has its transaction. What goes wrong before that one is committed is not
   * told, for it means nothing.
   * @param work Calls `goesOn` when the other is committed
   */
  async #early(
    batch: Batch,
    after: Promise<unknown>,
    doing: string,
    work: (session: Session, goesOn: () => void) => Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    await Promise.race([this.#order.until(batch.from.byte), after])
    return this.#lines.holdWaiting(after, async (line, waitNoMore) => {
      let isBehind = false
      const goesOn = () => {
        isBehind = true
        waitNoMore()
      }
      try {
        return await line.take(doing, (session) => this.#transaction(session, batch, () => work(session, goesOn)))
      } catch (error) {
        if (isBehind || classify(error) !== 'transient') throw error
        return undefined
      }
    })
  }

  /** Does `work` in the transaction of a batch, which it commits; or leaves no transaction open, as when nothing comes of it. */
  async #transaction(
    session: Session,
    batch: Batch,
    work: () => Promise<Outcome | undefined>,
  ): Promise<Outcome | undefined> {
    const end = batch.to.byte
    let outcome: Outcome | undefined
    try {
      failpoint('before-begin')
      await session.run(BEGIN)
      this.#order.begun(end)
      outcome = await work()
      return outcome
    } finally {
      this.#order.over(outcome ? batch.from.byte : end)
      if (outcome === undefined) await rollback(session)
    }
  }

  classify(error: unknown): Cause {
    return classify(error)
  }

  async close(): Promise<void> {
    await this.#lines.close()
  }

  async #commit(session: Session): Promise<void> {
    const tag = await session.run('COMMIT')
    if (tag === 'COMMIT') return
    throw new SluiceError('SLUICE_DATABASE', `${this.label} answered COMMIT with ${tag}: nothing was committed`)
  }
}
