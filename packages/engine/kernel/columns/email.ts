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
export function usualEmail(to: usize, s: usize, n: usize, lowercase: u32): bool {
  if (n > 64) return false
  const first = i8x16.splat(65)
  const last = i8x16.splat(90)
  const bit = i8x16.splat(<i8>lowercase)
  let beyondAscii: u32 = 0
  for (let i: usize = 0; i < n; i += 16) {
    const v = v128.load(s + i)
    let high = <u32>i8x16.bitmask(v)
    if (n - i < 16) high &= (1 << <u32>(n - i)) - 1
    beyondAscii |= high
    const capitals = v128.and(i8x16.ge_s(v, first), i8x16.le_s(v, last))
    v128.store(to + i, v128.or(v, v128.and(capitals, bit)))
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
