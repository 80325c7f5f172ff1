/**
 * Which batches have a transaction of the server to themselves. One that begins early waits in its own for the batch before it: that one must
 * have got its transaction first, and keep it, or the two may wait for each other (a pooler or a server may have no further one to give).
 */
export class Order {
  /** By the byte of the source at which a batch ends, which is where the next one begins. */
  readonly #begun = new Set<number>()
  #changed = Promise.withResolvers<void>()

  begun(end: number): void {
    this.#begun.add(end)
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  /** It was rolled back, or its connection is gone; or it is committed and nobody needs to know any more. */
  over(end: number): void {
    this.#begun.delete(end)
  }

  has(end: number): boolean {
    return this.#begun.has(end)
  }

  async until(end: number): Promise<void> {
    while (!this.#begun.has(end)) await this.#changed.promise
  }
}
