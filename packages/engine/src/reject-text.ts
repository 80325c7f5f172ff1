import { charsetOf, decodeWhole } from './decode/encodings.ts'
import type { Dialect } from './parse/dialect.ts'
import type { Reject } from './reject/reject.ts'
import type { Settings } from './settings.ts'

/** A rejected record as UTF-8, in which its source need not be written; bytes that mean nothing there are no UTF-8 here. */
export function decodedRaw({ raw }: Pick<Reject, 'raw'>, { encoding }: Pick<Dialect, 'encoding'>): Uint8Array {
  return decodeWhole(raw, charsetOf(encoding))
}

/**
 * The text of a rejected record, decoded from the encoding of its job's source; null where its bytes are no text in that.
 * @param job of the reject; null where nothing of its source was read
 */
export function rejectText(job: { settings: unknown } | null, reject: Pick<Reject, 'raw'>): string | null {
  const settings = job?.settings as Partial<Settings> | undefined
  const text = decodedRaw(reject, { encoding: settings?.dialect?.encoding ?? 'utf-8' })
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text)
  } catch {
    return null
  }
}
