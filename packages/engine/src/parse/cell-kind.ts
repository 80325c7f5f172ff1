/** What a cell looks like, to tell dialects and headers apart. Far looser than the types: nothing is converted by it. */
export type CellKind = 'empty' | 'number' | 'time' | 'word' | 'id' | 'text' | 'odd'

const NUMBER = /^[+-]?[€$£]? ?(?:\d+|\d{1,3}(?:[ ,.'\u00a0\u202f]\d{3})+)?(?:[.,]?\d+)?(?:[eE][+-]?\d{1,3})? ?[%€$£]?$/
const TIME =
  /^(?:\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[T ]\d{1,2}:\d\d\S*(?: ?[AaPp][Mm])?)?|\d{1,2}:\d\d(?::\d\d(?:\.\d+)?)?)$/
const WORD = /^(?:true|false|yes|no|null|n\/a)$/i
const ID = /^(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[^\s@,;|]+@[^\s@,;|]+\.[^\s@,;|]+|https?:\/\/\S+)$/i
/** Text as people write it: a delimiter in the midst of it makes it odd, but for a comma before a space. */
const TEXT = /^(?:[^,;|\t"]|,(?= ))*$/

/** Longer cells are text, and no expression needs to see them. */
const LONGEST = 200

export function cellKind(text: string): CellKind {
  const value = text.slice(0, LONGEST).trim()
  if (value === '') return 'empty'
  if (/\d/.test(value) && NUMBER.test(value)) return 'number'
  if (TIME.test(value)) return 'time'
  if (WORD.test(value)) return 'word'
  if (ID.test(value)) return 'id'
  return TEXT.test(value) ? 'text' : 'odd'
}
