import { SluiceError } from '../../errors.ts'

/** Before the first tuple: signature, flags, length of the header's extension. */
export const BINARY_HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1')
/** In place of a tuple's number of fields. */
export const BINARY_TRAILER = Uint8Array.of(0xff, 0xff)

const NEWLINE = 0x0a
const TAB = 0x09
const BACKSLASH = 0x5c

/**
 * Where each row begins in a batch's output, and behind them where the last one ends.
 * Tuples of binary COPY are a count of fields, then each field with its length, -1 for NULL; lines of text COPY end at a
 * newline without a backslash before it (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9).
 *
 * @throws SluiceError SLUICE_INTERNAL when the output does not hold `rows` rows
 */
export function rowOffsets(output: Uint8Array, rows: number, encoding: 'pg-binary' | 'pg-text'): Uint32Array {
  const offsets = new Uint32Array(rows + 1)
  const next = encoding === 'pg-binary' ? tupleEnd(output) : (from: number) => lineEnd(output, from)
  let at = 0
  for (let row = 0; row < rows; row++) {
    offsets[row] = at
    at = next(at)
  }
  offsets[rows] = at
  if (at !== output.length) {
    throw new SluiceError('SLUICE_INTERNAL', `${rows} encoded rows end at byte ${at} of ${output.length}`)
  }
  return offsets
}

function tupleEnd(output: Uint8Array): (from: number) => number {
  const view = new DataView(output.buffer, output.byteOffset, output.byteLength)
  return (from) => {
    let at = from + 2
    for (let field = view.getInt16(from); field > 0; field--) at += 4 + Math.max(0, view.getInt32(at))
    return at
  }
}

function lineEnd(output: Uint8Array, from: number): number {
  for (let at = output.indexOf(NEWLINE, from); at !== -1; at = output.indexOf(NEWLINE, at + 1)) {
    let first = at
    while (first > from && output[first - 1] === BACKSLASH) first--
    if ((at - first) % 2 === 0) return at + 1
  }
  return output.length
}

const NAMED: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

/** Lines of text COPY as one list of values a column. */
export function textColumns(lines: Uint8Array, columns: number): (string | null)[][] {
  const lists: (string | null)[][] = Array.from({ length: columns }, () => [])
  let column = 0
  let start = 0
  let escaped = false
  for (let at = 0; at < lines.length; at++) {
    const byte = lines[at]
    if (byte === BACKSLASH) {
      escaped = true
      at++
    } else if (byte === TAB || byte === NEWLINE) {
      const text = Buffer.from(lines.buffer, lines.byteOffset + start, at - start).toString()
      lists[column]!.push(text === '\\N' ? null : escaped ? unescaped(text) : text)
      column = byte === TAB ? column + 1 : 0
      start = at + 1
      escaped = false
    }
  }
  return lists
}

/** The kernel escapes single characters, never by octal or hexadecimal codes. */
function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (_all, code: string) => NAMED[code] ?? code)
}
