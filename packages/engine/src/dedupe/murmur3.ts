/** MurmurHash3_x86_32 of the first `length` bytes, by Austin Appleby (https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp), as an unsigned number. */
export function murmur3(bytes: Uint8Array, length: number, seed: number): number {
  let hash = seed
  const tail = length & ~3
  for (let at = 0; at < tail; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    hash ^= scramble(word)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let rest = 0
  for (let at = length - 1; at >= tail; at--) rest = (rest << 8) | bytes[at]!
  hash ^= scramble(rest) ^ length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

function scramble(word: number): number {
  const product = Math.imul(word, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}
