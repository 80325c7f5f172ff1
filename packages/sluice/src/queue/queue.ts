/**
 * Works on an upload.
 * @param signal is aborted when the queue closes, and asks it to come to an end
 * @param isHelper another process is at work on it
 */
export type Handler = (uploadId: string, signal: AbortSignal, isHelper: boolean) => Promise<void>

/** Uploads up to this size are small: some seconds of work. They have a lane of their own. */
export const SMALL_BYTES = 64 * 1024 * 1024

/**
 * Wakes workers. The database is the truth about uploads: what a queue loses is added again by the next sweep, and what it
 * says twice is refused by the lease of the job.
 */
export interface Queue {
  /**
   * @param options.bytes Size of the upload, for lanes; null where it is not known.
   * @param options.helpers How many other processes may help with an upload that one works on. Default: 0.
   */
  add(uploadId: string, options: { bytes: number | null; helpers?: number }): Promise<void>
  /**
   * Begins to call `handler`, for up to `concurrency` uploads at once and in this process never twice at once for the same one.
   * @param handler Its errors are its own to record.
   */
  work(handler: Handler, options: { concurrency: number }): Promise<void>
  /** Takes no more, aborts the signals of the handlers and waits for them. */
  close(): Promise<void>
}
