import { io, type Socket } from 'socket.io-client'

export interface Event {
  name: string
  at: number
  // biome-ignore lint/suspicious/noExplicitAny: the tests say what is in it
  data: any
}

/** A client of Socket.io that keeps what it is told. */
export class LiveClient {
  readonly socket: Socket
  readonly events: Event[] = []
  readonly #waiting = new Set<() => void>()
  readonly #url: string
  readonly #token: string | undefined

  constructor(url: string, token?: string, options: object = {}) {
    this.#url = url
    this.#token = token
    this.socket = io(url, {
      auth: token === undefined ? {} : { token },
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      forceNew: true,
      ...options,
    })
    for (const name of ['connect', 'connect_error', 'disconnect']) {
      this.socket.on(name, (data: unknown) => this.#note(name, data))
    }
    this.socket.onAny((name: string, data: unknown) => this.#note(name, data))
  }

  /** The first event that is so, of those that came and those to come. */
  async next(isSo: (event: Event) => boolean, ms = 30_000): Promise<Event> {
    const end = performance.now() + ms
    for (;;) {
      const found = this.events.find(isSo)
      if (found) return found
      const left = end - performance.now()
      if (left <= 0) throw new Error(`no such event within ${ms} ms; ${await this.#story()}`)
      await new Promise<void>((resolve) => {
        const wake = () => [clearTimeout(timer), this.#waiting.delete(wake), resolve()]
        const timer = setTimeout(wake, left)
        this.#waiting.add(wake)
      })
    }
  }

  named(name: string, ms?: number): Promise<Event> {
    return this.next((event) => event.name === name, ms)
  }

  /** What it is told about an upload in the end. */
  end(uploadId: string): Promise<Event> {
    return this.next(({ name, data }) => (name === 'completed' || name === 'failed') && data.uploadId === uploadId)
  }

  subscribe(uploadId: unknown): void {
    this.socket.emit('subscribe', uploadId)
  }

  close(): void {
    this.socket.disconnect()
  }

  /** What came, and what the server says of the uploads that failed, for whoever reads why a test did. */
  async #story(): Promise<string> {
    const failed = this.events.filter(({ name }) => name === 'failed').map(({ data }) => data.uploadId)
    const headers = this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
    const statuses = [...new Set(failed)].map((id) =>
      fetch(`${this.#url}/upload/${id}/status`, { headers }).then((answer) => answer.text(), String),
    )
    return `there were: ${JSON.stringify(this.events).slice(0, 2_000)}; ${(await Promise.all(statuses)).join('; ')}`
  }

  #note(name: string, data: unknown): void {
    this.events.push({ name, at: performance.now(), data })
    for (const wake of [...this.#waiting]) wake()
  }
}
