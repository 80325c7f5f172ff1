import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { freePort } from '../../engine/test/support/postgres.ts'
import { temporaryFolder } from '../../engine/test/support/temporary-folder.ts'

export interface RedisServer extends AsyncDisposable {
  url: string
  port: number
  /** How many keys there are. */
  size(): Promise<number>
}

/**
 * A Redis of the test's own, in memory only. It ends with the process that started it.
 * @param port default: a free one
 */
export async function startRedis(settings: string[] = [], port?: number): Promise<RedisServer> {
  const chosen = port ?? (await freePort())
  const folder = temporaryFolder()
  const script = 'redis-server "$@" >/dev/null & server=$!; read _; kill $server; wait $server'
  const options = ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--dir', folder, ...settings]
  const watched = spawn('sh', ['-c', script, 'sh', ...options], { stdio: ['pipe', 'ignore', 'inherit'] })
  const url = `redis://127.0.0.1:${chosen}`
  const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => undefined)
  // One that asks for a password is there, too.
  await client.ping().catch(() => undefined)
  client.disconnect()
  return {
    url,
    port: chosen,
    async size() {
      const client = new Redis(url)
      try {
        return await client.dbsize()
      } finally {
        client.disconnect()
      }
    },
    async [Symbol.asyncDispose]() {
      const ended = once(watched, 'exit')
      watched.stdin.end()
      await Promise.race([ended, delay(5_000)])
    },
  }
}
