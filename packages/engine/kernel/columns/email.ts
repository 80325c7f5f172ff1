// E-mail addresses: the HTML standard's grammar, with a domain of two or more labels and with letters beyond ASCII.
import { find, matches } from '../bytes'
import { Cell } from '../cell'
import { NOT_EMAIL, SOUND } from '../reasons'

/** What a byte may be part of: bit 0 the local part, bit 1 a label. */
const CLASS: usize = memory.data(256)
const LOCAL: u8 = 1
const LABEL: u8 = 2

export function initEmail(): void {
  memory.fill(CLASS, LOCAL | LABEL, 256)
  memory.fill(CLASS, 0, 128)
  for (let c = 48; c < 58; c++) store<u8>(CLASS + c, LOCAL | LABEL)
  for (let c = 65; c < 91; c++) store<u8>(CLASS + c, LOCAL | LABEL)
  for (let c = 97; c < 123; c++) store<u8>(CLASS + c, LOCAL | LABEL)
  store<u8>(CLASS + 45, LOCAL | LABEL)
  // . ! # $ % & ' * + / = ? ^ _ ` { | } ~
  const others = memory.data<u8>([46, 33, 35, 36, 37, 38, 39, 42, 43, 47, 61, 63, 94, 95, 96, 123, 124, 125, 126])
  for (let i = 0; i < 19; i++) store<u8>(CLASS + load<u8>(others + i), LOCAL)
  initBits(LOCAL_BITS, LOCAL)
  initBits(LABEL_BITS, LABEL)
}

export function checkEmail(): u32 {
  return Cell.end - Cell.start <= 64 ? checkShort(Cell.start, Cell.end) : checkLong(Cell.start, Cell.end)
}

/** Writes the address in ASCII of at most 64 bytes to `to`, in lower case where `lowercase` is 32 and not 0; false: it is none such. */
// @ts-ignore: decorator
@inline
export function usualEmail(to: usize, s: usize, n: usize, lowercase: u32): bool {
  return n <= 32 ? usualShort(to, s, n, lowercase) : n <= 64 && usualMedium(to, s, n, lowercase)
}

/**
 * Up to 32 bytes, as most addresses are: both blocks in one go, as checkShort looks at them. Where the number of blocks is open the
 * branch for it is guessed wrong so often that it takes three times as long.
 */
function usualShort(to: usize, s: usize, n: usize, lowercase: u32): bool {
  const a = v128.load(s)
  const b = v128.load(s, 16)
  const all: u32 = n == 32 ? ~(<u32>0) : (1 << <u32>n) - 1
  const beyondAscii = <u32>i8x16.bitmask(a) | (<u32>i8x16.bitmask(b) << 16)
  v128.store(to, lower(a, lowercase))
  v128.store(to, lower(b, lowercase), 16)
  const low = i8x16.splat(15)
  const highBits = v128.load(HIGH_BITS)
  const localBits = v128.load(LOCAL_BITS)
  const labelBits = v128.load(LABEL_BITS)
  const highA = v128.swizzle(highBits, i8x16.shr_u(a, 4))
  const highB = v128.swizzle(highBits, i8x16.shr_u(b, 4))
  const lowA = v128.and(a, low)
  const lowB = v128.and(b, low)
  const notLocal = noneOf(localBits, lowA, highA) | (noneOf(localBits, lowB, highB) << 16)
  const notLabel = noneOf(labelBits, lowA, highA) | (noneOf(labelBits, lowB, highB) << 16)
  const at = i8x16.splat(64)
  const ats = (matches(a, at) | (matches(b, at) << 16)) & all
  if ((beyondAscii & all) | <u32>(ats == 0)) return false
  const dot = i8x16.splat(46)
  const hyphen = i8x16.splat(45)
  const domain = all & ~(ats ^ (ats - 1))
  const local = (ats & (0 - ats)) - 1
  const dots = (matches(a, dot) | (matches(b, dot) << 16)) & domain
  const hyphens = (matches(a, hyphen) | (matches(b, hyphen) << 16)) & domain
  // No label is empty, begins or ends with a hyphen.
  const edges = dots | hyphens
  const wrong =
    (notLocal & local) |
    (notLabel & ~dots & domain) |
    (((dots | (local + 1)) << 1) & edges) |
    ((hyphens << 1) & dots) |
    (edges & (all ^ (all >> 1)))
  return wrong == 0 && local != 0 && dots != 0
}

// @ts-ignore: decorator
@inline
function noneOf(bits: v128, low: v128, high: v128): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(v128.and(v128.swizzle(bits, low), high), i8x16.splat(0)))
}

// @ts-ignore: decorator
@inline
function lower(v: v128, bit: u32): v128 {
  const capitals = v128.and(i8x16.ge_s(v, i8x16.splat(65)), i8x16.le_s(v, i8x16.splat(90)))
  return v128.or(v, v128.and(capitals, i8x16.splat(<i8>bit)))
}

function usualMedium(to: usize, s: usize, n: usize, lowercase: u32): bool {
  let beyondAscii: u32 = 0
  for (let i: usize = 0; i < n; i += 16) {
    const v = v128.load(s + i)
    let high = <u32>i8x16.bitmask(v)
    if (n - i < 16) high &= (1 << <u32>(n - i)) - 1
    beyondAscii |= high
    v128.store(to + i, lower(v, lowercase))
  }
  return beyondAscii == 0 && checkShort(to, to + n) == SOUND
}

/**
 * Which characters may stand where, as tables for a swizzle: bit h of entry l is set when the ASCII character
 * h × 16 + l belongs to the class (Langdale and Lemire, "Parsing Gigabytes of JSON per Second", section 3.1.2).
 */
const LOCAL_BITS: usize = memory.data(16)
const LABEL_BITS: usize = memory.data(16)
const HIGH_BITS: usize = memory.data<u8>([1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0])

function initBits(to: usize, flag: u8): void {
  for (let c = 0; c < 128; c++) {
    if (load<u8>(CLASS + c) & flag) store<u8>(to + (c & 15), load<u8>(to + (c & 15)) | ((<u8>1) << <u8>(c >> 4)))
  }
}

/** Up to 64 bytes: one bit a byte for each question. */
function checkShort(s: usize, t: usize): u32 {
  const low = i8x16.splat(15)
  const localBits = v128.load(LOCAL_BITS)
  const labelBits = v128.load(LABEL_BITS)
  const highBits = v128.load(HIGH_BITS)
  let ats: u64 = 0
  let dots: u64 = 0
  let hyphens: u64 = 0
  let locals: u64 = 0
  let labels: u64 = 0
  let at: u64 = 0
  for (let p = s; p < t; p += 16) {
    const v = v128.load(p)
    const high = v128.swizzle(highBits, i8x16.shr_u(v, 4))
    const nibble = v128.and(v, low)
    // Everything beyond ASCII may stand in both parts.
    const beyond = <u32>i8x16.bitmask(v)
    const noLocal = <u32>i8x16.bitmask(i8x16.eq(v128.and(v128.swizzle(localBits, nibble), high), i8x16.splat(0)))
    const noLabel = <u32>i8x16.bitmask(i8x16.eq(v128.and(v128.swizzle(labelBits, nibble), high), i8x16.splat(0)))
    locals |= <u64>((~noLocal | beyond) & 0xffff) << at
    labels |= <u64>((~noLabel | beyond) & 0xffff) << at
    ats |= <u64>matches(v, i8x16.splat(64)) << at
    dots |= <u64>matches(v, i8x16.splat(46)) << at
    hyphens |= <u64>matches(v, i8x16.splat(45)) << at
    at += 16
  }
  const n = <u64>(t - s)
  const all: u64 = n == 64 ? ~(<u64>0) : (<u64>1 << n) - 1
  ats &= all
  const k = ctz(ats)
  if (ats == 0 || k == 0 || k + 1 >= n) return NOT_EMAIL
  const local = (<u64>1 << k) - 1
  const domain = all & ~((<u64>2 << k) - 1)
  dots &= domain
  hyphens &= domain
  if ((~locals & local) | (~(labels | dots) & domain) || dots == 0) return NOT_EMAIL
  // No label is empty, begins or ends with a hyphen.
  const edges = dots | hyphens
  const last = <u64>1 << (n - 1)
  if (((dots | (<u64>1 << k)) << 1) & edges || (hyphens << 1) & dots || edges & last) return NOT_EMAIL
  return SOUND
}

function checkLong(s: usize, t: usize): u32 {
  if (t - s > 254) return NOT_EMAIL
  const at = find(s, t, 64)
  if (at == t || at == s || at - s > 64) return NOT_EMAIL
  for (let p = s; p < at; p++) if (!(load<u8>(CLASS + load<u8>(p)) & LOCAL)) return NOT_EMAIL
  let labels = 0
  let label = at + 1
  for (let p = label; p <= t; p++) {
    const c = p < t ? <u32>load<u8>(p) : 46
    if (c == 46) {
      const n = p - label
      if (n == 0 || n > 63 || load<u8>(label) == 45 || load<u8>(p - 1) == 45) return NOT_EMAIL
      labels++
      label = p + 1
    } else if (!(load<u8>(CLASS + c) & LABEL)) {
      return NOT_EMAIL
    }
  }
  return labels < 2 ? NOT_EMAIL : SOUND
}
