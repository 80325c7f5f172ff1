// The cell that is being converted: where its text is, whether it stood in quotes, and the scratch areas that hold it
// when it is not what stands in the input any more. Each column type's check leaves its result here for the encoder.

export class Cell {
  /** The text: [start, end). */
  static start: usize = 0
  static end: usize = 0
  static quoted: bool = false
  /** Of a number: its text without spaces around it and without group characters, and with `.` for the decimal character. */
  static numberStart: usize = 0
  static numberEnd: usize = 0
  static isNull: bool = false

  /** integer, days, microseconds, 0 or 1 */
  static int: i64 = 0
  static float: f64 = 0

  /** Bytes beyond the usual that the decimals with exponents of the row at hand take. */
  static expanded: usize = 0
  /** Ordinal of the message of the last HAS_TEST that failed. */
  static message: u32 = 0

  /** Areas for texts that had to be rewritten; transforms go from one to the other. */
  static scratch: usize = 0
  static other: usize = 0
  /** Area for digits: at least 131,072 + 16,383 and some. */
  static digits: usize = 0
}

/** Ignores spaces and tabs at both ends, as every type but text, email and json does. */
// @ts-ignore: decorator
@inline
export function trimBlanks(): void {
  let s = Cell.start
  let t = Cell.end
  while (s < t && isBlank(load<u8>(s))) s++
  while (t > s && isBlank(load<u8>(t - 1))) t--
  Cell.start = s
  Cell.end = t
}

// @ts-ignore: decorator
@inline
function isBlank(c: u32): bool {
  return c == 32 || c == 9
}
