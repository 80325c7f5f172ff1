import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { type LoadOptions, SluiceError } from '@sluice/engine'
import { usageError } from './failure.ts'

type Source = Pick<LoadOptions, 'source' | 'sourceName'>

/**
 * What the words of the command line stand for: files, patterns that the shell did not expand, or `-` for standard
 * input. A file whose name happens to be a pattern is that file.
 * @param signal Ends standard input, where a read may otherwise wait for ever.
 * @throws SluiceError SLUICE_SOURCE_NOT_FOUND, or SLUICE_USAGE for what is no source.
 */
export async function openSources(words: string[], signal: AbortSignal): Promise<Source> {
  if (words.includes('-')) {
    if (words.length > 1) throw usageError('- (standard input) cannot be loaded together with files')
    return { source: readStandardInput(signal), sourceName: 'stdin' }
  }
  const files: string[] = []
  for (const word of words) files.push(...(await expand(word)))
  const twice = files.find((file, index) => files.findIndex((other) => resolve(other) === resolve(file)) !== index)
  if (twice !== undefined) throw usageError(`${twice} is named twice, so its rows would be loaded twice`)
  return { source: files.length === 1 ? files[0]! : files }
}

async function* readStandardInput(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  try {
    yield* addAbortSignal(signal, process.stdin)
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

async function expand(word: string): Promise<string[]> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(word)?.[1]
  if (scheme !== undefined) {
    throw usageError(`"${scheme}://" cannot be read; a source is a file, a pattern, or - for standard input`)
  }
  const info = await stat(word).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null
    throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `${word} cannot be opened: ${error.message}`, { cause: error })
  })
  if (info?.isDirectory())
    throw usageError(`${word} is a folder; name its files, e.g. '${word.replace(/\/$/, '')}/*.csv'`)
  if (info !== null) return [word]
  if (!/[*?[{]/.test(word)) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `There is no file ${word}`)

  const found: string[] = []
  for await (const path of glob(word)) {
    if (!(await stat(path)).isDirectory()) found.push(path)
  }
  if (found.length === 0) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `No file matches ${word}`)
  return found.sort()
}
