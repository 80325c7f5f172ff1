import { glob, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type ByteSource, type LoadOptions, SluiceError } from '@sluice/engine'
import type { Config } from '../config.ts'
import { usageError } from './failure.ts'
import { readStandardInput } from './standard-input.ts'

type Source = Pick<LoadOptions, 'source' | 'sourceName'>

/**
 * What the words of the command line stand for: files, patterns that the shell did not expand, `-` for standard
 * input, or `s3://bucket/key`. A file whose name happens to be a pattern is that file.
 * @param signal Ends standard input and objects, where a read may otherwise wait for ever.
 * @throws SluiceError SLUICE_SOURCE_NOT_FOUND, SLUICE_STORAGE, or SLUICE_USAGE for what is no source.
 */
export async function openSources(words: string[], config: Config, signal: AbortSignal): Promise<Source> {
  if (words.includes('-')) {
    if (words.length > 1) throw usageError('- (standard input) cannot be loaded together with files')
    return { source: readStandardInput(signal), sourceName: 'stdin' }
  }
  if (words.some((word) => /^s3:/i.test(word))) {
    if (words.length > 1)
      throw usageError('An object of S3 is loaded by itself; give one s3://bucket/key and nothing else')
    return { source: await openObject(words[0]!, config, signal) }
  }
  const files: string[] = []
  for (const word of words) files.push(...(await expand(word)))
  const twice = files.find((file, index) => files.findIndex((other) => resolve(other) === resolve(file)) !== index)
  if (twice !== undefined) throw usageError(`${twice} is named twice, so its rows would be loaded twice`)
  return { source: files.length === 1 ? files[0]! : files }
}

async function openObject(url: string, { s3 }: Config, signal: AbortSignal): Promise<ByteSource> {
  const [, bucket, key] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/(.+)$/is.exec(url) ?? []
  if (bucket === undefined || key === undefined) throw usageError(`"${url}" names no object; write s3://bucket/key`)
  const { openBucket } = await import('../compose.ts')
  const storage = await openBucket(bucket, s3)
  const object = await storage.stat(key)
  if (!object) throw new SluiceError('SLUICE_SOURCE_NOT_FOUND', `There is no object ${url}, or no such bucket`)
  const { bytes: size, version } = object
  return { name: url, size, fingerprint: { size, version }, read: (fromByte) => storage.read(key, fromByte, signal) }
}

async function expand(word: string): Promise<string[]> {
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(word)?.[1]
  if (scheme !== undefined) {
    throw usageError(
      `"${scheme}://" cannot be read; a source is a file, a pattern, s3://bucket/key, or - for standard input`,
    )
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
