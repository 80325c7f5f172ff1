import { isJobId } from './checkpoint/job.ts'
import type { LoadOptions } from './options.ts'
import { refuseLongRecords } from './record-memory.ts'
import { parseConstants, parseDialect } from './schema/profile.ts'
import { type JsonReader, jsonReader } from './schema/read-json.ts'

/**
 * Refuses options of a wrong type or out of range: what is a slip must not be a load that means something else, or one that never
 * ends. Keys that are no options are left to the compiler.
 *
 * @returns the same options, with the job's id as databases keep it
 * @throws SluiceError SLUICE_USAGE with the option, what it is and what it must be
 */
export function validOptions<T extends Partial<LoadOptions>>(options: T): T {
  const read = jsonReader('SLUICE_USAGE', 'options')
  read.object('', options)
  for (const name of ['sourceName', 'table', 'rejectTable', 'rejects', 'jobId'] as const)
    read.string(name, options[name])
  for (const name of ['atomic', 'provenance', 'restart', 'force'] as const) read.boolean(name, options[name])
  for (const name of ['batchRows', 'parallel', 'expectedRows', 'maxDecodedBytes', 'maxRecordBytes'] as const)
    read.count(name, options[name], 1)
  read.count('limit', options.limit, 0)
  read.oneOf('onConflict', options.onConflict, ['reject', 'skip', 'update'])
  read.oneOf('dedupe', options.dedupe, ['none', 'key', 'content', 'content:count'])
  read.oneOf('mode', options.mode, ['append', 'replace'])
  read.oneOf('write', options.write, ['copy', 'unnest'])
  read.oneOf('unknownColumns', options.unknownColumns, ['reject', 'ignore', 'metadata'])
  for (const name of ['key', 'skip'] as const) read.strings(name, options[name])
  for (const name of ['map', 'onProgress', 'onNotice'] as const) {
    const value: unknown = options[name]
    if (value !== undefined && typeof value !== 'function') read.wrong(name, value, 'a function')
  }
  if (options.rename !== undefined) {
    for (const [header, column] of read.object('rename', options.rename))
      if (typeof column !== 'string') read.wrong(`rename.${header}`, column, 'a string')
  }
  if (options.set !== undefined) parseConstants(read, options.set)
  if (options.dialect !== undefined) parseDialect(read, options.dialect)
  readDatabase(read, options.to)
  readBudget(read, options.maxErrors)
  readSignal(read, options.signal)
  refuseLongRecords(options.maxRecordBytes)
  if (options.jobId === undefined) return options
  if (!isJobId(options.jobId)) read.wrong('jobId', options.jobId, 'a UUID')
  return { ...options, jobId: options.jobId.toLowerCase() }
}

function readDatabase(read: JsonReader, to: unknown): void {
  if (to === undefined || typeof to === 'string') return
  if (typeof (to as { connect?: unknown } | null)?.connect !== 'function')
    read.wrong('to', to, 'the URL of a database or a pool of pg')
}

function readBudget(read: JsonReader, maxErrors: unknown): void {
  if (maxErrors === undefined) return
  const { rows, percent } = Object.fromEntries(read.object('maxErrors', maxErrors))
  read.count('maxErrors.rows', rows, 0)
  if (percent !== undefined && !(typeof percent === 'number' && percent >= 0 && percent <= 100))
    read.wrong('maxErrors.percent', percent, 'a number from 0 to 100')
  if ((rows === undefined) === (percent === undefined)) read.wrong('maxErrors', maxErrors, '{ rows } or { percent }')
}

function readSignal(read: JsonReader, signal: unknown): void {
  if (signal === undefined) return
  const { aborted, addEventListener } = (signal ?? {}) as Partial<AbortSignal>
  if (typeof aborted !== 'boolean' || typeof addEventListener !== 'function')
    read.wrong('signal', signal, 'an AbortSignal, such as the signal of an AbortController')
}
