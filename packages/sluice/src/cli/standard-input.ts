import { fstatSync, read } from 'node:fs'
import { Socket } from 'node:net'
import { addAbortSignal } from 'node:stream'
import { promisify } from 'node:util'

const readInto = promisify(read)

const BYTES = 256 * 1024

/**
 * Standard input in pieces, each of which is done with when the next one is asked for. `process.stdin` makes a buffer for every 64 KB, and
 * V8, whose own heap hardly grows meanwhile, let 15 MB of them gather; a file or a pipe is read into one and the same.
 * @param signal ends it, where a read may otherwise wait for ever
 */
export async function* readStandardInput(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const info = fstatSync(0)
  if (info.isFile()) yield* fromFile(signal)
  else if (info.isFIFO() || info.isSocket()) yield* fromPipe(signal)
  else yield* fromDevice(signal)
}

async function* fromFile(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const buffer = Buffer.allocUnsafeSlow(BYTES)
  while (!signal.aborted) {
    // From wherever whoever opened it has left off.
    const { bytesRead } = await readInto(0, buffer, 0, BYTES, null)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

async function* fromPipe(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  const buffer = new Uint8Array(BYTES)
  let came = nextPiece()
  const socket = new Socket({
    fd: 0,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback(length) {
        came.resolve(length)
        // Nothing more before it is asked for.
        return false
      },
    },
  })
  const end = () => came.resolve(0)
  socket.on('end', end).on('close', end)
  socket.on('error', (error) => came.reject(error))
  const abort = () => socket.destroy()
  signal.addEventListener('abort', abort, { once: true })
  try {
    while (!(socket.readableEnded || socket.destroyed)) {
      socket.resume()
      const length = await came.promise
      if (length === 0) return
      came = nextPiece()
      yield buffer.subarray(0, length)
    }
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

/** Its length, 0 at the end. It may fail before anybody waits for it. */
function nextPiece(): PromiseWithResolvers<number> {
  const piece = Promise.withResolvers<number>()
  piece.promise.catch(() => undefined)
  return piece
}

/** A terminal, or a device. */
async function* fromDevice(signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
  try {
    yield* addAbortSignal(signal, process.stdin)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}
