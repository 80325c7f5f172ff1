import { momentKey } from './moment.ts'
import type { ProgramColumn } from './program.ts'
import { show } from './read-json.ts'

/** Characters of the list of allowed values that a message shows. */
const SHOWN = 100

/** PostgreSQL's words. */
const TRUE = ['t', 'true', 'y', 'yes', 'on', '1']
const FALSE = ['f', 'false', 'n', 'no', 'off', '0']

type Typed = Pick<ProgramColumn, 'type' | 'formats' | 'decimalChar' | 'groupChar' | 'trueWords' | 'falseWords'>

/**
 * The check of `enum` where one value has several texts: `1` and `1.0` are one number. Cells and allowed values are compared as
 * values of the column's type, and an allowed value may be written as the cells are, or plainly (JSON's numbers, ISO 8601).
 *
 * @returns undefined where the text is the value, so that the kernel compares it
 */
export function allowedValues(values: readonly (string | number | boolean)[], column: Typed): ProgramColumn['test'] {
  const keys = keysOf(column)
  if (!keys) return undefined
  const allowed = new Set(
    values.flatMap(
      (value) => (typeof value === 'string' ? keys.cell(value) : undefined) ?? keys.plain(String(value)) ?? [],
    ),
  )
  const list = values.join(', ')
  const shown = list.length > SHOWN ? `${list.slice(0, SHOWN).toWellFormed()}…` : list
  return (text) => {
    const key = keys.cell(text)
    return key !== undefined && allowed.has(key) ? undefined : `${show(text)} is not one of: ${shown}`
  }
}

/** A text's value in one form; undefined where it has none. */
type Key = (text: string) => string | undefined

function keysOf({
  type,
  formats,
  decimalChar,
  groupChar,
  trueWords,
  falseWords,
}: Typed): Record<'cell' | 'plain', Key> | undefined {
  switch (type.kind) {
    case 'integer':
    case 'numeric':
    case 'float8': {
      const key = type.kind === 'float8' ? doubleKey : decimalKey
      return { plain: key, cell: (text) => key(plainNumber(text.trim(), decimalChar, groupChar)) }
    }
    case 'boolean': {
      const plain = booleanKey(TRUE, FALSE, (text) => text.toLowerCase())
      return { plain, cell: trueWords.length + falseWords.length > 0 ? booleanKey(trueWords, falseWords) : plain }
    }
    case 'date':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return { plain: (text) => momentKey(text.trim(), []), cell: (text) => momentKey(text.trim(), formats) }
    case 'uuid': {
      const key = (text: string) => text.trim().toLowerCase()
      return { plain: key, cell: key }
    }
    default:
      return undefined
  }
}

function booleanKey(trueWords: readonly string[], falseWords: readonly string[], fold = (text: string) => text): Key {
  return (text) => {
    const word = fold(text.trim())
    return trueWords.includes(word) ? 'true' : falseWords.includes(word) ? 'false' : undefined
  }
}

function plainNumber(text: string, decimalChar: string, groupChar: string | null): string {
  const ungrouped = groupChar === null ? text : text.replaceAll(groupChar, '')
  return decimalChar === '.' ? ungrouped : ungrouped.replace(decimalChar, '.')
}

function doubleKey(text: string): string | undefined {
  const word = wordKey(text)
  return word ?? (decimalKey(text) === undefined ? undefined : String(Number(text) + 0))
}

/** Sign, digits without zeros at either end, and the power of ten of the first one: exact, and in time linear in the text. */
function decimalKey(text: string): string | undefined {
  const [, sign, before = '', after = '', down, power = ''] =
    /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE](?:\+|(-))?0*(\d*))?$/.exec(text.trim()) ?? []
  const digits = before + after
  if (sign === undefined || digits === '') return wordKey(text)
  const first = digits.search(/[1-9]/)
  if (first === -1) return '0'
  let end = digits.length
  while (digits[end - 1] === '0') end--
  const exponent = Number(`${down ?? ''}${power || 0}`) + before.length - first
  return `${sign === '-' ? '-' : ''}${digits.slice(first, end)}e${exponent}`
}

function wordKey(text: string): string | undefined {
  const [, sign, word] = /^([+-]?)(nan|inf)(?:inity)?$/i.exec(text.trim()) ?? []
  return word && `${sign === '-' ? '-' : ''}${word.toLowerCase()}`
}
