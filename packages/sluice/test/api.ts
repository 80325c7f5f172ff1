import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Served } from './serve.ts'

export interface Answer {
  status: number
  headers: Headers
  text: string
  /** Undefined where the body is not JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever the schema allows, and the schema was checked
  json: any
}

interface OpenApi {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { content?: Record<string, { schema?: object }> }> }>
  >
}

/** A client of the API that checks every answer against the OpenAPI document of the same server. */
export class Api {
  readonly #url: string
  readonly #token: string | undefined
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false })
  #document: Promise<OpenApi> | undefined

  constructor({ url }: Pick<Served, 'url'>, token?: string) {
    this.#url = url
    this.#token = token
  }

  document(): Promise<OpenApi> {
    this.#document ??= fetch(`${this.#url}/docs/openapi.json`).then((answer) => answer.json() as Promise<OpenApi>)
    return this.#document
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path)
  }

  async call(method: string, path: string, init: RequestInit = {}): Promise<Answer> {
    const headers = new Headers(init.headers)
    if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`)
    const response = await fetch(`${this.#url}${path}`, { ...init, method, headers })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      json: /json/.test(type) && !/ndjson/.test(type) && text !== '' ? JSON.parse(text) : undefined,
    }
    await this.#check(method, path, type, answer)
    return answer
  }

  /** Sends a form: its fields, then the file, then more fields. */
  upload(
    file: string | Uint8Array | Blob,
    { name = 'people.csv', query = '', fields = {}, behind = {}, headers = {} }: UploadParts = {},
  ): Promise<Answer> {
    const form = new FormData()
    for (const [key, value] of Object.entries(fields)) form.append(key, value)
    form.append('file', file instanceof Blob ? file : new Blob([file as string]), name)
    for (const [key, value] of Object.entries(behind)) form.append(key, value)
    return this.call('POST', `/upload${query}`, { body: form, headers })
  }

  /** The status of an upload once it is over. */
  async over(uploadId: string): Promise<Answer['json']> {
    for (let i = 0; i < 600; i++) {
      const { status, json }: Answer = await this.get(`/upload/${uploadId}/status`)
      assert.equal(status, 200)
      if (!['receiving', 'uploaded', 'processing'].includes(json.status)) return json
      await delay(50)
    }
    throw new Error(`the upload ${uploadId} did not end`)
  }

  async #check(method: string, path: string, type: string, { status, text, json }: Answer): Promise<void> {
    const { paths } = await this.document()
    const bare = path.replace(/\?.*$/, '')
    const known = Object.entries(paths).find(([one]) =>
      new RegExp(`^${one.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(bare),
    )
    const operation = known?.[1][method.toLowerCase()]
    // What no path or method of the document is answered with problems alone.
    if (!operation) {
      assert.ok([401, 403, 404, 405].includes(status), `${method} ${path}: ${status} ${text}`)
      return
    }
    const described = operation.responses[status]
    assert.ok(described, `${method} ${path}: ${status} is not described: ${text}`)
    // Such as 204, or whatever HEAD is answered with.
    if (text === '') return
    const media = Object.keys(described.content ?? {}).find((one) => one.split(';')[0] === type.split(';')[0])
    assert.ok(media, `${method} ${path}: ${status} with ${type} is not described`)
    const schema = described.content![media]!.schema
    if (json === undefined || !schema) return
    const validate = this.#ajv.compile(schema)
    assert.equal(validate(json), true, `${method} ${path}: ${this.#ajv.errorsText(validate.errors)}: ${text}`)
    if (status >= 400) {
      assert.equal(json.status, status)
      assert.match(type, /^application\/problem\+json/)
    }
  }
}

export interface UploadParts {
  name?: string
  /** With its question mark. */
  query?: string
  fields?: Record<string, string>
  behind?: Record<string, string>
  headers?: Record<string, string>
}
