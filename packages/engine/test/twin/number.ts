/** A number as it stands in a cell, taken apart; value = ± digits × 10^(exponent − fraction). */
export interface Finite {
  negative: boolean
  /** Every digit written before the exponent, leading and trailing zeros included. */
  digits: string
  /** How many of the digits stand after the decimal character. */
  fraction: bigint
  exponent: bigint
  /** As written, with `.` as the decimal character and without group characters. */
  plain: string
}

type Special = 'NaN' | 'Infinity' | '-Infinity'

export interface Written {
  special?: Special
  finite?: Finite
  plain: string
}

const escaped = (char: string): string => `\\u{${char.codePointAt(0)!.toString(16)}}`

function integerPart(groupChar: string | null): string {
  return groupChar === null ? '[0-9]+' : `[0-9]+(?:${escaped(groupChar)}[0-9]+)*`
}

export function parseInteger(text: string, groupChar: string | null): bigint | undefined {
  const match = new RegExp(`^([+-]?)(${integerPart(groupChar)})$`, 'u').exec(text)
  if (!match) return undefined
  const magnitude = BigInt(match[2]!.replace(/[^0-9]/g, ''))
  return match[1] === '-' ? -magnitude : magnitude
}

export function parseNumber(text: string, decimalChar: string, groupChar: string | null): Written | undefined {
  if (/^nan$/i.test(text)) return { special: 'NaN', plain: text }
  if (/^[+-]?inf(inity)?$/i.test(text)) return { special: text.startsWith('-') ? '-Infinity' : 'Infinity', plain: text }
  const pattern = `^([+-]?)(${integerPart(groupChar)})?(${escaped(decimalChar)}([0-9]*))?([eE]([+-]?[0-9]+))?$`
  const match = new RegExp(pattern, 'u').exec(text)
  if (!match) return undefined
  const [, sign = '', grouped = '', point, fraction = '', suffix = '', exponent = '0'] = match
  const whole = grouped.replace(/[^0-9]/g, '')
  if (whole === '' && fraction === '') return undefined
  const plain = `${sign}${whole}${point === undefined ? '' : `.${fraction}`}${suffix}`
  return {
    plain,
    finite: {
      negative: sign === '-',
      digits: whole + fraction,
      fraction: BigInt(fraction.length),
      exponent: BigInt(exponent.replace('+', '')),
      plain,
    },
  }
}

const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** The digits without leading zeros; empty for zero. */
const leadingStripped = (number: Finite): string => number.digits.replace(/^0+/, '')

export const isZero = (number: Finite): boolean => leadingStripped(number) === ''

/** Digits before the point once the exponent is applied, leading zeros not counted. */
export function digitsBefore(number: Finite): bigint {
  const digits = leadingStripped(number)
  return digits === '' ? 0n : max(0n, BigInt(digits.length) - number.fraction + number.exponent)
}

/** Digits after the point once the exponent is applied, as written. */
export function digitsAfter(number: Finite): bigint {
  return max(0n, number.fraction - number.exponent)
}

/** The same without trailing zeros. */
export function significantAfter(number: Finite): bigint {
  if (isZero(number)) return 0n
  const zeros = number.digits.length - number.digits.replace(/0+$/, '').length
  return max(0n, number.fraction - number.exponent - BigInt(zeros))
}

/** Digits between the first and the last one that is not zero. */
export const significantDigits = (number: Finite): string => leadingStripped(number).replace(/0+$/, '')

/** The power of ten of the first digit that is not zero. */
export function magnitude(number: Finite): bigint {
  return BigInt(leadingStripped(number).length) - number.fraction + number.exponent - 1n
}

/** The number as an integer, if it is one. Only for numbers of a bounded number of digits. */
export function asInteger(number: Finite): bigint | undefined {
  if (isZero(number)) return 0n
  if (significantAfter(number) > 0n) return undefined
  const shift = number.exponent - number.fraction
  const digits = BigInt(number.digits)
  const whole = shift >= 0n ? digits * 10n ** shift : digits / 10n ** -shift
  return number.negative ? -whole : whole
}

/** Sign of a − b, exactly. NaN is above everything, as in PostgreSQL. */
export function compareNumbers(a: Written, b: Written): number {
  const rank = (number: Written): number =>
    number.special === 'NaN' ? 2 : number.special === 'Infinity' ? 1 : number.special === '-Infinity' ? -1 : 0
  if (rank(a) !== 0 || rank(b) !== 0) return Math.sign(rank(a) - rank(b))
  return compareFinite(a.finite!, b.finite!)
}

function compareFinite(a: Finite, b: Finite): number {
  const sign = (number: Finite): number => (isZero(number) ? 0 : number.negative ? -1 : 1)
  if (sign(a) !== sign(b)) return Math.sign(sign(a) - sign(b))
  if (sign(a) === 0) return 0
  const [magnitudeA, magnitudeB] = [magnitude(a), magnitude(b)]
  if (magnitudeA !== magnitudeB) return magnitudeA > magnitudeB ? sign(a) : -sign(a)
  const [digitsA, digitsB] = [significantDigits(a), significantDigits(b)]
  return digitsA === digitsB ? 0 : digitsA > digitsB ? sign(a) : -sign(a)
}
