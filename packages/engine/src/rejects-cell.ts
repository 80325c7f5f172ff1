/** A character of UTF-8 (RFC 3629, section 4), or a byte that is none; of text with one character a byte. */
const UTF8 =
  /[\0-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|([\x80-\xff])/g

/**
 * What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection"), the full-width forms of Japanese input among
 * them; also behind what some of them pass over: blanks, quotes, NO-BREAK SPACE, a byte order mark. One character a byte.
 */
const FORMULA = /^(?:[\t\r\n]|(?:[\0-\x20"']|\xc2\xa0|\xef\xbb\xbf)*(?:[=+\-@]|\xef\xbc[\x8b\x8d\x9d\xa0]))/

/** Whether a spreadsheet may take a cell for a formula. */
export function isFormula(cell: string): boolean {
  return FORMULA.test(cell)
}

/** The cell with an apostrophe in front where a spreadsheet may take it for a formula. */
export function guard(cell: string): string {
  return isFormula(cell) ? `'${cell}` : cell
}

/** A column's name in `sluice_guarded` and `sluice_escaped`, whose names are separated by spaces and begin no formula. */
export function guardedName(name: string): string {
  const hex = (part: string) => [...Buffer.from(part)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
  // A lone % is no other name; nothing at all would be the name that an empty list seems to have.
  if (name === '') return '%'
  return name.replace(/[%\s\p{Cc}]|^["'=+\-@＝＋－＠]/gu, hex)
}

/** Text with every byte that is not UTF-8 as `\xHH`, and then every backslash doubled; text that is UTF-8 stays as it is. */
export function escapeBytes(text: string): string {
  let isUtf8 = true
  const escaped = text.replace(UTF8, (character, byte: string | undefined) => {
    if (byte === undefined) return character === '\\' ? '\\\\' : character
    isUtf8 = false
    return `\\x${byte.charCodeAt(0).toString(16)}`
  })
  return isUtf8 ? text : escaped
}

/** Undoes {@link escapeBytes} in a cell that was escaped. */
export function unescapeBytes(text: string): string {
  return text.replace(/\\(?:\\|x([\da-f]{2}))/gi, (_, hex: string | undefined) =>
    hex === undefined ? '\\' : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

/** One character a byte of the text's UTF-8. */
export function latin(text: string): string {
  return Buffer.from(text).toString('latin1')
}
