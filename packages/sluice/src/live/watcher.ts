import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Server, Socket } from 'socket.io'
import { withoutPassword } from '../config.ts'
import { answerTo, Problem } from '../http/problem.ts'
import type { JobService, Viewer } from '../jobs/service.ts'
import { isOver, type UploadProgress } from '../jobs/upload.ts'
import { Follower, type Snapshot } from './snapshot.ts'

/** Milliseconds between two looks: four events a second at most, and a quarter of the second that they may be late. */
const LOOK_MS = 250
/** The least between two looks, in ms: who subscribes is told at once, and many who do so together by one look. */
const GATHER_MS = 10

/** The subscribers of one upload who may see the same: a room of Socket.io. */
interface Watched {
  room: string
  uploadId: string
  viewer: Viewer
  follower: Follower
  /** As it was told last, and when. */
  last: Snapshot | undefined
  toldAt: number
  /** Who has not been told anything yet. */
  fresh: Set<Socket>
}

/**
 * Tells subscribers what the database says of their uploads, whatever process works on them: one query for all, while there is anyone.
 * An upload that nobody knows yet may come later, as a direct one whose id the client has chosen.
 */
export class Watcher {
  readonly #io: Server
  readonly #service: Pick<JobService, 'progress'>
  readonly #log: FastifyBaseLogger
  readonly #watched = new Map<string, Watched>()
  #wake: () => void = () => undefined
  #running = false

  constructor(io: Server, service: Pick<JobService, 'progress'>, log: FastifyBaseLogger) {
    this.#io = io
    this.#service = service
    this.#log = log
    io.of('/').adapter.on('delete-room', (room: string) => this.#watched.delete(room))
    io.of('/').adapter.on('leave-room', (room: string, id: string) => {
      for (const socket of this.#watched.get(room)?.fresh ?? []) {
        if (socket.id === id) this.#watched.get(room)!.fresh.delete(socket)
      }
    })
  }

  subscribe(socket: Socket, viewer: Viewer, uploadId: string): void {
    const room = roomOf(viewer, uploadId)
    let watched = this.#watched.get(room)
    if (!watched) {
      watched = { room, uploadId, viewer, follower: new Follower(), last: undefined, toldAt: 0, fresh: new Set() }
      this.#watched.set(room, watched)
    }
    watched.fresh.add(socket)
    void socket.join(room)
    this.#wake()
    if (!this.#running) void this.#run()
  }

  unsubscribe(socket: Socket, viewer: Viewer, uploadId: string): void {
    void socket.leave(roomOf(viewer, uploadId))
  }

  async #run(): Promise<void> {
    this.#running = true
    while (this.#watched.size > 0) {
      const { promise: woken, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      const next = performance.now() + LOOK_MS
      await delay(GATHER_MS)
      try {
        await this.#look()
      } catch (error) {
        this.#log.warn(
          { reason: withoutPassword((error as Error).message) },
          'subscribers are not told anything for now',
        )
      }
      await Promise.race([woken, delay(Math.max(0, next - performance.now()))])
    }
    this.#running = false
  }

  async #look(): Promise<void> {
    const watched = [...this.#watched.values()]
    // Who subscribes from now on may know more than this look.
    const asking = new Map(watched.map((one) => [one, [...one.fresh]]))
    const found = await this.#service.progress([...new Set(watched.map(({ uploadId }) => uploadId))])
    const now = performance.now()
    for (const one of watched) {
      const fresh = asking.get(one)!
      for (const socket of fresh) one.fresh.delete(socket)
      const progress = found.get(one.uploadId)
      if (progress && (one.viewer === null || progress.owner === one.viewer)) this.#tell(one, progress, fresh, now)
      else this.#tellGone(one, fresh)
    }
  }

  #tell(watched: Watched, progress: UploadProgress, fresh: Socket[], now: number): void {
    const snapshot = watched.follower.take(progress, now)
    if (isOver(snapshot.status)) {
      this.#end(watched, snapshot)
      return
    }
    if (isNews(snapshot, watched.last) && now - watched.toldAt >= LOOK_MS - 2 * GATHER_MS) {
      watched.last = snapshot
      watched.toldAt = now
      this.#io.local.to(watched.room).emit('progress', snapshot)
    } else for (const socket of fresh) socket.emit('progress', snapshot)
  }

  /** An upload that nobody may see, or that is there no more, as one whose body broke off. */
  #tellGone(watched: Watched, fresh: Socket[]): void {
    if (watched.last) {
      this.#end(watched, { ...watched.last, status: 'failed', rowsPerSecond: 0, etaSeconds: null })
      return
    }
    const problem = new Problem(404, `There is no upload ${watched.uploadId}; if it comes, you will be told`, watched)
    for (const socket of fresh) tellProblem(socket, problem)
  }

  /** The last event; who wants to know more, as after a retry, subscribes again. */
  #end({ room }: Watched, snapshot: Snapshot): void {
    this.#io.local.to(room).emit(snapshot.status === 'completed' ? 'completed' : 'failed', snapshot)
    this.#io.local.in(room).socketsLeave(room)
  }
}

/** Tells one subscriber what is wrong with what it asked for. */
export function tellProblem(socket: Socket, problem: Problem): void {
  socket.emit('problem', answerTo(problem, randomUUID()).document)
}

function roomOf(viewer: Viewer, uploadId: string): string {
  return `${viewer ?? ''}/${uploadId}`
}

function isNews(one: Snapshot, other: Snapshot | undefined): boolean {
  return other === undefined || (Object.keys(one) as (keyof Snapshot)[]).some((key) => one[key] !== other[key])
}
