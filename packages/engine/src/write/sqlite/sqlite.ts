import { extname } from 'node:path'
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
import type { Call, Method, Reply, Result, ThreadOptions } from './channel.ts'
import { storageFor } from './columns.ts'
import { classify, receiveError } from './errors.ts'
import { NOW } from './sql.ts'

/**
 * Opens an SQLite file to load into; a missing one is made. All work happens in a thread of its own, one call after the
 * other, so the caller's event loop never waits for the disk. The thread keeps no process alive between calls.
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
    const thread = new Thread({ path, busyTimeout })
    await thread.opened
    return new Sqlite(path, thread)
  }
  return retry(open, { ...told, classify })
}

/** The thread makes few objects: with V8's default its nursery alone grew by 12 MB. */
const HEAP = { maxYoungGenerationSizeMb: 4 }

class Sqlite implements Database {
  readonly kind = 'sqlite'
  readonly label: string
  /** A thread does one thing after the other. */
  readonly parallel = 1
  readonly now = NOW
  readonly #thread: Thread

  constructor(path: string, thread: Thread) {
    this.label = `sqlite:${path}`
    this.#thread = thread
  }

  query<Row = Record<string, SqlValue>>(text: string, params?: SqlValue[]): Promise<Row[]> {
    return this.#thread.call('query', text, params) as Promise<Row[]>
  }

  transact(statements: Statement[]): Promise<void> {
    return this.#thread.call('transact', statements)
  }

  describe(table: TableName): Promise<TargetTable | undefined> {
    return this.#thread.call('describe', table)
  }

  storageFor(type: ColumnType): Storage {
    return storageFor(type)
  }

  createTable(table: TableName, columns: NewColumn[], primaryKey: string[]): Promise<void> {
    return this.#thread.call('createTable', table, columns, primaryKey)
  }

  encodingFor(): Encoding {
    return 'sqlite-page'
  }

  prepare(plan: LoadPlan): Promise<void> {
    // A column may carry a function, which cannot be sent.
    return this.#thread.call('prepare', { ...plan, columns: plan.columns.map(({ name }) => name) })
  }

  commit(batch: Batch, to: Position, { replay }: Circumstances = {}): Promise<Outcome> {
    // Of an object of a class only its own properties would arrive, and none of its getters.
    const { rows, output, large, input, rowStarts, rejects, from } = batch
    const own = { rows, output, large, input, rowStarts, rejects, from, to: batch.to }
    return this.#thread.call('commit', own, to, replay)
  }

  classify(error: unknown): Cause {
    return classify(error)
  }

  async close(): Promise<void> {
    if (this.#thread.ended) return
    try {
      await this.#thread.call('close')
    } finally {
      await this.#thread.end()
    }
  }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: SluiceError): void
}

/** The other side of `worker.ts`: sends calls, and gives each the reply that comes in its turn. */
class Thread {
  readonly opened: Promise<unknown>
  ended = false
  readonly #worker: Worker
  readonly #waiting: Waiting[] = []

  constructor(options: ThreadOptions) {
    // The compiler rewrites imports, not URLs: run from TypeScript the thread is worker.ts, from JavaScript worker.js.
    const script = new URL(`./worker${extname(import.meta.url)}`, import.meta.url)
    // Flags of the process are not for a thread: with --input-type it does not even start.
    this.#worker = new Worker(script, {
      workerData: options,
      name: 'sluice-sqlite',
      execArgv: [],
      resourceLimits: HEAP,
    })
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', (cause) => this.#fail('failed', cause))
    this.#worker.on('exit', () => this.#fail('has ended'))
    this.opened = this.#wait()
    this.opened.catch(() => this.end())
  }

  call<M extends Method>(method: M, ...args: Call<M>['args']): Promise<Result<M>> {
    if (this.ended) return Promise.reject(new SluiceError('SLUICE_INTERNAL', `${method}() came after close()`))
    this.#worker.postMessage({ method, args } satisfies Call<M>)
    return this.#wait() as Promise<Result<M>>
  }

  async end(): Promise<void> {
    this.ended = true
    await this.#worker.terminate()
  }

  #wait(): Promise<unknown> {
    this.#worker.ref()
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  #settle(reply: Reply): void {
    const waiting = this.#waiting.shift()!
    if (this.#waiting.length === 0) this.#worker.unref()
    if ('error' in reply) waiting.reject(receiveError(reply.error))
    else waiting.resolve(reply.value)
  }

  #fail(what: string, cause?: unknown): void {
    this.ended = true
    const error = new SluiceError('SLUICE_INTERNAL', `The thread that writes to SQLite ${what}`, { cause })
    for (const { reject } of this.#waiting.splice(0)) reject(error)
  }
}
