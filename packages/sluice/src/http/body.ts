import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import multipart, { type Multipart, type MultipartFile } from '@fastify/multipart'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { chunksOf } from '../chunks.ts'
import { releasing } from '../spent-buffers.ts'
import { watchBody } from './patience.ts'
import { Problem } from './problem.ts'

/** Fields of a form as they came; a name that came twice has a list. */
export type Fields = Record<string, string | string[]>

/** What a client sends: a form, or a file that is the whole body. */
export interface Incoming {
  /** Fields in front of the file. */
  fields: Fields
  /** Without folders; null where nothing names the file. */
  fileName: string | null
  /**
   * The bytes of the file, as they come; nothing is read ahead. A chunk is there only until the next one is asked for. Throws a Problem
   * where the request is broken or too long.
   */
  file: AsyncIterable<Uint8Array>
  /** What the file cannot be longer than, in bytes, by the length of the request; undefined where that is not told. */
  mostBytes: number | undefined
  /** The fields behind the file, once it is read. */
  rest(): Promise<Fields>
}

export interface BodyLimits {
  maxUploadBytes: number
  bodyTimeoutSeconds: number
}

/** Whole files as bodies; what is in them is told by the engine from their content. */
export const FILE_TYPES = [
  'text/csv',
  'text/tab-separated-values',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/json',
  'application/gzip',
  'application/zstd',
  'application/octet-stream',
]
/** Content codings that the engine undoes. */
const CODINGS = ['identity', 'gzip', 'x-gzip', 'zstd']
/** No form has more of anything; 10,000 fields are an attack. The longest field is a schema. */
const FORM_LIMITS = { fields: 64, files: 1, parts: 65, fieldNameSize: 100, fieldSize: 1_048_576, headerPairs: 20 }
/** Bytes of a request that stand around its file: fields, headers of parts. */
const AROUND_FILE = 2 * 1_048_576

/** Lets bodies pass that are files, unread and unbuffered. To be called in the scope of the routes that take them. */
export function acceptFiles(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.register(multipart)
  app.addContentTypeParser(FILE_TYPES, (_request, payload, done) => done(null, payload))
}

/**
 * Begins to read a body: up to its file.
 * @param signal ends the reading, also where the client is waited for
 * @throws Problem 400, 408, 413, 415; 503 by the signal
 */
export async function receive(request: FastifyRequest, limits: BodyLimits, signal: AbortSignal): Promise<Incoming> {
  const { raw, headers } = request
  const mostBytes = headers['content-length'] === undefined ? undefined : Number(headers['content-length'])
  if ((mostBytes ?? 0) > limits.maxUploadBytes + (request.isMultipart() ? AROUND_FILE : 0)) throw tooLong(limits)
  const coding = headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (!CODINGS.includes(coding)) {
    throw new Problem(415, `The content coding "${coding}" cannot be undone; use gzip or none`, {
      headers: { 'accept-encoding': 'gzip' },
    })
  }
  if (request.isMultipart()) return { ...(await receiveForm(request, limits, signal)), mostBytes }
  if (!(request.body as unknown))
    throw new Problem(400, 'The request has no body; send a form with a file, or the file')
  return {
    fields: {},
    fileName: nameOf(/filename="?([^";]*)/i.exec(headers['content-disposition'] ?? '')?.[1]),
    file: releasing(wholeBody(raw, limits, signal)),
    mostBytes,
    rest: async () => ({}),
  }
}

/** A body that is a file, or a piece of one. Throws a Problem where it breaks off or is too long. */
export async function* wholeBody(
  raw: IncomingMessage,
  limits: BodyLimits,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  // The answer goes out on the socket that the body comes in from, so a failure must not destroy it.
  const failed = new AbortController()
  const judge = () => undefined
  const stop = watchBody(raw, limits.bodyTimeoutSeconds, judge, signal, (problem) => failed.abort(problem))
  try {
    let bytes = 0
    for await (const chunk of chunksOf(raw, failed.signal)) {
      bytes += chunk.length
      if (bytes > limits.maxUploadBytes) throw tooLong(limits)
      yield chunk
    }
  } catch (error) {
    throw error instanceof Problem ? error : new Problem(400, 'The body ended before it was whole')
  } finally {
    stop()
  }
}

async function receiveForm(
  request: FastifyRequest,
  limits: BodyLimits,
  signal: AbortSignal,
): Promise<Omit<Incoming, 'mostBytes'>> {
  const parts = request.parts({ limits: { ...FORM_LIMITS, fileSize: limits.maxUploadBytes } })
  let current: Readable | undefined
  let failed: Problem | undefined
  const giveUp = Promise.withResolvers<never>()
  giveUp.promise.catch(() => undefined)
  const judge = (bytes: number): Problem | undefined => {
    if (current === undefined && bytes > AROUND_FILE)
      return new Problem(400, 'The form has no file where one should be')
    return bytes > limits.maxUploadBytes + AROUND_FILE ? tooLong(limits) : undefined
  }
  const stop = watchBody(request.raw, limits.bodyTimeoutSeconds, judge, signal, (problem) => {
    failed = problem
    giveUp.reject(problem)
    current?.destroy(problem)
  })
  const next = async (): Promise<Multipart | undefined> => {
    try {
      const { value, done } = await Promise.race([parts.next(), giveUp.promise])
      if (done) stop()
      return done ? undefined : value
    } catch (error) {
      stop()
      throw broken(error)
    }
  }
  const fields: Fields = {}
  for (;;) {
    const part = await next()
    if (part === undefined) throw new Problem(400, 'The form has no part "file" with a file: curl -F file=@people.csv')
    if (part.type === 'field') {
      addField(fields, part)
      continue
    }
    if (part.fieldname !== 'file') {
      part.file.resume()
      throw new Problem(400, `The file must be the part "file", not "${part.fieldname.slice(0, 100)}"`)
    }
    current = part.file
    return {
      fields,
      fileName: nameOf(part.filename),
      file: releasing(filePart(part, () => failed, limits)),
      async rest() {
        const behind: Fields = {}
        for (let after = await next(); after !== undefined; after = await next()) {
          if (after.type === 'file') throw new Problem(400, 'The form has more than one file; send one at a time')
          addField(behind, after)
        }
        return behind
      },
    }
  }
}

async function* filePart(
  { file }: MultipartFile,
  failed: () => Problem | undefined,
  limits: BodyLimits,
): AsyncGenerator<Buffer> {
  try {
    yield* chunksOf(file)
  } catch (error) {
    throw failed() ?? broken(error)
  }
  if (file.truncated) throw tooLong(limits)
}

/** What the parser of forms throws, as an answer: limits have their own statuses, the rest is a form that cannot be read. */
function broken(error: unknown): Problem {
  const { statusCode, message } = error as { statusCode?: number; message: string }
  if (error instanceof Problem) return error
  if (statusCode === 413) return new Problem(413, `The form is too large: ${message}`)
  return new Problem(400, `The form cannot be read: ${message}`)
}

function addField(fields: Fields, part: Exclude<Multipart, MultipartFile>): void {
  const { fieldname: name, value, fieldnameTruncated, valueTruncated } = part
  if (fieldnameTruncated || valueTruncated) throw new Problem(413, 'A field of the form is too long')
  // A part that says it is JSON is parsed already.
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const before = fields[name]
  fields[name] = before === undefined ? text : [...[before].flat(), text]
}

/** The name of a file without the folders in which it lay; it is shown and names a table, but never becomes a path. */
export function nameOf(name: string | undefined): string | null {
  const bare = (name ?? '')
    .replace(/^.*[/\\]/s, '')
    .replaceAll(/\p{Cc}/gu, '')
    .trim()
  // `curl -F file=@-` calls standard input so.
  return bare === '' || bare === '-' ? null : bare.slice(0, 255)
}

function tooLong({ maxUploadBytes }: BodyLimits): Problem {
  return new Problem(413, `The file is longer than ${maxUploadBytes} bytes`)
}
