import { type Handler, type Queue, SMALL_BYTES } from './queue.ts'

/**
 * A queue in this process. One lane is kept for small uploads and one for large ones, and those between take whichever came
 * first: 100 small ones do not wait behind one of 5 GB, nor it behind an endless row of small ones.
 */
export class InProcessQueue implements Queue {
  readonly #small: string[] = []
  readonly #large: string[] = []
  /** Queued or at work; what is there is not added again. */
  readonly #known = new Set<string>()
  /** Of these, uploads that another process has begun. */
  readonly #begun = new Set<string>()
  readonly #running = new Map<string, { large: boolean; done: Promise<void> }>()
  readonly #closing = new AbortController()
  #handler: Handler | undefined
  #concurrency = 0

  async add(uploadId: string, { bytes, helpers = 0 }: { bytes: number | null; helpers?: number }): Promise<void> {
    if (this.#closing.signal.aborted || this.#known.has(uploadId)) return
    this.#known.add(uploadId)
    if (helpers > 0) this.#begun.add(uploadId)
    const lane = bytes !== null && bytes <= SMALL_BYTES ? this.#small : this.#large
    lane.push(uploadId)
    this.#next()
  }

  /** @param options.concurrency at least 2: a lane for small ones, and one for large ones */
  async work(handler: Handler, { concurrency }: { concurrency: number }): Promise<void> {
    this.#handler = handler
    this.#concurrency = Math.max(2, concurrency)
    this.#next()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.all([...this.#running.values()].map(({ done }) => done))
  }

  #next(): void {
    while (this.#handler && !this.#closing.signal.aborted) {
      const chosen = this.#choose()
      if (chosen === undefined) return
      this.#run(chosen.uploadId, chosen.large)
    }
  }

  #choose(): { uploadId: string; large: boolean } | undefined {
    const large = [...this.#running.values()].filter((one) => one.large).length
    const small = this.#running.size - large
    if (this.#running.size >= this.#concurrency) return undefined
    const most = this.#concurrency - 1
    if (this.#large.length > 0 && large < most && (large === 0 || this.#small.length === 0)) {
      return { uploadId: this.#large.shift()!, large: true }
    }
    if (this.#small.length > 0 && small < most) return { uploadId: this.#small.shift()!, large: false }
    return undefined
  }

  #run(uploadId: string, large: boolean): void {
    const isHelper = this.#begun.delete(uploadId)
    const done = this.#handler!(uploadId, this.#closing.signal, isHelper).finally(() => {
      this.#running.delete(uploadId)
      this.#known.delete(uploadId)
      this.#next()
    })
    this.#running.set(uploadId, { large, done: done.catch(() => undefined) })
  }
}
