import { open } from 'node:fs/promises'
import { type ErrorCode, SluiceError } from '@sluice/engine'

/** A schema or a profile of a thousand columns has about 200 KB. */
const LIMIT = 4 * 1024 * 1024

/**
 * Reads a settings file of at most 4 MB; a pipe such as `<(…)` will do.
 * @param what names the file in messages, e.g. `schema`.
 * @throws SluiceError with `code` where the file cannot be read, is too big or is not JSON.
 */
export async function readJsonFile(path: string, what: string, code: ErrorCode): Promise<unknown> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    await using file = await open(path)
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      chunks.push(chunk)
      size += chunk.length
      if (size > LIMIT) break
    }
  } catch (error) {
    const { code: reason, message } = error as NodeJS.ErrnoException
    if (reason === 'ENOENT') throw new SluiceError(code, `The ${what} ${path} does not exist`, { cause: error })
    throw new SluiceError(code, `The ${what} ${path} cannot be read: ${message}`, { cause: error })
  }
  if (size > LIMIT) throw new SluiceError(code, `The ${what} ${path} is longer than ${LIMIT / 1024 / 1024} MB`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch (error) {
    throw new SluiceError(code, `The ${what} ${path} is not JSON: ${(error as Error).message}`, { cause: error })
  }
}
