import { codeOf, describeError, type Reason } from '../reject/messages.ts'
import type { RejectError } from '../reject/reject.ts'

/** Why a record could not be taken apart. */
export type Fault = Extract<
  Reason,
  'quote' | 'unclosed-quote' | 'record-too-large' | 'json-syntax' | 'json-record' | 'json-key' | 'json-depth'
>

/** What a record of the source should be like. */
export interface SoundRecord {
  sourceColumns: string[]
  maxRecordBytes: number
}

export function isFault(reason: Reason): reason is Fault {
  return codeOf(reason) === 'quote-error' || codeOf(reason) === 'record-too-large' || codeOf(reason) === 'json-error'
}

/**
 * The only error of a record with a fault in its field `cell`, counted from 0.
 * @param text what stands where it is broken
 */
export function faultError(
  reason: Fault,
  cell: number,
  { sourceColumns, maxRecordBytes }: SoundRecord,
  text: string | null = null,
): RejectError {
  return {
    column: reason === 'record-too-large' ? null : (sourceColumns[cell] ?? null),
    code: codeOf(reason),
    message: describeError(reason, null, text, { limit: maxRecordBytes }),
    value: null,
  }
}
