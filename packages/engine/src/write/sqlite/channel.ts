import type { SentError } from './errors.ts'
import type { Session } from './session.ts'

/** What a session is opened with. */
export type Opening = [path: string, busyTimeout: number]

export type Method = 'query' | 'transact' | 'describe' | 'createTable' | 'prepare' | 'commit' | 'close'

/** A call of a method of one of the thread's sessions, or its opening. */
export type Call<M extends Method = Method> = { session: number } & (
  | { method: M; args: Parameters<Session[M]> }
  | { method: 'open'; args: Opening }
)

export type Result<M extends Method> = Awaited<ReturnType<Session[M]>>

/** One a call, in the order of the calls. */
export type Reply = { value: unknown } | { error: SentError }
