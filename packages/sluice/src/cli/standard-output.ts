import { pipeline } from 'node:stream/promises'

let broken: Error | undefined

/**
 * The reader of what is printed may go away at any time (`| head`), which is no error, or its disk be full, which is told and ends the
 * process with 1: what it does goes on all the same. Nobody can be told of a standard error that takes nothing.
 */
export function outliveOutput(): void {
  process.stdout.on('error', (error) => {
    broken = error
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return
    process.stderr.write(`sluice: what was to be printed could not be written to standard output: ${error.message}\n`)
    process.exitCode = 1
  })
  process.stderr.on('error', () => undefined)
}

/**
 * Writes to standard output no faster than it is read.
 * @returns Whether everything was written.
 */
export async function writeOut(
  chunks: Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>,
): Promise<boolean> {
  try {
    await pipeline(chunks, process.stdout, { end: false })
    return true
  } catch (error) {
    if (error === broken) return false
    throw error
  }
}
