import { existsSync, globSync } from 'node:fs'
import { join } from 'node:path'
import { type Ended, start } from './sluice.ts'
import { LONG } from './torture.ts'

export interface Served {
  /** As `http://127.0.0.1:4711`. */
  url: string
  port: number
  pid: number
  /** Where it keeps what it stores. */
  folder: string
  /** `DATABASE_URL`. */
  database: string
  /** What it has printed so far, line by line. */
  log(): string
  /** Files below its data folder. */
  stored(): string[]
  /** Settles when it has ended. */
  ended: Promise<Ended>
  /** Ends it as an operator would, or at once. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/**
 * Starts `sluice serve` on a free port and waits until it listens.
 * @param folder that it keeps everything in; made outside of hooks, as it lives as long as what makes it
 */
export async function serve(folder: string, env: Record<string, string> = {}): Promise<Served> {
  const database = env.DATABASE_URL ?? `sqlite:${join(folder, 'test.db')}`
  const data = join(folder, 'data')
  const { child, ended } = start(['serve'], {
    cwd: folder,
    env: { DATABASE_URL: database, SLUICE_DATA_DIR: data, PORT: '0', LOG_LEVEL: 'info', ...env },
    inputStaysOpen: true,
    timeout: LONG ? 14_400_000 : 600_000,
  })
  let printed = ''
  const listening = Promise.withResolvers<string>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text: string) => {
      printed += text
      const url = /listening at (http:\/\/[\d.:]+)/i.exec(printed)?.[1]
      if (url !== undefined) listening.resolve(url)
    })
  }
  ended.then(
    ({ code }) => listening.reject(new Error(`sluice serve ended with ${code}:\n${printed}`)),
    listening.reject,
  )
  const url = await listening.promise
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid!,
    folder,
    database,
    ended,
    log: () => printed,
    stored: () =>
      (existsSync(data) ? globSync('**', { cwd: data, withFileTypes: true }) : [])
        .filter((one) => one.isFile())
        .map((one) => join(one.parentPath, one.name)),
    async stop(signal = 'SIGTERM') {
      child.kill(signal)
      await ended
    },
  }
}
