// E-mail addresses: the HTML standard's grammar, with a domain of two or more labels and with letters beyond ASCII.
import { find } from '../bytes'
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
}

export function checkEmail(): u32 {
  const s = Cell.start
  const t = Cell.end
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
