import { codeOf, describeError, type Reason } from '../reject/messages.ts'
import type { RejectError } from '../reject/reject.ts'

/** Why a record could not be taken apart. */
export type Fault = Extract<Reason, 'quote' | 'unclosed-quote' | 'record-too-large'>

/** What a record of the source should be like. */
export interface SoundRecord {
  sourceColumns: string[]
  maxRecordBytes: number
}

export function isFault(reason: Reason): reason is Fault {
  return reason === 'quote' || reason === 'unclosed-quote' || reason === 'record-too-large'
}

/** The only error of a record with a fault in its field `cell`, counted from 0. */
export function faultError(reason: Fault, cell: number, { sourceColumns, maxRecordBytes }: SoundRecord): RejectError {
  return {
    column: reason === 'record-too-large' ? null : (sourceColumns[cell] ?? null),
    code: codeOf(reason),
    message: describeError(reason, null, null, { limit: maxRecordBytes }),
    value: null,
  }
}
