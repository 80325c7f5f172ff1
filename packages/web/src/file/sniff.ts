import { readDelimited } from './delimited.ts'

export type Format = 'delimited' | 'json' | 'ndjson'

const DELIMITERS = [',', ';', '\t', '|']
/** Records that are compared. */
const LOOK_AT = 60
/** Records that are shown and judged. */
export const MOST_RECORDS = 1_000

export function formatOf(text: string): Format {
  const head = text.slice(0, 4096).trimStart()
  if (/^\[\s*[{[\]]/.test(head)) return 'json'
  if (!/^\{\s*["}]/.test(head)) return 'delimited'
  try {
    JSON.parse(head.split('\n', 1)[0]!)
    return 'ndjson'
  } catch {
    return /^\{[^\n]*\}\s*$/m.test(head) ? 'ndjson' : 'json'
  }
}

/** The delimiter that cuts most records into the same number of cells, and into more than one. */
export function delimiterOf(text: string): string {
  let [best, top] = [',', 0]
  for (const delimiter of DELIMITERS) {
    const { records } = readDelimited(text, { delimiter, limit: LOOK_AT }, true)
    const widths = new Map<number, number>()
    for (const { length } of records) widths.set(length, (widths.get(length) ?? 0) + 1)
    const [width = 1, times = 0] = [...widths].sort((a, b) => b[1] - a[1])[0] ?? []
    const score = width < 2 ? 0 : (times / records.length) * Math.log2(width + 1)
    if (score > top) [best, top] = [delimiter, score]
  }
  return best
}

/** Names are no numbers and no dates, and each stands once. */
export function hasHeader([first = [], ...below]: string[][]): boolean {
  if (below.length === 0) return true
  if (first.some((cell) => /^[-+]?\d[\d.,:/-]*$/.test(cell.trim()))) return false
  const filled = first.filter((cell) => cell !== '')
  return new Set(filled).size === filled.length
}

/** The records of JSON, each as the texts of its members in the order of `keys`. */
export function readObjects(
  text: string,
  format: 'json' | 'ndjson',
): { keys: string[]; rows: string[][]; lines: string } {
  const objects: Record<string, unknown>[] = []
  for (const piece of format === 'ndjson' ? text.split('\n') : elementsOf(text)) {
    if (objects.length === MOST_RECORDS) break
    try {
      const value: unknown = JSON.parse(piece)
      if (value !== null && typeof value === 'object' && !Array.isArray(value))
        objects.push(value as Record<string, unknown>)
    } catch {
      // Broken, or cut off where the sample ends: the server tells.
    }
  }
  const keys = [...new Set(objects.flatMap((one) => Object.keys(one)))]
  const show = (value: unknown): string =>
    value === undefined || value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  const rows = objects.map((one) => keys.map((key) => show(Object.hasOwn(one, key) ? one[key] : undefined)))
  return { keys, rows, lines: objects.map((one) => `${JSON.stringify(one)}\n`).join('') }
}

/** The texts of the objects in the first array of a document. */
function* elementsOf(text: string): Generator<string> {
  let depth = 0
  let start = -1
  let inText = false
  for (let at = text.indexOf('['); at >= 0 && at < text.length; at++) {
    const sign = text[at]
    if (inText) {
      if (sign === '\\') at++
      else if (sign === '"') inText = false
    } else if (sign === '"') inText = true
    else if (sign === '{' && depth++ === 0) start = at
    else if (sign === '}' && --depth === 0) yield text.slice(start, at + 1)
  }
}
