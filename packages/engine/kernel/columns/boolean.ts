// Booleans: PostgreSQL's words without regard to case, or exactly the words of the schema.
import { inWords } from '../bytes'
import { Cell, trimBlanks } from '../cell'
import { AT_FALSE_WORDS, AT_TRUE_WORDS } from '../program'
import { NOT_BOOLEAN, SOUND } from '../reasons'

/** PostgreSQL's words in any case: 0 or 1; -1 for anything else. At most 5 bytes. */
// @ts-ignore: decorator
@inline
export function usualBoolean(s: usize, n: u32): i32 {
  if (n == 1) {
    const c = load<u8>(s)
    const letter = c | 32
    if (c == 49 || letter == 116 || letter == 121) return 1
    return c == 48 || letter == 102 || letter == 110 ? 0 : -1
  }
  if (n - 1 > 4) return -1
  const word = (load<u64>(s) | 0x2020202020202020) & ((<u64>1 << (n * 8)) - 1)
  if (word == 0x65757274 || word == 0x736579 || word == 0x6e6f) return 1
  return word == 0x65736c6166 || word == 0x6f6e || word == 0x66666f ? 0 : -1
}

/** boolean → Cell.int, 0 or 1 */
export function checkBoolean(column: usize): u32 {
  trimBlanks()
  const s = Cell.start
  const n = <u32>(Cell.end - s)
  const trueWords = load<u32>(column, AT_TRUE_WORDS)
  const falseWords = load<u32>(column, AT_FALSE_WORDS)
  if (trueWords | falseWords) {
    if (trueWords && inWords(trueWords, s, n)) Cell.int = 1
    else if (falseWords && inWords(falseWords, s, n)) Cell.int = 0
    else return NOT_BOOLEAN
    return SOUND
  }
  const value = usualBoolean(s, n)
  if (value < 0) return NOT_BOOLEAN
  Cell.int = value
  return SOUND
}
