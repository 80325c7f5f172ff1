const UNITS: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
const SECONDS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800 }

/** `16777216`, `16MB`, `64k`; K, M, G and T are powers of 1024. Undefined where it is no number of bytes, 1 or more. */
export function parseBytes(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,15}) ?([kmgt]?)(?:i?b)?$/i.exec(text) ?? []
  const value = Number(digits) * UNITS[unit?.toLowerCase() ?? '']!
  return value >= 1 && Number.isSafeInteger(value) ? value : undefined
}

/** `30d`, `12h`, `90m`, in seconds. Undefined where it is no such thing. */
export function parseSeconds(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * SECONDS[unit!]!
}
