/** Extensions of compression, which stand after that of the format. */
const COMPRESSED = /(?<=.)\.(gz|gzip|zst|zstd)$/i

/**
 * The table that a file is loaded into by default: its name without its extensions (the format's, and that of a
 * compression), every character that is not a letter, digit or `_` as `_`: `in/people 2024.csv.gz` → `people_2024`.
 *
 * @param path of a file, or the key of an object; `/` and `\` separate folders
 */
export function tableNameFor(path: string): string {
  const file = path.replace(/^.*[/\\]/s, '')
  const stem = file.replace(COMPRESSED, '').replace(/(?<=.)\.[^.]*$/s, '')
  return stem.replace(/[^\p{L}\p{M}\p{N}_]/gu, '_') || '_'
}
