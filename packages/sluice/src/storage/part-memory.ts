import { createHash } from 'node:crypto'
import { type S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { release } from '../spent-buffers.ts'

/** Much less than a part, in bytes, so that each part is a copy of several. */
const LONGEST_CHUNK = 1024 * 1024

/**
 * Frees what an `Upload` of lib-storage holds as soon as it is used up. It keeps the chunks of a body until they fill a part, copies them
 * into it, and copies what is left over into the next part; then all of it is garbage outside the JavaScript heap, of which V8 sees
 * little. Left to it, an upload of 1 GB held 46 MB of such memory and never gave back what it had fragmented: 22 MB more at the peak.
 *
 * The digests that parts are signed with are taken chunk by chunk as well: of 5 MiB at once they would hold up the event loop for 4 ms
 * of processor time, several of them for tens.
 */
export class PartMemory {
  readonly #partBytes: number
  /** Given out, and where in the object each ends; in their order. */
  readonly #chunks: { chunk: Uint8Array; end: number }[] = []
  /** Those under way by their number, and the one that was begun last. */
  readonly #parts = new Map<number, { body: Uint8Array; isSent: boolean; isCopied: boolean }>()
  /** SHA-256 of the parts that are whole and not begun, by their number, and of the one that is not whole. */
  readonly #digests = new Map<number, string>()
  #hash = createHash('sha256')
  #end = 0

  /** @param partBytes size of all parts but the last one */
  constructor(partBytes: number) {
    this.#partBytes = partBytes
  }

  /** Copies of chunks that are there only until the next one is asked for. */
  async *copies(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const given of chunks) {
      for (let at = 0; at < given.length; ) {
        const room = this.#partBytes - (this.#end % this.#partBytes)
        const piece = given.subarray(at, at + Math.min(LONGEST_CHUNK, room))
        const chunk = Buffer.allocUnsafeSlow(piece.length)
        chunk.set(piece)
        at += chunk.length
        this.#end += chunk.length
        this.#chunks.push({ chunk, end: this.#end })
        this.#hash.update(chunk)
        if (this.#end % this.#partBytes === 0) this.#endPart()
        yield chunk
      }
    }
    if (this.#end % this.#partBytes > 0) this.#endPart()
  }

  /** The same client, whose parts are seen on their way. */
  watch(client: S3Client): S3Client {
    const send = async (command: unknown): Promise<unknown> => {
      if (!(command instanceof UploadPartCommand)) return client.send(command as never)
      const { PartNumber: number = 0, Body } = command.input
      this.#begun(number, Body as Uint8Array)
      signWith(command, this.#digests.get(number)!)
      this.#digests.delete(number)
      const result = await client.send(command)
      this.#parts.get(number)!.isSent = true
      this.#free(number)
      return result
    }
    return Object.assign(Object.create(client), { send }) as S3Client
  }

  #endPart(): void {
    this.#digests.set(Math.ceil(this.#end / this.#partBytes), this.#hash.digest('hex'))
    this.#hash = createHash('sha256')
  }

  #begun(number: number, body: Uint8Array): void {
    this.#parts.set(number, { body, isSent: false, isCopied: false })
    const before = this.#parts.get(number - 1)
    // The last part may be no more than what was left over from the one before, and then lies in its memory.
    if (before && before.body.buffer !== body.buffer) {
      before.isCopied = true
      this.#free(number - 1)
    }
    let spent = 0
    for (const { chunk, end } of this.#chunks) {
      if (end > number * this.#partBytes) break
      release(chunk)
      spent++
    }
    this.#chunks.splice(0, spent)
  }

  /** A part may be sent again until it is answered, and be copied from until the next one is begun. */
  #free(number: number): void {
    const { body, isSent, isCopied } = this.#parts.get(number)!
    if (!(isSent && isCopied)) return
    this.#parts.delete(number)
    release(body)
  }
}

/** Tells the digest of a part that is to be signed (Signature Version 4, "x-amz-content-sha256"); a wrong one is refused. */
function signWith({ middlewareStack }: UploadPartCommand, sha256: string): void {
  middlewareStack.add(
    (next) => (args) => {
      ;(args.request as { headers: Record<string, string> }).headers['x-amz-content-sha256'] = sha256
      return next(args)
    },
    { step: 'build' },
  )
}
