/** `sluice serve` and `sluice worker` as an operator starts them, and a client that is curl. */
import { execFile } from 'node:child_process'
import { createReadStream } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { command } from '../../scripts/commands.ts'
import { SluiceProcess } from './process.ts'

const run = promisify(execFile)
const PROFILES = join(import.meta.dirname, '../profiles')

// biome-ignore lint/suspicious/noExplicitAny: the scripts say what is in an answer
export type Json = any

export interface Answer {
  code: number
  json: Json
  seconds: number
}

export class Service {
  readonly process: SluiceProcess
  readonly url: string

  private constructor(started: SluiceProcess, url: string) {
    this.process = started
    this.url = url
  }

  /** Starts it under `limit` MB and waits until it listens. */
  static async start(limit: number, env: Record<string, string>, cwd: string): Promise<Service> {
    const started = new SluiceProcess(['serve'], {
      limit,
      cwd,
      env: { PORT: '0', LOG_LEVEL: 'info', SLUICE_PROFILES: PROFILES, ...env },
    })
    return new Service(started, await printed(started, /listening at (http:\/\/[\d.:]+)/i))
  }

  /** Posts a form with curl, as `curl -F` does. */
  async post(
    file: string,
    { query = '', fields = {} as Record<string, string>, path = '/upload' } = {},
  ): Promise<Answer> {
    const form = Object.entries(fields).flatMap(([name, value]) => ['-F', `${name}=${value}`])
    return this.curl(['-X', 'POST', ...form, '-F', `file=@${file}`, `${this.url}${path}${query}`])
  }

  async curl(args: string[]): Promise<Answer> {
    const start = performance.now()
    const { stdout } = await run(command('curl', 'curl'), ['-sS', '-w', '\n%{http_code}', ...args], {
      maxBuffer: 2 ** 26,
    })
    const cut = stdout.lastIndexOf('\n')
    const body = stdout.slice(0, cut)
    return {
      code: Number(stdout.slice(cut + 1)),
      json: body.startsWith('{') ? JSON.parse(body) : body,
      seconds: (performance.now() - start) / 1000,
    }
  }

  get(path: string): Promise<Answer> {
    return this.curl([`${this.url}${path}`])
  }

  /** The status of an upload once it is over. */
  async over(uploadId: string): Promise<Json> {
    for (;;) {
      const { code, json } = await this.get(`/upload/${uploadId}/status`)
      if (code === 200 && !['receiving', 'uploaded', 'processing'].includes(json.status)) return json
      if (code !== 200) throw new Error(`the status of ${uploadId} answered ${code}`)
      await delay(100)
    }
  }

  /** Sends a file as a raw body; `sent()` tells how many bytes the server's socket has taken so far. */
  send(file: string, path: string): { sent(): number; answer: Promise<{ code: number; json: Json }>; abort(): void } {
    const post = request(`${this.url}${path}`, { method: 'POST', headers: { 'content-type': 'text/csv' } })
    const answer = new Promise<{ code: number; json: Json }>((resolve, reject) => {
      post.on('error', reject)
      post.on('response', async (response) => {
        let body = ''
        for await (const chunk of response.setEncoding('utf8')) body += chunk
        resolve({ code: response.statusCode ?? 0, json: JSON.parse(body) })
      })
    })
    let given = 0
    const source = createReadStream(file)
    source.on('data', (chunk) => {
      given += chunk.length
    })
    source.pipe(post)
    return {
      sent: () => given - post.writableLength,
      answer,
      abort: () => {
        source.destroy()
        post.destroy()
      },
    }
  }
}

/** Starts a worker and waits until it says that it works. */
export async function startWorker(limit: number, env: Record<string, string>, cwd: string): Promise<SluiceProcess> {
  const started = new SluiceProcess(['worker'], {
    limit,
    cwd,
    env: { LOG_LEVEL: 'info', SLUICE_PROFILES: PROFILES, ...env },
  })
  await printed(started, /wait|work/i)
  return started
}

async function printed(started: SluiceProcess, pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(started.printed)
    if (found) return found[1] ?? found[0]
    if (started.child.exitCode !== null || started.child.signalCode !== null)
      throw new Error(`sluice ended:\n${started.printed}`)
    await delay(50)
  }
}

/** Waits until something is so; an Error after `ms`. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, ms = 120_000): Promise<void> {
  const end = performance.now() + ms
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${ms} ms`)
    await delay(20)
  }
}

/** Does something again and again until a promise has settled. */
export async function meanwhile<T>(promise: Promise<T>, step: () => Promise<unknown>): Promise<T> {
  let open = true
  const close = () => {
    open = false
  }
  promise.then(close, close)
  while (open) await step()
  return promise
}
