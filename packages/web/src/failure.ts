import type { Status } from './api.ts'
import { texts } from './texts.ts'

const { preview, columns, target, result } = texts

/** The fields of the page by the flags that messages of the engine name instead. */
const FIELDS: Record<string, string> = {
  '--delimiter': preview.delimiter,
  '--encoding': preview.encoding,
  '--map': columns.target,
  '--skip': columns.take,
  '--key': target.key,
  '--on-conflict': target.duplicates,
  '--dedupe': target.dedupe,
  '--atomic': target.atomic,
  '--max-errors': target.maxErrors,
}

/** What the engine says, for one who has fields instead of flags. */
export function inWordsOfPage(message: string): string {
  return message.replaceAll(/--[a-z][a-z-]*/g, (flag) => (Object.hasOwn(FIELDS, flag) ? `“${FIELDS[flag]}”` : flag))
}

/** Why an import stopped, and what can be done about it here. */
export function failureOf({ error = '', rowsFailed, rowsProcessed }: Status): { why: string; hint: string } {
  // A status has no code of its error. This message speaks of a command that could be given again, and here there is none.
  return error.includes('--max-errors')
    ? { why: result.tooMany(rowsFailed, rowsProcessed), hint: result.tooManyHint }
    : { why: inWordsOfPage(error), hint: result.failedHint }
}
