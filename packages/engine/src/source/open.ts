import { access, glob } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { ByteSource } from '../options.ts'
import { openBytes } from './bytes.ts'
import { openFile } from './file.ts'
import type { Source } from './source.ts'
import { openStream } from './stream.ts'

const NO_SOURCE = 'The source is neither a path nor a stream of bytes'

/**
 * Opens what a load is to read: a path, a glob (where no file has that very name), a list of both, a stream, or a source of the
 * caller's own.
 * @throws SluiceError SLUICE_SOURCE_NOT_FOUND; SLUICE_USAGE for what is no source
 */
export async function openSources(
  source: string | string[] | Readable | AsyncIterable<Uint8Array> | ByteSource,
  streamName: string,
  signal?: AbortSignal | undefined,
): Promise<Source[]> {
  if (typeof source !== 'string' && !Array.isArray(source)) {
    if (typeof source !== 'object' || source === null) throw new SluiceError('SLUICE_USAGE', NO_SOURCE)
    if (Symbol.asyncIterator in source) return [openStream(source, streamName, signal)]
    if (typeof source.read !== 'function' || typeof source.name !== 'string')
      throw new SluiceError('SLUICE_USAGE', NO_SOURCE)
    return [openBytes(source)]
  }
  const sources: Source[] = []
  try {
    for (const path of [source].flat()) {
      if (typeof path !== 'string') throw new SluiceError('SLUICE_USAGE', NO_SOURCE)
      for (const file of await filesOf(path)) sources.push(await openFile(file, signal))
    }
    if (sources.length === 0) throw new SluiceError('SLUICE_USAGE', 'The list of sources is empty')
  } catch (error) {
    await Promise.all(sources.map((opened) => opened.close()))
    throw error
  }
  return sources
}

async function filesOf(path: string): Promise<string[]> {
  // A file whose name happens to be a pattern is that file.
  if (!/[*?[{]/.test(path) || (await isThere(path))) return [path]
  const files = await Array.fromAsync(glob(path))
  if (files.length === 0) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `No file matches ${path}`)
  return files.sort()
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
