import type { Duplex } from 'node:stream'
import type { Connection, Submittable } from 'pg'

/** Bytes of a CopyData message. The server reads a message whole before it looks at it, so 256 KiB keep both ends busy. */
const MESSAGE = 256 * 1024

const COPY_DATA = 0x64
/** 'c' and its length. */
const COPY_DONE = Uint8Array.of(0x63, 0, 0, 0, 4)

/**
 * `COPY … FROM STDIN` as a query of pg. Unlike a stream it sends views of the caller's memory, never a copy, and stops
 * sending as soon as the server objects: a server that reported an error ignores what is still under way
 * (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY), and nothing needs to end it.
 */
export class CopyIn implements Submittable {
  /** Resolves with the number of rows that went in, once the server is ready for the next statement. */
  readonly done: Promise<number>
  readonly #statement: string
  readonly #messages: Generator<[head: Uint8Array, data: Uint8Array], void>
  #socket: Duplex | undefined
  #rows = 0
  #resolve!: (rows: number) => void
  #reject!: (error: unknown) => void

  constructor(statement: string, chunks: Uint8Array[]) {
    this.#statement = statement
    this.#messages = messages(chunks)
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  // The rest is called by pg.

  submit(connection: Connection): void {
    connection.query(this.#statement)
  }

  handleCopyInResponse(connection: Connection): void {
    this.#socket = connection.stream
    this.#send()
  }

  /** The rows are in, but the connection is free only when the server says so. */
  handleCommandComplete({ text }: { text: string }): void {
    this.#rows = Number(/^COPY (\d+)$/.exec(text)?.[1])
  }

  handleReadyForQuery(): void {
    this.#resolve(this.#rows)
  }

  handleError(error: unknown): void {
    this.#socket?.off('drain', this.#send)
    this.#socket = undefined
    this.#reject(error)
  }

  readonly #send = (): void => {
    const socket = this.#socket
    if (socket === undefined) return
    for (let next = this.#messages.next(); !next.done; next = this.#messages.next()) {
      const [head, data] = next.value
      socket.cork()
      socket.write(head)
      const roomLeft = socket.write(data)
      socket.uncork()
      if (!roomLeft) {
        socket.once('drain', this.#send)
        return
      }
    }
    socket.write(COPY_DONE)
  }
}

function* messages(chunks: Uint8Array[]): Generator<[head: Uint8Array, data: Uint8Array], void> {
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += MESSAGE) {
      const data = chunk.subarray(from, from + MESSAGE)
      const head = Buffer.allocUnsafe(5)
      head[0] = COPY_DATA
      head.writeUInt32BE(4 + data.length, 1)
      yield [head, data]
    }
  }
}
