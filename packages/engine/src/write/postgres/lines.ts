import type { Backend, Connector } from './connect.ts'
import { Line } from './line.ts'

/** Time without another try where no second connection could be had, in ms: a server that is full stays so for a while. */
const REST_MS = 30_000

/** The lines to one server, and which of them takes what. */
export class Lines {
  readonly #lines: Line[]
  readonly #label: string
  readonly #notice: (message: string) => void
  /** Those with a batch on them, and of these those whose batch waits for another one. */
  readonly #taken = new Set<Line>()
  readonly #waiting = new Set<Line>()
  #restsUntil = 0
  #isTold = false
  #isClosed = false

  constructor(connector: Connector, count: number, silenceMs: number, notice: (message: string) => void) {
    const lost = new Set<Backend>()
    this.#lines = Array.from({ length: count }, () => new Line(connector, silenceMs, lost))
    this.#label = connector.label
    this.#notice = notice
  }

  /** For anything but a batch. It never stands behind a batch that waits: it may be that the batch before that one needs it. */
  any(): Line {
    return this.#best((line) => [this.#waiting.has(line), !line.isConnected, this.#taken.has(line)])
  }

  /** Does the work of a batch on a line that no other batch has, if possible one with a connection. */
  async hold<T>(work: (line: Line) => Promise<T>): Promise<T> {
    const line = this.#best((one) => [this.#taken.has(one), !one.isConnected])
    this.#taken.add(line)
    try {
      return await work(line)
    } finally {
      this.#taken.delete(line)
    }
  }

  /**
   * The same for a batch that waits for the one before it, until it says that it goes on. Undefined where it cannot have a connection of its own
   * before that one is through.
   */
  holdWaiting<T>(
    after: Promise<unknown>,
    work: (line: Line, goesOn: () => void) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    return this.hold(async (line) => {
      this.#waiting.add(line)
      const goesOn = () => this.#waiting.delete(line)
      try {
        const result = (await this.#connects(line, after)) ? await work(line, goesOn) : undefined
        // A lost connection may have left locks behind, which the next call on any line ends: the other batch may wait for them.
        if (!line.isConnected) await this.#connects(line, after)
        return result
      } finally {
        goesOn()
      }
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(this.#lines.map((line) => line.close()))
  }

  /**
   * Whether a line has a connection before `after` settles. A server, a role or a pooler may have none to spare: that is told once, and
   * it is left alone for a while.
   */
  #connects(line: Line, after: Promise<unknown>): Promise<boolean> | boolean {
    if (line.isConnected) return true
    if (performance.now() < this.#restsUntil) return false
    const connecting = line.connect().then(
      () => true,
      (error: Error) => {
        this.#restsUntil = performance.now() + REST_MS
        if (!(this.#isTold || this.#isClosed)) {
          this.#notice(
            `a second connection to ${this.#label} cannot be had, so one batch is brought in at a time: ${error.message}`,
          )
        }
        this.#isTold = true
        return false
      },
    )
    return Promise.race([connecting, after.then(() => false)])
  }

  /** The line with the fewest drawbacks, the first ones counting most. */
  #best(drawbacks: (line: Line) => boolean[]): Line {
    const weight = (line: Line) => drawbacks(line).reduce((sum, is) => sum * 2 + Number(is), 0)
    return this.#lines.reduce((best, line) => (weight(line) < weight(best) ? line : best))
  }
}
