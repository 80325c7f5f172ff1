import { isUint8Array } from 'node:util/types'
import { SluiceError } from '../errors.ts'

/**
 * What a caller's stream gave, as bytes; text is UTF-8.
 * @param name of the source, for the message
 * @throws SluiceError SLUICE_SOURCE_READ for anything else: to pass over it would be to lose records in silence
 */
export function bytesOf(chunk: unknown, name: string): Uint8Array {
  // Not by instanceof: test runners give modules a global object of their own.
  if (isUint8Array(chunk)) return chunk
  if (typeof chunk === 'string') return Buffer.from(chunk)
  const what = Object.prototype.toString.call(chunk).slice(8, -1)
  throw new SluiceError('SLUICE_SOURCE_READ', `Reading ${name} failed: it gave ${what}, where a Uint8Array has to be`)
}

/** The error of a source that could not be read on. What says by itself what is wrong, such as decompression, stays as it is. */
export function readError(cause: unknown, name: string): SluiceError {
  if (cause instanceof SluiceError) return cause
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new SluiceError('SLUICE_SOURCE_READ', `Reading ${name} failed: ${reason}`, { cause })
}
