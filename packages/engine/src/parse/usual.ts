import type { ProgramColumn, Transform } from '../schema/program.ts'

/** The usual ways, as kernel/program.ts numbers them. */
export const USUAL = {
  text: 1,
  trimmedText: 2,
  integer: 3,
  numeric: 4,
  boolean: 5,
  date: 6,
  uuid: 7,
  email: 8,
  lowercaseEmail: 9,
  trimmedEmail: 10,
  trimmedLowercaseEmail: 11,
} as const
/** The transforms after which a usual cell is what it was; of an address, also `lowercase`. */
const HARMLESS: Transform[] = ['trim', 'nullIfEmpty']

/** The usual way for the cells of a column; 0: it has none, because more is asked than those check. */
export function usualWay({ from, type, storage, transforms, ...column }: ProgramColumn): number {
  if (!('cell' in from) || column.enum || column.test || (column.minLength ?? 0) > 0) return 0
  const text = /^(pg|sqlite)-text$/.test(storage)
  const harmless = transforms.every((transform) => HARMLESS.includes(transform))
  if ((type.kind === 'text' || type.kind === 'other') && text && harmless) {
    return transforms.includes('trim') ? USUAL.trimmedText : USUAL.text
  }
  if (type.kind === 'email' && text) {
    const lowercase = transforms.includes('lowercase')
    const others = transforms.filter((transform) => transform !== 'lowercase' && !HARMLESS.includes(transform))
    if (others.length > 0) return 0
    if (transforms.includes('trim')) return lowercase ? USUAL.trimmedLowercaseEmail : USUAL.trimmedEmail
    return lowercase ? USUAL.lowercaseEmail : USUAL.email
  }
  if (!harmless || column.maxLength !== undefined || column.groupChar !== null) return 0
  if (type.kind === 'integer') return /^(pg-int[248]|sqlite-integer)$/.test(storage) ? USUAL.integer : 0
  if (column.minimum !== undefined || column.maximum !== undefined) return 0
  switch (type.kind) {
    case 'numeric':
      return /^(pg-numeric|sqlite-number)$/.test(storage) && column.decimalChar === '.' ? USUAL.numeric : 0
    case 'boolean': {
      const ownWords = column.trueWords.length + column.falseWords.length > 0
      return /^(pg-bool|sqlite-integer)$/.test(storage) && !ownWords ? USUAL.boolean : 0
    }
    case 'date':
      return /^(pg-date|sqlite-text)$/.test(storage) ? USUAL.date : 0
    case 'uuid':
      return /^(pg-uuid|sqlite-text)$/.test(storage) ? USUAL.uuid : 0
    default:
      return 0
  }
}

/** Orders of year, month and day that the kernel reads by their places in ten bytes. */
const DATE_ORDERS: [order: number, pattern: RegExp][] = [
  [1, /^%Y([^%\d])%m\1%d$/],
  [2, /^%m([^%\d])%d\1%Y$/],
  [3, /^%d([^%\d])%m\1%Y$/],
]
const MOST_DATE_SHAPES = 4

/** Order and separator of each of the patterns up to the first that has none: those must be tried in their order. */
export function dateShapes(formats: string[]): [order: number, separator: number][] {
  if (formats.length === 0) return dateShapes(['%Y-%m-%d'])
  const shapes: [number, number][] = []
  for (const format of formats.slice(0, MOST_DATE_SHAPES)) {
    const [order, pattern] = DATE_ORDERS.find(([, candidate]) => candidate.test(format)) ?? []
    const separator = pattern?.exec(format)?.[1]?.charCodeAt(0)
    if (order === undefined || separator === undefined || separator > 127) break
    shapes.push([order, separator])
  }
  return shapes
}
