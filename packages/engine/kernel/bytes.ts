// Small things over linear memory that every room uses. Buffers are padded, so that reading and writing up to 15 bytes
// past a value is always allowed: that is what makes copying by 16 possible without a tail.

/** Bits of the bytes of `v` that equal those of `c`. */
// @ts-ignore: decorator
@inline
export function matches(v: v128, c: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(v, c))
}

/** Copies `n` bytes; writes up to 15 bytes more. The areas must not overlap. */
// @ts-ignore: decorator
@inline
export function copy(to: usize, from: usize, n: usize): void {
  const end = from + n
  while (from < end) {
    v128.store(to, v128.load(from))
    from += 16
    to += 16
  }
}

/** Whether `n` bytes at `a` and `b` are the same. */
export function equal(a: usize, b: usize, n: usize): bool {
  const end = a + n
  while (a < end) {
    if (load<u8>(a) != load<u8>(b)) return false
    a++
    b++
  }
  return true
}

/** Offset of the first byte `c` in [from, to), or `to`. */
export function find(from: usize, to: usize, c: u8): usize {
  const wanted = i8x16.splat(<i8>c)
  while (from < to) {
    const found = matches(v128.load(from), wanted)
    if (found) {
      const at = from + <usize>ctz(found)
      return at < to ? at : to
    }
    from += 16
  }
  return to
}

/** Line ends of the byte `c` in [from, to). */
export function count(from: usize, to: usize, c: u8): u32 {
  const wanted = i8x16.splat(<i8>c)
  let n: u32 = 0
  while (from < to) {
    let found = matches(v128.load(from), wanted)
    if (to - from < 16) found &= (1 << <u32>(to - from)) - 1
    n += popcnt(found)
    from += 16
  }
  return n
}

// @ts-ignore: decorator
@inline
export function isDigit(c: u32): bool {
  return c - 48 < 10
}

/** Big-endian stores, as PostgreSQL and SQLite write integers. */
// @ts-ignore: decorator
@inline
export function put16(to: usize, v: u32): void {
  store<u16>(to, bswap<u16>(<u16>v))
}
// @ts-ignore: decorator
@inline
export function put32(to: usize, v: u32): void {
  store<u32>(to, bswap<u32>(v))
}
// @ts-ignore: decorator
@inline
export function put64(to: usize, v: u64): void {
  store<u64>(to, bswap<u64>(v))
}

/** The value `word` in a list of words (see program.ts). */
export function inWords(list: usize, s: usize, n: u32): bool {
  let left = load<u32>(list)
  let at = list + 4
  while (left--) {
    const length = load<u32>(at)
    if (length == n && equal(at + 4, s, n)) return true
    at += 4 + length
  }
  return false
}
