import { SluiceError } from '../../errors.ts'
import { failpoint } from '../../failpoint.ts'
import type { Batch } from '../../parse/batch.ts'
import type { Position } from '../../parse/position.ts'
import type { NewColumn, SqlValue, Statement, TableName, TargetTable } from '../database.ts'
import type { Answer, Ends, Joining } from './channel.ts'
import { createTableSql, describeTable } from './columns.ts'
import { Connection } from './connection.ts'
import { explain } from './errors.ts'
import { Group } from './group.ts'
import { Load, type ThreadPlan } from './load.ts'

/** What the thread does for its `Database`; every method can be called from the other side. */
export class Session {
  readonly #path: string
  readonly #connection: Connection
  readonly #next: () => Ends | undefined
  #load: Load | undefined
  #group: Group | undefined

  /** @param next see {@link Group.commit} */
  constructor(path: string, busyTimeout: number, next: () => Ends | undefined) {
    this.#path = path
    this.#next = next
    this.#connection = new Connection(path, busyTimeout)
  }

  query(text: string, params?: SqlValue[]): Promise<Record<string, SqlValue>[]> {
    return this.#explaining('running a statement', () => this.#connection.query(text, params))
  }

  transact(statements: Statement[]): Promise<void> {
    return this.#explaining('running a transaction', async () => {
      const { db } = this.#connection
      db.exec('BEGIN IMMEDIATE')
      try {
        for (const { text, params, orElse } of statements) {
          const rows = await this.#connection.query(text, params)
          if (orElse && rows.length === 0) throw new SluiceError(orElse.code, orElse.message)
        }
        failpoint('before-transaction-commit')
        db.exec('COMMIT')
      } catch (error) {
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    })
  }

  describe(table: TableName): Promise<TargetTable | undefined> {
    return this.#explaining(`looking at table ${table.table}`, () => describeTable(this.#connection, table))
  }

  createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void> {
    return this.#explaining(`creating table ${table.table}`, () =>
      this.#connection.db.exec(createTableSql(table, columns, primaryKey)),
    )
  }

  prepare(plan: ThreadPlan): Promise<void> {
    return this.#explaining(`preparing to load table ${plan.table.table}`, async () => {
      const target = await describeTable(this.#connection, plan.table)
      if (!target) throw new SluiceError('SLUICE_DATABASE', `There is no table ${plan.table.table} in ${this.#path}`)
      this.#load?.close()
      this.#load = undefined
      this.#load = new Load(this.#connection, plan, target.name.table)
      this.#group = new Group(this.#load, plan.rows)
    })
  }

  /** @returns the answers to this call and to those before it that have none yet, as far as they are due */
  commit(batch: Batch, to: Position, joining: Joining): Promise<Answer[]> {
    return this.#explaining(`committing records ${batch.from.record + 1} to ${to.record}`, () => {
      if (!this.#group) throw new SluiceError('SLUICE_INTERNAL', 'commit() came before prepare()')
      return this.#group.commit(batch, to, joining, this.#next)
    })
  }

  close(): Promise<void> {
    return this.#explaining('closing', () => {
      this.#load?.close()
      this.#connection.close()
    })
  }

  async #explaining<T>(doing: string, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw explain(error, `${doing} in ${this.#path}`)
    }
  }
}
