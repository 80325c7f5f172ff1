/** First bytes, in hex, of what is often taken for a table of text, and what to do with it. */
const FORMATS: readonly [magic: RegExp, what: string, advice: string][] = [
  [/^504b(?:0304|0506)/, 'a ZIP archive, as .xlsx and .ods are', 'unpack it, or save the sheet as CSV'],
  [/^d0cf11e0a1b11ae1/, 'a file of Microsoft Office, such as .xls', 'save the sheet as CSV'],
  [/^255044462d/, 'a PDF', 'export its table as CSV'],
  [/^5041523115/, 'a Parquet file', 'export it as CSV or NDJSON'],
  [/^53514c69746520666f726d6174203300/, 'an SQLite database', 'export its table as CSV'],
  [/^425a683[1-9]314159265359/, 'compressed by bzip2', 'decompress it (bzip2 -dc), or compress it by gzip or zstd'],
  [/^fd377a585a00/, 'compressed by xz', 'decompress it (xz -dc), or compress it by gzip or zstd'],
  [/^377abcaf271c/, 'a 7z archive', 'unpack it'],
]
const MOST_BYTES = 16

/** What a source is that holds no text, by its first bytes, and what to do with it; undefined: nothing that is known here. */
export function otherFormat(first: Uint8Array): { what: string; advice: string } | undefined {
  const hex = Buffer.from(first.subarray(0, MOST_BYTES)).toString('hex')
  const [, what, advice] = FORMATS.find(([magic]) => magic.test(hex)) ?? []
  return what === undefined || advice === undefined ? undefined : { what, advice }
}
