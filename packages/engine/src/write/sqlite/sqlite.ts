import { extname, resolve } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../errors.ts'
import type { Batch } from '../../parse/batch.ts'
import type { Position } from '../../parse/position.ts'
import type { ColumnType, Encoding, Storage } from '../../schema/program.ts'
import type {
  Cause,
  Circumstances,
  Database,
  LoadPlan,
  NewColumn,
  Outcome,
  SqlValue,
  Statement,
  TableName,
  TargetTable,
} from '../database.ts'
import { retry, type Told } from '../retry.ts'
import { type Call, type Method, MOST_TOGETHER, type Opening, type Reply, type Result, UNDONE } from './channel.ts'
import { storageFor } from './columns.ts'
import { classify, receiveError } from './errors.ts'
import type { Session } from './session.ts'
import { NOW } from './sql.ts'

/**
 * Opens an SQLite file to load into; a missing one is made. All work happens in a thread of its own, one call after the
 * other, so the caller's event loop never waits for the disk. The thread keeps no process alive between calls. Who opens the same
 * file again, while it is open, gets another connection in the same thread.
 *
 * Commits are durable (`synchronous=FULL`); the journal mode stays as the file has it. Rows travel through a private
 * temporary file beside the database, or in `$SLUICE_TMP_DIR`, as large as a batch.
 *
 * @param path File, or `:memory:`.
 * @param options.busyTimeout How long a call waits for another process's lock before it fails with a transient error (see
 *   `classify`), in ms. Default: 1,000. It bounds how long a process that is told to end waits for the thread.
 * @param options.notice With `signal`: who follows the tries to open a file that is locked.
 * @throws SluiceError SLUICE_CONNECT when the file cannot be opened or is not a database.
 */
export async function openSqlite(
  path: string,
  { busyTimeout = 1_000, ...told }: { busyTimeout?: number } & Told = {},
): Promise<Database> {
  const open = async () => {
    const thread = Thread.of(path)
    try {
      const session = await thread.open(path, busyTimeout)
      return new Sqlite(path, thread, session)
    } catch (error) {
      await thread.leave()
      throw error
    }
  }
  return retry(open, { ...told, classify })
}

/** The thread makes few objects: with V8's default its nursery alone grew by 12 MB. */
const HEAP = { maxYoungGenerationSizeMb: 4 }

class Sqlite implements Database {
  readonly kind = 'sqlite'
  readonly label: string
  /** What waits for the thread is committed together. */
  readonly parallel = MOST_TOGETHER
  readonly now = NOW
  readonly #thread: Thread
  readonly #session: number
  /** Batches that were undone, and are not in again. */
  #redone = 0
  #closed = false

  constructor(path: string, thread: Thread, session: number) {
    this.label = `sqlite:${path}`
    this.#thread = thread
    this.#session = session
  }

  query<Row = Record<string, SqlValue>>(text: string, params?: SqlValue[]): Promise<Row[]> {
    return this.#call('query', text, params) as Promise<Row[]>
  }

  transact(statements: Statement[]): Promise<void> {
    return this.#call('transact', statements)
  }

  describe(table: TableName): Promise<TargetTable | undefined> {
    return this.#call('describe', table)
  }

  storageFor(type: ColumnType): Storage {
    return storageFor(type)
  }

  createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void> {
    return this.#call('createTable', table, columns, primaryKey)
  }

  encodingFor(): Encoding {
    return 'sqlite-page'
  }

  prepare(plan: LoadPlan): Promise<void> {
    // A column may carry a function, which cannot be sent.
    return this.#call('prepare', { ...plan, columns: plan.columns.map(({ name }) => name) })
  }

  async commit(batch: Batch, to: Position, { replay, after }: Circumstances = {}): Promise<Outcome> {
    // Of an object of a class only its own properties would arrive, and none of its getters.
    const { rows, output, large, input, rowStarts, rejects, from } = batch
    const own = { rows, output, large, input, rowStarts, rejects, from, to: batch.to }
    // Behind one that comes again there is nothing to join.
    const isBehind = after !== undefined
    if (isBehind && this.#redone > 0) await after
    const answer = await this.#call('commit', own, to, { isBehind: isBehind && this.#redone === 0, replay })
    if (answer !== UNDONE) return answer
    this.#redone++
    try {
      await after
      return (await this.#call('commit', own, to, { isAlone: true })) as Outcome
    } finally {
      this.#redone--
    }
  }

  classify(error: unknown): Cause {
    return classify(error)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    try {
      if (!this.#thread.ended) await this.#call('close')
    } finally {
      this.#closed = true
      await this.#thread.leave()
    }
  }

  #call<M extends Method>(method: M, ...args: Parameters<Session[M]>): Promise<Result<M>> {
    if (this.#closed) return Promise.reject(new SluiceError('SLUICE_INTERNAL', `${method}() came after close()`))
    return this.#thread.send({ session: this.#session, method, args }) as Promise<Result<M>>
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: SluiceError): void
}

/**
 * The other side of `worker.ts`: sends calls, and gives each the reply that comes in its turn. One for each file that is open, and
 * not one for each who has it open: a file has one writer at a time anyway, those of one process need not wait for each other's locks,
 * and a thread takes 8 MB.
 */
class Thread {
  static readonly #open = new Map<string, Thread>()
  ended = false
  readonly #file: string
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []
  #users = 0
  #sessions = 0

  /** That of a file, for one more user. */
  static of(path: string): Thread {
    const file = path === ':memory:' ? path : resolve(path)
    const known = Thread.#open.get(file)
    const thread = known && !known.ended ? known : new Thread(file)
    Thread.#open.set(file, thread)
    thread.#users++
    return thread
  }

  private constructor(file: string) {
    this.#file = file
    // The compiler rewrites imports, not URLs: run from TypeScript the thread is worker.ts, from JavaScript worker.js.
    const script = new URL(`./worker${extname(import.meta.url)}`, import.meta.url)
    // Flags of the process are not for a thread: with --input-type it does not even start.
    this.#worker = new Worker(script, { name: 'sluice-sqlite', execArgv: [], resourceLimits: HEAP })
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', (cause) => this.#fail('failed', cause))
    this.#worker.on('exit', () => this.#fail('has ended'))
  }

  /** @returns the session's number */
  async open(...opening: Opening): Promise<number> {
    const session = ++this.#sessions
    await this.send({ session, method: 'open', args: opening })
    return session
  }

  send(call: Call): Promise<unknown> {
    if (this.ended) return Promise.reject(new SluiceError('SLUICE_INTERNAL', `${WRITER} has ended`))
    this.#worker.postMessage(call)
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** One user less; the thread ends with the last one. */
  async leave(): Promise<void> {
    this.#users--
    if (this.#users > 0) return
    this.ended = true
    if (Thread.#open.get(this.#file) === this) Thread.#open.delete(this.#file)
    await this.#worker.terminate()
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.shift()!
    if (this.#waiting.length === 0) this.#worker.unref()
    if ('error' in reply) waiting.reject(receiveError(reply.error))
    else waiting.resolve(reply.value)
  }

  #fail(what: string, cause?: unknown): void {
    this.ended = true
    const error = new SluiceError('SLUICE_INTERNAL', `${WRITER} ${what}`, { cause })
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}

const WRITER = 'The thread that writes to SQLite'
