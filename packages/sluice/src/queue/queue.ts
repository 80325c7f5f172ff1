/**
 * Wakes workers. The database is the truth about uploads: what a queue loses is added again by the next sweep, and what it
 * says twice is refused by the lease of the job.
 */
export interface Queue {
  /**
   * @param options.bytes Size of the upload, for lanes; null where it is not known.
   */
  add(uploadId: string, options: { bytes: number | null }): Promise<void>
  /**
   * Begins to call `handler`, for up to `concurrency` uploads at once and never twice at once for the same one.
   * @param handler Its errors are its own to record; `signal` is aborted when the queue closes, and asks it to come to an end.
   */
  work(
    handler: (uploadId: string, signal: AbortSignal) => Promise<void>,
    options: { concurrency: number },
  ): Promise<void>
  /** Takes no more, aborts the signals of the handlers and waits for them. */
  close(): Promise<void>
}
