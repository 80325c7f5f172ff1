import type { Backend, Connector } from './connect.ts'
import { explain } from './errors.ts'
import { Session } from './session.ts'

/**
 * A line to the server: one connection at a time, which takes one call after the other, and a new one where the last was found
 * broken. It repeats nothing.
 */
export class Line {
  readonly #connector: Connector
  readonly #silenceMs: number
  readonly #lost: Set<Backend>
  readonly #closing = new AbortController()
  #session: Session | undefined
  /** The call under way: a statement must not slip into the transaction of a batch. */
  #turn: Promise<unknown> = Promise.resolve()

  /**
   * @param lost What connections led to that were lost, of all lines to the server: a COMMIT whose answer was lost may not even have
   *   begun, and what it locks is locked. Nobody can tell what came of it before that process is gone, so each call ends it first.
   */
  constructor(connector: Connector, silenceMs: number, lost: Set<Backend>) {
    this.#connector = connector
    this.#silenceMs = silenceMs
    this.#lost = lost
  }

  /** Whether a call needs no new connection, as far as is known. */
  get isConnected(): boolean {
    return this.#session !== undefined && !this.#session.broken
  }

  /** Connects where it is not connected. */
  connect(): Promise<void> {
    return this.take('connecting', async () => undefined)
  }

  /**
   * Runs `work` behind the calls before it, on a connection that works.
   * @param doing what it is, for messages
   */
  take<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      const session = await this.#connected()
      try {
        return await work(session)
      } catch (error) {
        throw explain(error, this.#connector.label, doing)
      } finally {
        if (session.broken) await this.#drop(session)
      }
    })
    this.#turn = result.catch(() => undefined)
    return result
  }

  /** Waits for the call under way, but not for a connection that is being made. */
  async close(): Promise<void> {
    this.#closing.abort()
    await this.#turn
    const session = this.#session
    this.#session = undefined
    await session?.end()
  }

  async #connected(): Promise<Session> {
    if (this.#session?.broken) await this.#drop(this.#session)
    this.#session ??= new Session(await this.#connector.connect(this.#closing.signal), this.#connector, this.#silenceMs)
    const session = this.#session
    try {
      for (const backend of this.#lost) {
        await session.settle(backend)
        this.#lost.delete(backend)
      }
    } catch (error) {
      if (session.broken) await this.#drop(session)
      throw explain(error, this.#connector.label, 'ending what a lost connection left behind')
    }
    return session
  }

  async #drop(session: Session): Promise<void> {
    if (session.backend) this.#lost.add(session.backend)
    this.#session = undefined
    await session.end()
  }
}
