import { pipeline } from 'node:stream/promises'

/**
 * Writes to standard output no faster than it is read. A reader that goes away (`| head`) is no error.
 * @returns Whether everything was written.
 */
export async function writeOut(
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<boolean> {
  try {
    await pipeline(chunks, process.stdout, { end: false })
    return true
  } catch (error) {
    if (isBrokenPipe(error)) return false
    throw error
  }
}

export function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EPIPE'
}
