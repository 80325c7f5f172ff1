import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from './random.ts'

/** What goes wrong between a client and PostgreSQL; may change at any time. Counts are over all connections. */
export interface Faults {
  /** Cuts the connection at the client's N-th message: nothing of it goes through, or all of it and no answer comes. */
  cutAt?: { message: number; onwards?: boolean; passed?: boolean }
  /** Cuts the connection after so many bytes in one direction, and forgets about it. */
  cutAfter?: { bytes: number; from: 'client' | 'server' }
  /** Passes the next COMMIT on, and cuts the connection instead of answering it. */
  dropCommit?: boolean
  /** Cuts the client off at the next COMMIT, which reaches the server only so many ms later. */
  lateCommitMs?: number
  /** Keeps every connection open and passes nothing on, in either direction. */
  stalled?: boolean
  /** Passes bytes on in pieces of 1 to so many. */
  pieces?: number
  /** Waits before each piece, in ms. */
  delayMs?: number
}

/**
 * A TCP proxy in front of PostgreSQL that knows where the client's messages begin
 * (https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS).
 */
export class FaultProxy {
  faults: Faults = {}
  /** Messages of the client so far. */
  messages = 0
  /** How many times a fault has cut a connection. */
  cuts = 0
  readonly url: string
  readonly #server: Server
  readonly #target: { host: string; port: number }
  readonly #random: Random
  readonly #pairs = new Set<[client: Socket, server: Socket]>()
  readonly #frozen = new Set<Socket>()
  #bytes = { client: 0, server: 0 }

  /** @param random chooses the sizes of pieces. */
  static async start(url: string, random: Random): Promise<FaultProxy> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new FaultProxy(url, server, random)
  }

  constructor(url: string, server: Server, random: Random) {
    const target = new URL(url)
    this.#target = { host: target.hostname, port: Number(target.port) }
    this.#server = server
    this.#random = random
    target.hostname = '127.0.0.1'
    target.port = String((server.address() as AddressInfo).port)
    // In TLS there would be no messages to see.
    target.searchParams.set('sslmode', 'disable')
    this.url = target.href
    server.on('connection', (client) => void this.#serve(client))
  }

  /** Counts bytes from here on. */
  startCounting(): void {
    this.#bytes = { client: 0, server: 0 }
  }

  /** Leaves the connections there are open and passes nothing more on; new ones work. */
  freeze(): void {
    for (const pair of this.#pairs) this.#frozen.add(pair[0])
  }

  /** Cuts every connection that there is. */
  cutAll(): void {
    for (const pair of this.#pairs) this.#cut(...pair)
  }

  async close(): Promise<void> {
    this.faults = {}
    for (const sockets of this.#pairs) for (const socket of sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #serve(client: Socket): Promise<void> {
    const server = connect(this.#target)
    const pair: [Socket, Socket] = [client, server]
    this.#pairs.add(pair)
    for (const socket of pair) {
      socket.setNoDelay()
      // The other direction sees it as an end.
      socket.on('error', () => undefined)
    }
    const reader = new MessageReader()
    // When one direction is over, so is the other.
    await Promise.race([this.#fromClient(client, server, reader), this.#fromServer(client, server, reader)])
    for (const socket of pair) socket.end()
    this.#pairs.delete(pair)
  }

  async #fromClient(client: Socket, server: Socket, reader: MessageReader): Promise<void> {
    for await (const chunk of endless(client)) {
      for (const part of reader.read(chunk)) {
        if (part.begins) this.messages++
        const { cutAt } = this.faults
        const hit = cutAt && (cutAt.onwards ? this.messages >= cutAt.message : this.messages === cutAt.message)
        if (hit && !cutAt.passed) return this.#cut(client, server)
        const { lateCommitMs } = this.faults
        if (lateCommitMs !== undefined && part.ends && reader.last === 'COMMIT') {
          this.faults.lateCommitMs = undefined
          this.cuts++
          client.resetAndDestroy()
          await delay(lateCommitMs)
          server.end(part.bytes)
          return
        }
        if (!(await this.#pass(part.bytes, 'client', client, server))) return
        // The server reads what it got before it sees the end.
        if (hit && part.ends) return this.#cut(client, server)
      }
    }
  }

  async #fromServer(client: Socket, server: Socket, reader: MessageReader): Promise<void> {
    for await (const chunk of endless(server)) {
      if (this.faults.dropCommit && reader.last === 'COMMIT') {
        this.faults.dropCommit = false
        return this.#cut(client, server)
      }
      if (!(await this.#pass(chunk, 'server', client, server))) return
    }
  }

  /** Returns false when the connection was cut. */
  async #pass(bytes: Uint8Array, from: 'client' | 'server', client: Socket, server: Socket): Promise<boolean> {
    const to = from === 'client' ? server : client
    for (let at = 0; at < bytes.length; ) {
      while (this.faults.stalled || this.#frozen.has(client)) {
        if (client.destroyed || server.destroyed) return false
        await delay(20)
      }
      const { pieces, delayMs, cutAfter } = this.faults
      if (delayMs) await delay(delayMs)
      let length = pieces ? this.#random.between(1, pieces) : bytes.length
      if (cutAfter?.from === from) length = Math.min(length, cutAfter.bytes - this.#bytes[from])
      const piece = bytes.subarray(at, at + length)
      at += piece.length
      this.#bytes[from] += piece.length
      if (!(to.destroyed || to.write(piece))) await Promise.race([once(to, 'drain'), once(to, 'close')])
      if (cutAfter?.from === from && this.#bytes[from] >= cutAfter.bytes) {
        this.faults.cutAfter = undefined
        this.#cut(client, server)
        return false
      }
    }
    return true
  }

  #cut(client: Socket, server: Socket): void {
    this.cuts++
    client.resetAndDestroy()
    server.end()
  }
}

/** The chunks of a socket until it ends, however it ends. */
async function* endless(socket: Socket): AsyncGenerator<Buffer, void, void> {
  try {
    yield* socket as AsyncIterable<Buffer>
  } catch {
    // A reset is an end.
  }
}

interface Part {
  bytes: Uint8Array
  begins: boolean
  ends: boolean
}

/** Cuts what a client sends at the borders of its messages. */
class MessageReader {
  /** The last message, if it was a simple query: its text. */
  last = ''
  #head = Buffer.alloc(0)
  #rest = 0
  #started = false
  #query: Buffer[] | undefined;

  *read(chunk: Buffer): Generator<Part, void, void> {
    for (let at = 0; at < chunk.length; ) {
      let begins = false
      let held = Buffer.alloc(0)
      if (this.#rest === 0) {
        // The startup message has no type.
        const size = this.#started ? 5 : 4
        const more = chunk.subarray(at, at + size - this.#head.length)
        this.#head = Buffer.concat([this.#head, more])
        at += more.length
        if (this.#head.length < size) return
        begins = true
        held = this.#head
        this.#rest = held.readUInt32BE(size - 4) - 4
        this.#query = this.#started && held[0] === 0x51 ? [] : undefined
        this.#started = true
        this.#head = Buffer.alloc(0)
      }
      const body = chunk.subarray(at, at + this.#rest)
      at += body.length
      this.#rest -= body.length
      this.#query?.push(body)
      const ends = this.#rest === 0
      if (ends) this.last = this.#query ? Buffer.concat(this.#query).toString('latin1').replace('\0', '') : ''
      yield { bytes: Buffer.concat([held, body]), begins, ends }
    }
  }
}
