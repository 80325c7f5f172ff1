/** What clients of a soak do: everything that the API has for uploads, in an order that a seed decides. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'

const SMALL_ROWS = 500
const LARGE_ROWS = 60_000
const SCHEMA = JSON.stringify({
  fields: [{ name: 'id', type: 'integer' }, { name: 'name' }, { name: 'born', type: 'date' }],
})
/** A request that hangs would end a soak without a word. On a machine with 15 times as much to do as it has processors one took more than a minute. */
const TIMEOUT_MS = 300_000

type Deed =
  | 'small'
  | 'large'
  | 'waited'
  | 'direct'
  | 'aborted'
  | 'resumable'
  | 'abandoned'
  | 'cancelled'
  | 'retried'
  | 'watched'

/** How often each is done, of 20. */
const MIX: Deed[] = [
  ...Array<Deed>(5).fill('small'),
  ...Array<Deed>(3).fill('large'),
  ...Array<Deed>(2).fill('waited'),
  ...Array<Deed>(2).fill('direct'),
  ...Array<Deed>(2).fill('aborted'),
  ...Array<Deed>(2).fill('resumable'),
  'abandoned',
  'cancelled',
  'retried',
  'watched',
]

export class SoakClient {
  /** How often each was done. */
  readonly done: Partial<Record<Deed, number>> = {}
  readonly #url: string
  #state: number

  constructor(url: string, seed: number) {
    this.#url = url
    this.#state = seed
  }

  /** Each once. */
  async warmUp(): Promise<void> {
    for (const deed of new Set(MIX)) await this.#do(deed)
  }

  async workUntil(end: number): Promise<void> {
    while (performance.now() < end) await this.#do(MIX[this.#random(MIX.length)]!)
  }

  async #do(deed: Deed): Promise<void> {
    await this[`_${deed}`]()
    this.done[deed] = (this.done[deed] ?? 0) + 1
    await delay(this.#random(300))
  }

  async _small(): Promise<void> {
    await this.#upload(csv(SMALL_ROWS))
  }

  async _large(): Promise<void> {
    const id = await this.#upload(csv(LARGE_ROWS))
    await this.#over(id)
  }

  async _waited(): Promise<void> {
    const answer = await this.#post('?wait=true', csv(SMALL_ROWS))
    assert.ok(answer.status === 200 || answer.status === 503, `${answer.status}`)
  }

  async _direct(): Promise<void> {
    const query = `?mode=direct&table=soak&schema=${encodeURIComponent(SCHEMA)}`
    const headers = { 'content-type': 'text/csv' }
    const answer = await this.#fetch(`/upload${query}`, { method: 'POST', body: csv(SMALL_ROWS * 4), headers })
    assert.equal(answer.status, 200, await answer.text())
  }

  /** A body that breaks off. */
  async _aborted(): Promise<void> {
    const stop = new AbortController()
    const part = csv(2_000)
    const body = new ReadableStream({
      async pull(controller) {
        controller.enqueue(Buffer.from(part))
        await delay(20)
      },
    })
    const headers = { 'content-type': 'text/csv' }
    const query = `?mode=${this.#random(2) === 0 ? 'direct' : 'staged'}&table=soak&schema=${encodeURIComponent(SCHEMA)}`
    const sent = fetch(`${this.#url}/upload${query}`, {
      method: 'POST',
      body,
      headers,
      duplex: 'half',
      signal: stop.signal,
    } as RequestInit)
    setTimeout(() => stop.abort(), 200)
    await sent.then(
      (answer) => answer.body?.cancel(),
      () => undefined,
    )
  }

  /** In pieces, by tus. */
  async _resumable(): Promise<void> {
    const body = Buffer.from(csv(SMALL_ROWS * 20))
    const location = await this.#create(body.length)
    const size = Math.ceil(body.length / 4)
    for (let at = 0; at < body.length; at += size) await this.#patch(location, at, body.subarray(at, at + size))
    await this.#over(location.split('/').at(-1)!)
  }

  /** One that never becomes whole. */
  async _abandoned(): Promise<void> {
    const body = Buffer.from(csv(SMALL_ROWS))
    const location = await this.#create(body.length)
    await this.#patch(location, 0, body.subarray(0, 1_000))
  }

  async _cancelled(): Promise<void> {
    const id = await this.#upload(csv(LARGE_ROWS))
    const { status } = await this.#fetch(`/upload/${id}/cancel`, { method: 'POST' })
    assert.ok(status === 202 || status === 409, `${status}`)
  }

  /** It fails by its rejects, and is tried again in vain. */
  async _retried(): Promise<void> {
    const id = await this.#upload(csv(SMALL_ROWS, 50), { maxErrors: '3' })
    await this.#over(id)
    const { status } = await this.#fetch(`/upload/${id}/retry`, { method: 'POST' })
    assert.ok([202, 404, 409].includes(status), `${status}`)
  }

  async _watched(): Promise<void> {
    for (const path of ['/uploads', '/metrics', '/ready', '/docs/openapi.json']) {
      const answer = await this.#fetch(path)
      assert.equal(answer.status, 200, path)
      await answer.arrayBuffer()
    }
  }

  async #upload(file: string, fields: Record<string, string> = {}): Promise<string> {
    const answer = await this.#post('', file, fields)
    assert.equal(answer.status, 202, await answer.clone().text())
    return ((await answer.json()) as { uploadId: string }).uploadId
  }

  #post(query: string, file: string, fields: Record<string, string> = {}): Promise<Response> {
    const form = new FormData()
    // The content of each is another one, and `force` says so.
    const all = { table: 'soak', schema: SCHEMA, force: 'true', batchRows: '5000', ...fields }
    for (const [key, value] of Object.entries(all)) form.append(key, value)
    form.append('file', new Blob([file]), 'soak.csv')
    return this.#fetch(`/upload${query}`, { method: 'POST', body: form })
  }

  async #create(length: number): Promise<string> {
    const metadata = { filename: 'soak.csv', table: 'soak', schema: SCHEMA, force: 'true' }
    const pairs = Object.entries(metadata).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    const headers = { 'tus-resumable': '1.0.0', 'upload-length': `${length}`, 'upload-metadata': pairs.join(',') }
    const answer = await this.#fetch('/files', { method: 'POST', headers })
    assert.equal(answer.status, 201, await answer.text())
    return new URL(answer.headers.get('location')!, this.#url).pathname
  }

  async #patch(path: string, offset: number, body: Uint8Array): Promise<void> {
    const headers = {
      'tus-resumable': '1.0.0',
      'upload-offset': `${offset}`,
      'content-type': 'application/offset+octet-stream',
    }
    const answer = await this.#fetch(path, { method: 'PATCH', headers, body: body as Uint8Array<ArrayBuffer> })
    assert.equal(answer.status, 204, await answer.text())
  }

  async #over(id: string): Promise<void> {
    for (;;) {
      const answer = await this.#fetch(`/upload/${id}/status`)
      // Over for so long that it is forgotten.
      if (answer.status === 404) return void (await answer.body?.cancel())
      const { status } = (await answer.json()) as { status: string }
      if (!['uploaded', 'processing'].includes(status)) return
      await delay(200)
    }
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    try {
      return await fetch(`${this.#url}${path}`, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) })
    } catch (cause) {
      throw new Error(`${init.method ?? 'GET'} ${path} had no answer: ${(cause as Error).message}`, { cause })
    }
  }

  /** mulberry32: the order of deeds is that of the seed, as far as clients do not overtake each other. */
  #random(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t)
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

/** @param badEvery a record of which so many are bad; default: none */
function csv(rows: number, badEvery = Number.POSITIVE_INFINITY): string {
  const lines = Array.from({ length: rows }, (_, i) =>
    i % badEvery === 1 ? `x${i},bad,2024-13-01` : `${i},name ${Math.random()},2024-02-29`,
  )
  return `id,name,born\n${lines.join('\n')}\n`
}
