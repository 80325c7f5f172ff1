/** What the first bytes say about the encoding. */
export interface SniffedEncoding {
  /** `utf-8`, `utf-16le` or `utf-16be`. */
  name: string
  /** A byte order mark says so. */
  marked: boolean
  /** Offset of the first byte that cannot be UTF-8, where `name` is that. */
  oddByte?: number
}

/** Enough to see a pattern. */
const LOOKED_AT = 64 * 1024
/**
 * Share of characters with a NUL in one place, and hardly any in the other, from which on it is UTF-16. Delimiters, digits and line
 * ends have it in any script; but in a sample that would be UTF-8, if with NULs, it takes more.
 */
const SHARE = { odd: 0.05, possible: 0.3 }

/**
 * Tells UTF-16 by its byte order mark, or by NULs in every other place, from UTF-8. Other encodings look alike, so they are not guessed.
 * @param complete whether the sample is all of the source
 */
export function sniffEncoding(sample: Uint8Array, complete: boolean): SniffedEncoding {
  const mark = Buffer.from(sample.subarray(0, 3)).toString('hex')
  if (mark.startsWith('fffe')) return { name: 'utf-16le', marked: true }
  if (mark.startsWith('feff')) return { name: 'utf-16be', marked: true }
  const units = Math.min(sample.length, LOOKED_AT) >> 1
  const nuls = [0, 0]
  for (let at = sample.indexOf(0); at >= 0 && at < 2 * units; at = sample.indexOf(0, at + 1)) nuls[at % 2]!++
  const [even, odd] = nuls as [number, number]
  const oddByte = notUtf8(sample, complete)
  const share = oddByte === undefined ? SHARE.possible : SHARE.odd
  const many = (one: number, other: number) => one > 1 && one >= share * units && other <= one / 50
  if (many(odd, even)) return { name: 'utf-16le', marked: false }
  if (many(even, odd)) return { name: 'utf-16be', marked: false }
  return { name: 'utf-8', marked: mark === 'efbbbf', ...(oddByte !== undefined && { oddByte }) }
}

/** Where the first sequence begins that is not UTF-8. */
function notUtf8(sample: Uint8Array, complete: boolean): number | undefined {
  const fits = (end: number, whole: boolean, start = 0) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(sample.subarray(start, end), { stream: !whole })
      return true
    } catch {
      return false
    }
  }
  if (fits(sample.length, complete)) return undefined
  let [sound, odd] = [0, sample.length]
  while (odd - sound > 1) {
    const middle = (sound + odd) >> 1
    if (fits(middle, false)) sound = middle
    else odd = middle
  }
  // What is sound may end with the beginning of a character.
  return (
    [1, 2, 3].map((back) => sound - back).find((lead) => sample[lead]! >= 0xc0 && !fits(sound, true, lead)) ?? sound
  )
}
