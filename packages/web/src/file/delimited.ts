export interface Cell {
  text: string
  quoted: boolean
}

export interface Delimited {
  records: Cell[][]
  /** Where the record behind the last whole one begins. */
  end: number
}

/**
 * Reads delimited text as docs/reference/csv.md has it, for looking at: what is broken is shown as well as it can be, and what is right is
 * judged by the server.
 * @param final whether the text ends where its source does
 */
export function readDelimited(
  text: string,
  { delimiter, quote = '"', limit = Number.POSITIVE_INFINITY }: { delimiter: string; quote?: string; limit?: number },
  final: boolean,
): Delimited {
  const records: Cell[][] = []
  let cells: Cell[] = []
  let at = 0
  let end = 0
  while (at < text.length && records.length < limit) {
    const cell = readCell(text, at, delimiter, quote)
    if (cell === undefined && !final) break
    const { text: value, quoted, next } = cell ?? { text: text.slice(at), quoted: false, next: text.length }
    cells.push({ text: value, quoted })
    at = next
    if (at < text.length && text.startsWith(delimiter, at)) {
      at += delimiter.length
      // A delimiter at the very end stands before an empty cell.
      if (at === text.length && final) cells.push({ text: '', quoted: false })
      continue
    }
    if (at >= text.length && !final) break
    at += text.startsWith('\r\n', at) ? 2 : 1
    if (cells.length > 1 || cells[0]!.text !== '' || cells[0]!.quoted) records.push(cells)
    cells = []
    end = Math.min(at, text.length)
  }
  if (final && cells.length > 0 && records.length < limit) records.push(cells)
  return { records, end: final ? Math.max(end, Math.min(at, text.length)) : end }
}

/** Undefined: the quote that opens the cell is not closed. */
function readCell(text: string, from: number, delimiter: string, quote: string) {
  if (quote !== '' && text[from] === quote) {
    let value = ''
    for (let at = from + 1; ; ) {
      const close = text.indexOf(quote, at)
      if (close < 0) return undefined
      value += text.slice(at, close)
      if (text[close + 1] !== quote) {
        const next = endOfPlain(text, close + 1, delimiter)
        return { text: value + text.slice(close + 1, next), quoted: true, next }
      }
      value += quote
      at = close + 2
    }
  }
  const next = endOfPlain(text, from, delimiter)
  return { text: text.slice(from, next), quoted: false, next }
}

function endOfPlain(text: string, from: number, delimiter: string): number {
  let at = from
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r' && !text.startsWith(delimiter, at)) at++
  return at
}

/** A line of CSV of these cells; what was quoted stays so, because that tells an empty text from none. */
export function writeLine(cells: readonly Cell[]): string {
  return `${cells.map(({ text, quoted }) => (quoted || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)).join(',')}\n`
}
