import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '@sluice/engine'

/**
 * How long somebody who asks for a status is let wait for a database that is locked or restarting, in ms. Beside loads that commit
 * 1,000 rows at a time into one SQLite file, one question in fifty found the file locked for a second, and none for ten.
 */
const PATIENCE_MS = 10_000
const LONGEST_WAIT_MS = 200

/** The same database, whose statements are tried again where their error may pass. */
export function patient(database: Database): Database {
  async function again<T>(work: () => Promise<T>): Promise<T> {
    const end = performance.now() + PATIENCE_MS
    for (let wait = 10; ; wait = Math.min(LONGEST_WAIT_MS, wait * 2)) {
      try {
        return await work()
      } catch (error) {
        if (database.classify(error) !== 'transient' || performance.now() + wait > end) throw error
        await delay(wait * (0.5 + Math.random() / 2))
      }
    }
  }
  return new Proxy(database, {
    get(target, name) {
      if (name === 'query') return (text: string, params?: []) => again(() => target.query(text, params))
      if (name === 'transact') return (statements: []) => again(() => target.transact(statements))
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
