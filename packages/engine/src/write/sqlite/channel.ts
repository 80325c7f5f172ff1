import type { SentError } from './errors.ts'
import type { Session } from './session.ts'

/** What the thread is started with. */
export interface ThreadOptions {
  path: string
  busyTimeout: number
}

export type Method = 'query' | 'transact' | 'describe' | 'createTable' | 'prepare' | 'commit' | 'close'

/** A call of a method of the thread's session. */
export interface Call<M extends Method = Method> {
  method: M
  args: Parameters<Session[M]>
}

export type Result<M extends Method> = Awaited<ReturnType<Session[M]>>

/** The first one tells whether the database is open; then one a call, in the order of the calls. */
export type Reply = { value: unknown } | { error: SentError }
