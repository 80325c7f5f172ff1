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
  #session: Session | undefined
  /** What a lost connection was connected to. */
  #unsettled: Backend | undefined
  /** The call under way: a statement must not slip into the transaction of a batch. */
  #turn: Promise<unknown> = Promise.resolve()

  constructor(connector: Connector, silenceMs: number) {
    this.#connector = connector
    this.#silenceMs = silenceMs
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
        if (session.broken) await session.end()
      }
    })
    this.#turn = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    await this.#turn
    const session = this.#session
    this.#session = undefined
    await session?.end()
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
        throw explain(error, this.#connector.label, 'ending what a lost connection left behind')
      }
      this.#unsettled = undefined
    }
    return session
  }
}
